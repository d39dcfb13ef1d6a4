"""Rate limit of a client: a token bucket, without I/O."""

from __future__ import annotations


class TokenBucket:
    """Fills at a steady rate up to a limit; each request takes one token, and waits where there is none."""

    __slots__ = ("_burst", "_rate", "_time", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        """Begin full.

        Args:
            rate: Tokens that come per second.
            burst: Most tokens that are kept.
            now: The time in seconds.
        """
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._time = now

    def take(self, now: float) -> float:
        """Take a token, if need be in advance; return for how many seconds to wait before going on, 0 if not at all."""
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._rate) - 1
        self._time = now
        return max(0.0, -self._tokens / self._rate)
