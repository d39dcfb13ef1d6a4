"""How ListenerPolicies of tests come to be served, and what their statuses say."""

from __future__ import annotations

import contextlib
from typing import Any

import aiohttp

from tests.live.objects import Manifest
from tests.live.proxy import Proxy

UNTRACED = {"traceparent": f"00-{'1' * 32}-{'1' * 16}-00", "x-b3-sampled": "0"}
SETTLING = "/settling"
"""The path of requests whose responses do not matter."""


async def apply(proxy: Proxy, *objects: str | Manifest | list[Manifest], refused: bool = False) -> None:
    """Apply objects, and wait until the workers of the proxy have the listeners that the main thread has accepted.

    A worker hears of a listener by an event of its own, which a connection that comes at once may precede; once that is
    served, the event was.
    """
    await proxy.apply(*objects, refused=refused)
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await proxy.request(SETTLING, headers=UNTRACED)


def problem(proxy: Proxy, type_: str, name: str = "listeners") -> dict[str, Any]:
    """Return a condition of a ListenerPolicy, which has to be False."""
    conditions = proxy.status("ListenerPolicy", name)["ancestors"][0]["conditions"]
    found: dict[str, Any] = next(each for each in conditions if each["type"] == type_)
    assert found["status"] == "False", found
    return found
