"""Rate limit of a client: a token bucket, without I/O."""

from __future__ import annotations


class TokenBucket:
    """Fills at a constant rate up to a limit; each request takes one token, and waits if there is none."""

    __slots__ = ("_burst", "_rate", "_time", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        """Start full.

        Args:
            rate: Tokens added per second.
            burst: Most tokens in the bucket.
            now: The time in seconds.
        """
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._time = now

    def take(self, now: float) -> float:
        """Take a token, if necessary in advance; return the seconds to wait until it is there, 0 if it is."""
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._rate) - 1
        self._time = now
        return max(0.0, -self._tokens / self._rate)
