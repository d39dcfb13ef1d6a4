"""Containment of bugs: logged, and limited to the object concerned."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

log = structlog.stdlib.get_logger("headgate")


@contextlib.contextmanager
def contained(doing: str) -> Iterator[None]:
    """Log an exception in the context instead of raising it, so that all other objects are evaluated."""
    try:
        yield
    except Exception:
        log.exception(f"A bug in Headgate, please report it, while {doing}. Everything else goes on.")
