"""What the tests of route delegation share: teams with Services in namespaces of their own, and requests to them."""

from __future__ import annotations

from typing import Any

from tests.live.objects import GATEWAY, Manifest, endpoints, service
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream

TEAMS = {"team1": "alpha", "team2": "beta"}
"""The upstream behind the Service `httpbin` of each namespace."""

OF_GATEWAY: Manifest = {"name": GATEWAY}
HOST = "delegation.example"


def in_namespace(namespace: str, *objects: Manifest) -> list[Manifest]:
    """Return objects, in a namespace."""
    return [{**each, "metadata": {**each["metadata"], "namespace": namespace}} for each in objects]


def teams(upstreams: dict[str, Upstream]) -> list[Manifest]:
    """Return the Services of the teams, with their endpoints."""
    return [
        made
        for namespace, upstream in TEAMS.items()
        for made in in_namespace(namespace, service("httpbin"), *endpoints("httpbin", [upstreams[upstream].port]))
    ]


async def answer(proxy: Proxy, path: str, *headers: tuple[str, str], host: str = HOST, **options: Any) -> str | int:
    """Return the team that answers a request; the status if none does."""
    response = await proxy.request(path, host=host, headers=list(headers), **options)
    by_upstream = {upstream: team for team, upstream in TEAMS.items()}
    return by_upstream[response.backend] if response.status == 200 else response.status


async def answers(proxy: Proxy, *paths: str, host: str = HOST) -> list[str | int]:
    """Return who answers each of the paths."""
    return [await answer(proxy, path, host=host) for path in paths]


def condition(proxy: Proxy, name: str, parent: str, kind: str = "Accepted") -> tuple[str, str]:
    """Return the status and reason of a condition of a route of `default`, about one of its parents."""
    status = proxy.status("HTTPRoute", name)
    return next(
        (each["status"], each["reason"])
        for about in status["parents"]
        if about["parentRef"]["name"] == parent
        for each in about["conditions"]
        if each["type"] == kind
    )
