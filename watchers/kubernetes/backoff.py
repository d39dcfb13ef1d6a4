"""Exponential back-off with jitter. Pure: no clock."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Pauses that double from `first` to `most` seconds, each shortened at random by up to half.

    The jitter prevents many clients of a failed server from reconnecting at the same time.
    """

    first: float = 0.25
    most: float = 30.0
    draw: Callable[[], float] = random.random
    _tries: int = 0

    def next(self, at_least: float = 0.0) -> float:
        """Return the next pause in seconds; `at_least` is the server's Retry-After, limited to `most`."""
        longest = min(self.most, self.first * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return max(longest * (1 - self.draw() / 2), min(at_least, self.most))

    def reset(self) -> None:
        """Reset the pauses after a success."""
        self._tries = 0
