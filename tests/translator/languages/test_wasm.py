"""Modules of WebAssembly, which are looked at and not run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.modules import empty_module, with_section
from translator.languages.wasm import check_module

GOOD = empty_module("proxy_abi_version_0_2_1")


@pytest.mark.parametrize("version", ["0_1_0", "0_2_0", "0_2_1"])
def test_modules_that_envoy_speaks_to(version: str) -> None:
    """A module of each version of Proxy-Wasm that Envoy has is taken, whatever else it exports or holds."""
    assert check_module(empty_module("a", f"proxy_abi_version_{version}", "z" * 200)) is None
    assert check_module(with_section(empty_module(f"proxy_abi_version_{version}"), b"x" * 100_000)) is None


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (b"", "is no module of WebAssembly, which begins with 00 61 73 6d"),
        (b"#!/bin/sh", "is no module of WebAssembly"),
        (b"\0asm\x0d\0\1\0", "is no module of WebAssembly of version 1: components are of another"),
        (b"\0asm\1\0\0\0", "exports no function proxy_abi_version_"),
        (empty_module("run"), "exports no function proxy_abi_version_"),
        (empty_module("proxy_abi_version_0_3_0"), "speaks Proxy-Wasm 0_3_0, and Envoy 0_1_0, 0_2_0, 0_2_1"),
        (GOOD[:-1], "is damaged"),
        (GOOD + b"\0", "is damaged"),
        (GOOD + b"\x0e\0", "is damaged"),
        (GOOD + b"\0\xff\xff\xff\xff\xff\xff", "is damaged"),
    ],
)
def test_what_is_kept_from_the_proxy(code: bytes, problem: str) -> None:
    """What is no module, damaged, or of another interface, is refused with the way out."""
    assert problem in (check_module(code) or "")


@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 255))
def test_anything_is_looked_at(rest: bytes, place: int, byte: int) -> None:
    """Whatever the bytes are, there is an answer."""
    for code in (rest, b"\0asm\1\0\0\0" + rest, GOOD + rest, GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]):
        assert check_module(code) != ""
