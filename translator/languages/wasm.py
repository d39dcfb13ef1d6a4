"""WebAssembly: modules of users, which Envoy runs in V8. They are looked at here, and never run.

Envoy refuses the configuration of all modules of a Gateway for one that it cannot load: what is no module of Proxy-Wasm
is kept from it.

Source: https://webassembly.github.io/spec/core/binary/modules.html and https://github.com/proxy-wasm/spec
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MAGIC: Final = b"\0asm"
VERSION: Final = b"\1\0\0\0"
EXPORT: Final = 7
"""The id of the section with the names that a module exports."""
LAST_SECTION: Final = 13
"""The greatest id of a section."""
FUNCTION: Final = 0
ABI: Final = "proxy_abi_version_"
ABIS: Final = ("0_1_0", "0_2_0", "0_2_1")
"""The versions of Proxy-Wasm's interface that Envoy speaks."""
_NO_MODULE: Final = "is no module of WebAssembly"
_DAMAGED: Final = "is damaged: its sections do not fit its length"


class _WasmError(ValueError):
    """What is wrong with a module."""


def check_module(code: bytes) -> str | None:
    """Return what is wrong with a module, and the way out; None if Envoy may load it."""
    if not code.startswith(MAGIC):
        return f"{_NO_MODULE}, which begins with 00 61 73 6d: give one that is compiled"
    if code[4:8] != VERSION:
        return f"{_NO_MODULE} of version 1: components are of another, give a core module"
    try:
        spoken = [name for name in _exports(code) if name.startswith(ABI)]
    except _WasmError as error:
        return str(error)
    versions = [each.removeprefix(ABI) for each in spoken]
    if not versions:
        return f"exports no function {ABI}…: build it with an SDK of Proxy-Wasm"
    if not set(versions) & set(ABIS):
        return f"speaks Proxy-Wasm {', '.join(versions)}, and Envoy {', '.join(ABIS)}: build it with another SDK"
    return None


def _exports(code: bytes) -> Iterator[str]:
    """Yield the names of the functions that a module exports."""
    at = 8
    while at < len(code):
        section = code[at]
        size, at = _number(code, at + 1)
        if section > LAST_SECTION or at + size > len(code):
            raise _WasmError(_DAMAGED)
        if section == EXPORT:
            yield from _names(code[at : at + size])
        at += size


def _names(section: bytes) -> Iterator[str]:
    count, at = _number(section, 0)
    for _ in range(count):
        length, at = _number(section, at)
        name, kind_at = section[at : at + length], at + length
        if kind_at >= len(section):
            raise _WasmError(_DAMAGED)
        _, at = _number(section, kind_at + 1)
        if section[kind_at] == FUNCTION:
            yield name.decode(errors="replace")


def _number(code: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned number of 32 bits (LEB128), and where what follows begins."""
    found = 0
    for shift in range(0, 35, 7):
        if at >= len(code):
            break
        found |= (code[at] & 0x7F) << shift
        at += 1
        if not code[at - 1] & 0x80:
            return found, at
    raise _WasmError(_DAMAGED)
