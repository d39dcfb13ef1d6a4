"""Errors that nothing in the code expects, told in the log: each once in a while, however often it happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger("xds")

AGAIN_SECONDS = 60.0
"""The same error is not told again for so many seconds."""
MAX_KNOWN = 100
"""So many different errors are known as told; the oldest is forgotten."""


class FaultLog:
    """Tells of errors; the same error in the same place is told once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing told; `clock` returns seconds."""
        self._clock = clock
        self._told: dict[str, float] = {}

    def tell(self, place: str, error: Exception) -> None:
        """Tell of an error.

        Args:
            place: What does not work because of it: "The page /status".
            error: The error; its traceback is logged.
        """
        text, now = f"{place}: {error!r}"[:1000], self._clock()
        if now - self._told.get(text, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return
        self._told.pop(text, None)
        self._told[text] = now
        if len(self._told) > MAX_KNOWN:
            del self._told[next(iter(self._told))]
        log.error("A bug in Headgate, please report it: %s", text, exc_info=error)
