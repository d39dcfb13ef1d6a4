"""Follows the modules that are asked for."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final

from translator.ir.modules import FetchedModule, FetchedSource
from watchers.polling import Poller

REFRESH_SECONDS: Final = 600.0
"""Seconds after which it is looked whether a tag names another image, on average."""
FIRST_RETRY_SECONDS: Final = 1.0
"""Seconds until the next attempt after the first one has failed; they double."""
MOST_RETRY_SECONDS: Final = 60.0
"""Most seconds between two attempts."""
SYNC_SECONDS: Final = 30.0
"""Seconds after the start for which the absence of a result means nothing; then the module is not known."""


def module_watcher(
    fetch: Callable[[FetchedSource], Awaitable[FetchedModule]],
    found: Callable[[FetchedSource, FetchedModule | None], None],
    synced: Callable[[], None] = lambda: None,
    refresh_seconds: float = REFRESH_SECONDS,
    draw: Callable[[], float] = random.random,
) -> Poller[FetchedSource, FetchedModule]:
    """Return what follows modules.

    Args:
        fetch: fetches a module, or raises `PollError`.
        found: takes a source with what is known of its module; None once nobody asks any more.
        synced: called once, when each module of the start has a result, or `SYNC_SECONDS` are over.
        refresh_seconds: the seconds between two fetches of a good module.
        draw: returns a random number from 0 to 1.
    """
    return Poller(
        fetch,
        lambda error: FetchedModule(error=error),
        found,
        synced,
        refresh_seconds=refresh_seconds,
        retry_seconds=(FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS),
        sync_seconds=SYNC_SECONDS,
        order=repr,
        draw=draw,
    )
