"""Times that Envoy can count."""

from __future__ import annotations

from typing import Final

MAX_MILLISECONDS: Final = 10_000 * 24 * 3_600_000
"""What is longer is as good as no limit, and more than Envoy can count."""


def whole_seconds(milliseconds: int) -> int:
    """Return a time in seconds, rounded up."""
    return -(-milliseconds // 1000)


def countable(milliseconds: int) -> int:
    """Return a time that Envoy can count, where 0 is no limit."""
    return milliseconds if milliseconds <= MAX_MILLISECONDS else 0
