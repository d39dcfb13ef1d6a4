"""A recorder of the sync status that a server reports."""

import asyncio
from collections.abc import Callable

from xds.server.server import SyncStatus


class StatusRecorder:
    """Records the sync status that a server reports, and waits for an expected one."""

    def __init__(self) -> None:
        self._last: SyncStatus | None = None
        self._news = asyncio.Condition()

    def __call__(self, key: str, sync_status: SyncStatus) -> None:
        """Take a report."""
        self._last = sync_status
        self._told = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, wanted: Callable[[SyncStatus], bool], within: float = 15) -> SyncStatus:
        """Return the first report that satisfies a condition."""
        async with asyncio.timeout(within), self._news:
            while self._last is None or not wanted(self._last):
                await self._news.wait()
            return self._last
