"""Log of unexpected errors, rate-limited by error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger("xds")

AGAIN_SECONDS = 60.0
"""Seconds for which the same error is not logged again."""
MAX_KNOWN = 100
"""Most different errors that are tracked; the oldest is forgotten."""


class FaultLog:
    """Logs errors; the same error in the same place once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing logged; `clock` returns seconds."""
        self._clock = clock
        self._told: dict[str, float] = {}

    def tell(self, place: str, error: Exception) -> None:
        """Log an error.

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
