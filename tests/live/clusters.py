"""What Envoy says of the clusters of Services."""

from __future__ import annotations

import asyncio
import json

from tests.live.proxy import Proxy


async def counted(proxy: Proxy, service: str, stat: str) -> int:
    """Return a statistic of the clusters of port 80 of a Service, those of former settings included."""
    found = json.loads(await proxy.admin(f"/stats?format=json&filter=^cluster.default/{service}_80.*{stat}$"))["stats"]
    return sum(int(each.get("value", 0)) for each in found)


async def counts_to(proxy: Proxy, service: str, stat: str, wanted: int, within: float = 15) -> None:
    """Wait until a statistic has reached a number; `within` is in seconds."""
    async with asyncio.timeout(within):
        while await counted(proxy, service, stat) < wanted:
            pass
