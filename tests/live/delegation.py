"""What the tests of route delegation share: teams with Services in namespaces of their own, and requests to them."""

from __future__ import annotations

from typing import Any

from tests.live.objects import GATEWAY, Manifest, endpoints, service
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream
from tests.translator.delegation.manifests import child, grant, of_route, route, to, under

TEAMS = {"team1": "alpha", "team2": "beta"}
"""The upstream behind the Service `httpbin` of each namespace."""

OF_GATEWAY: Manifest = {"name": GATEWAY}
HOST = "delegation.example"
GRANTS = [grant(team, "default") for team in ("team1", "team2")]
HTTPBIN = to("httpbin")
TEAM1, TEAM2 = "/anything/team1", "/anything/team2"
FOO = route("child-team1", under(f"{TEAM1}/foo", HTTPBIN), namespace="team1")
OF_PARENT = of_route("parent", "default")


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


def parent(*rules: Manifest, name: str = "parent", hostname: str = HOST) -> Manifest:
    """Return a route of the Gateway under test."""
    return route(name, *rules, parents=[OF_GATEWAY], hostnames=[hostname])


def by_team(**fields: Manifest) -> list[Manifest]:
    """Return the rules of most pages: one for the routes of each team's namespace."""
    return [under(path, child("*", team), **fields) for path, team in ((TEAM1, "team1"), (TEAM2, "team2"))]


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
