"""Logins through a proxy at a real OpenID provider, for tests."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.live.objects import Manifest, traffic_policy
from tests.live.openid import Provider
from tests.live.proxy import Proxy
from tests.live.user_agent import Page

HOST = "shop.localhost"
REDIRECT = "/oauth2/redirect"


class World(NamedTuple):
    """A proxy before a provider.

    Attributes:
        url: the URL of the host, without a path.
    """

    proxy: Proxy
    provider: Provider
    url: str

    async def apply(self, *objects: Manifest) -> None:
        """Apply objects, and fetch what they need of issuers."""
        await self.proxy.apply(*objects)
        await self.proxy.discover()


def login(level: str = "route", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy that asks for a login."""
    return traffic_policy(level, name, oauth2={"extensionRef": {"name": "login"}, **fields})


def seen(page: Page) -> dict[str, Any]:
    """Return what the upstream saw of the request for a page."""
    assert page.status == 200, (page.status, page.text)
    found: dict[str, Any] = json.loads(page.text)
    return found


def sent(page: Page, name: str) -> str:
    """Return the values of a header that the upstream saw."""
    return ",".join(value for key, value in seen(page)["headers"] if key == name)


def condition(world: World, type_: str) -> dict[str, Any]:
    """Return a condition of the policy."""
    conditions = world.proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    found: dict[str, Any] = next(each for each in conditions if each["type"] == type_)
    return found
