"""Requests that are given up after their time, as those of a real client are, to an API server that is made up."""

from __future__ import annotations

import asyncio
from typing import Any

from watchers.kubernetes.client import SECONDS, Api
from watchers.kubernetes.errors import Unreachable


class Punctual:
    """Stands between who asks and an API server.

    Args:
        api: answers.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def request(self, method: str, path: str, *, seconds: float = SECONDS, **options: Any) -> Any:
        """Pass a request on; after so many seconds there is no answer."""
        try:
            async with asyncio.timeout(seconds):
                return await self._api.request(method, path, seconds=seconds, **options)
        except TimeoutError:
            raise Unreachable("https://cluster.test", "it took too long") from None
