"""Follows the metadata of all issuers that are asked for."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final

from translator.ir.oidc import Discovered, ProviderMetadata
from watchers.polling import Poller

REFRESH_SECONDS: Final = 600.0
"""Seconds after which metadata is fetched again, on average."""
FIRST_RETRY_SECONDS: Final = 1.0
"""Seconds until the next attempt after the first one has failed; they double."""
MOST_RETRY_SECONDS: Final = 60.0
"""Most seconds between two attempts while there is no metadata, or it cannot be refreshed."""

SYNC_SECONDS: Final = 10.0
"""Seconds after the start for which the absence of a result means nothing; then issuers without one are not known."""

Fetch = Callable[[str], Awaitable[ProviderMetadata]]
"""Returns the metadata of an issuer, or raises `DiscoveryError`."""


class DiscoveryWatcher(Poller[str, Discovered]):
    """Follows the metadata of issuers.

    Args:
        fetch: fetches the metadata of an issuer.
        discovered: takes an issuer with the result of its discovery; None once nobody asks for it any more.
        synced: called once, when each issuer that was asked for at first has a result, or `SYNC_SECONDS` are over.
        refresh_seconds: the seconds between two fetches of good metadata.
        draw: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        fetch: Fetch,
        discovered: Callable[[str, Discovered | None], None],
        synced: Callable[[], None] = lambda: None,
        refresh_seconds: float = REFRESH_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        async def fetched(issuer: str) -> Discovered:
            return Discovered(await fetch(issuer))

        super().__init__(
            fetched,
            lambda error: Discovered(error=error),
            discovered,
            synced,
            refresh_seconds=refresh_seconds,
            retry_seconds=(FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS),
            sync_seconds=SYNC_SECONDS,
            order=str,
            draw=draw,
        )
