"""Follows the instances that are asked for."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final

from translator.ir.aws import FoundInstances, InstanceQuery
from watchers.polling import Poller

REFRESH_SECONDS: Final = 30.0
"""Seconds after which AWS is asked again, on average."""
FIRST_RETRY_SECONDS: Final = 2.0
"""Seconds until the next attempt after the first one has failed; they double."""
MOST_RETRY_SECONDS: Final = 60.0
"""Most seconds between two attempts: AWS refuses who asks too often."""
SYNC_SECONDS: Final = 10.0
"""Seconds after the start for which the absence of a result means nothing; then there are no endpoints."""


def instance_watcher(
    fetch: Callable[[InstanceQuery], Awaitable[FoundInstances]],
    found: Callable[[InstanceQuery, FoundInstances | None], None],
    synced: Callable[[], None] = lambda: None,
    refresh_seconds: float = REFRESH_SECONDS,
    draw: Callable[[], float] = random.random,
) -> Poller[InstanceQuery, FoundInstances]:
    """Return what follows the instances of queries.

    Args:
        fetch: asks AWS, or raises `PollError`.
        found: takes a query with what is known of its instances; None once nobody asks any more.
        synced: called once, when each query of the start has a result, or `SYNC_SECONDS` are over.
        refresh_seconds: the seconds between two questions.
        draw: returns a random number from 0 to 1.
    """
    return Poller(
        fetch,
        lambda error: FoundInstances(error=error),
        found,
        synced,
        refresh_seconds=refresh_seconds,
        retry_seconds=(FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS),
        sync_seconds=SYNC_SECONDS,
        order=lambda each: each.place,
        draw=draw,
    )
