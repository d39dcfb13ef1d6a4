"""Log of unexpected errors, rate-limited by error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger("xds")

AGAIN_SECONDS = 60.0
"""Seconds for which the same error is not logged again."""
MAX_KNOWN = 100
"""Most different errors tracked; the oldest is dropped."""


class FaultLog:
    """Logs errors; the same error at the same place once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with no error logged; `clock` returns seconds."""
        self._clock = clock
        self._logged: dict[str, float] = {}

    def tell(self, place: str, error: Exception) -> None:
        """Log an error.

        Args:
            place: The part that failed: "The page /status".
            error: The error; its traceback is logged.
        """
        text, now = f"{place}: {error!r}"[:1000], self._clock()
        if now - self._logged.get(text, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return
        self._logged.pop(text, None)
        self._logged[text] = now
        if len(self._logged) > MAX_KNOWN:
            del self._logged[next(iter(self._logged))]
        log.error("A bug in Headgate, please report it: %s", text, exc_info=error)
