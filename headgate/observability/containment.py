"""Bugs that end nothing but what they concern, and are logged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

log = structlog.stdlib.get_logger("headgate")


@contextlib.contextmanager
def contained(doing: str) -> Iterator[None]:
    """Keep a bug in what concerns some from ending the evaluation, and so everything for all."""
    try:
        yield
    except Exception:
        log.exception(f"A bug in Headgate, please report it, while {doing}. Everything else goes on.")
