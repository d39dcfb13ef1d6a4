"""The file descriptors that Envoys of this machine may have."""

from __future__ import annotations

import resource
import sys

import pytest
from structlog.testing import capture_logs

from headgate.envoy.descriptors import MACOS_DESCRIPTORS, available, warn_if_few
from translator.envoy.descriptors import sufficient
from translator.envoy.overload import MAX_DOWNSTREAM_CONNECTIONS


@pytest.mark.parametrize(
    ("platform", "hard", "expected"),
    [
        ("linux", 20_000, 20_000),
        ("linux", resource.RLIM_INFINITY, None),
        ("darwin", resource.RLIM_INFINITY, MACOS_DESCRIPTORS),
        ("darwin", 1 << 20, MACOS_DESCRIPTORS),
        ("darwin", 5_000, 5_000),
    ],
)
def test_the_hard_limit_counts(monkeypatch: pytest.MonkeyPatch, platform: str, hard: int, expected: int | None) -> None:
    """The hard limit is what Envoys may have, on macOS at most what the system allows."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, hard))
    assert available() == expected


def test_few_descriptors_are_reported() -> None:
    """Where limits are lowered, one warning names the limit, what follows from it, and how to raise it."""
    with capture_logs() as logs:
        warn_if_few(None)
        warn_if_few(sufficient(MAX_DOWNSTREAM_CONNECTIONS))
    assert logs == []
    with capture_logs() as logs:
        warn_if_few(20_000)
    (event,) = (each["event"] for each in logs)
    assert "20,000 file descriptors" in event
    assert "6,581 connections instead of 50,000" in event
    assert all(each in event for each in ("150,256", "ulimit -Hn", "LimitNOFILE"))
