"""Route delegation through a real Envoy: random trees, and edits of children under load."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.live.delegation import OF_GATEWAY, answers, in_namespace, teams
from tests.live.objects import Manifest, endpoints, gateway, service
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream, upstream
from tests.translator.delegation.manifests import child, grant, route, to, under
from tests.translator.delegation.reference import Answer, World
from tests.translator.delegation.requests import Asked
from tests.translator.delegation.trees import NAMESPACES, PATHS, SERVICES, Trees
from translator.refs import Ref

HEADERS = ("x-by", "x-more")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def backends() -> AsyncIterator[list[Manifest]]:
    """Yield the Services of random trees, each with an upstream that tells its namespace and name."""
    async with contextlib.AsyncExitStack() as stack:
        made: list[Manifest] = []
        for namespace in NAMESPACES:
            for name in SERVICES:
                found = await stack.enter_async_context(upstream(f"{namespace}/{name}"))
                made += in_namespace(namespace, service(name), *endpoints(name, [found.port]))
        yield made


def open_gateway(proxy: Proxy) -> Manifest:
    """Return the Gateway under test, for the routes of all namespaces."""
    listener = {"name": "http", "protocol": "HTTP", "port": proxy.port}
    return gateway(listener | {"allowedRoutes": {"namespaces": {"from": "All"}}})


def at_the_proxy(manifest: Manifest) -> Manifest:
    """Return a route of a random tree, attached to the Gateway under test."""
    spec = manifest["spec"]
    if "parentRefs" not in spec:
        return manifest
    parents = [
        OF_GATEWAY | {"namespace": "default"} if each["kind"] == "Gateway" else each for each in spec["parentRefs"]
    ]
    return {**manifest, "spec": {**spec, "parentRefs": parents}}


async def answered(proxy: Proxy, asked: Asked, http: aiohttp.ClientSession | None = None) -> Answer:
    """Send a request, and return who answers it."""
    headers = list(asked.headers)
    response = await proxy.request(asked.target, method=asked.method, host=asked.host, headers=headers, http=http)
    if response.status != 200:
        return Answer(status=response.status)
    told = [(name, value) for name in HEADERS for value in response.sent(name)]
    host = [(":authority", value) for value in response.sent("host") if value != asked.host]
    return Answer(response.backend, 0, (*host, *told))


def without_timeout(found: Answer) -> Answer:
    """Return an answer without what nobody sees of it."""
    return found._replace(headers=tuple(each for each in found.headers if each[0] != ":timeout"))


@pytest.mark.parametrize("seed", range(12))
async def test_envoy_agrees_with_the_reference(proxy: Proxy, backends: list[Manifest], seed: int) -> None:
    """Who answers each request to a random tree of routes is what a walk over all ways finds."""
    trees = Trees(seed)
    objects = [each for each in trees.world() if each["kind"] in ("HTTPRoute", "ReferenceGrant")]
    await proxy.apply(open_gateway(proxy), backends, [at_the_proxy(each) for each in objects])
    reference = World([*backends, *objects])
    for asked in (*map(Asked, PATHS), *(trees.request() for _ in range(40))):
        assert await answered(proxy, asked) in map(without_timeout, reference.answer(asked)), asked


@pytest.mark.parametrize("seed", range(3))
async def test_trees_change_under_load(proxy: Proxy, backends: list[Manifest], seed: int) -> None:
    """While one random tree takes the place of another, who answers is who may in one of the states on the way."""
    trees = Trees(seed)
    asked = [*map(Asked, PATHS), *(trees.request() for _ in range(12))]
    known: dict[Ref, Manifest] = {}
    await proxy.apply(open_gateway(proxy), backends)
    for _ in range(6):
        new = {_ref(each): each for each in trees.world() if each["kind"] in ("HTTPRoute", "ReferenceGrant")}
        states = [World([*backends, *each.values()]) for each in (known, known | new, new)]
        stopped, found = asyncio.Event(), set[tuple[Asked, Answer]]()
        clients = [asyncio.create_task(_keep_asking(proxy, asked, stopped, found)) for _ in range(2)]
        await proxy.apply([at_the_proxy(each) for each in new.values()])
        await proxy.delete(*(ref for ref in known if ref not in new))
        stopped.set()
        await asyncio.gather(*clients)
        for each, who in found:
            assert any(who in map(without_timeout, state.answer(each)) for state in states), (each, who)
        known = new


def _ref(manifest: Manifest) -> Ref:
    return Ref(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])


async def _keep_asking(
    proxy: Proxy, asked: list[Asked], stopped: asyncio.Event, found: set[tuple[Asked, Answer]]
) -> None:
    async with aiohttp.ClientSession() as http:
        while not stopped.is_set():
            for each in asked:
                found.add((each, await answered(proxy, each, http)))


class Child(NamedTuple):
    """A state of the child that is edited: the upstream it is routed to, "" while it is missing."""

    path: str
    backend: str


def edited(state: Child) -> Manifest:
    """Return the child that is edited."""
    return route("edited", under(state.path, to(state.backend)))


STATES = (
    Child("/team/a", "alpha"),
    Child("/team/a", "beta"),
    Child("/team/a", ""),
    Child("/team/a", "alpha"),
    Child("/team/a/deeper", "alpha"),
    Child("/elsewhere", "alpha"),
    Child("/team", "beta"),
)
EXPECTED = {
    "/team/a": {"alpha", "beta", "500"},
    "/team/steady": {"beta"},
    "/team/steady/x": {"beta"},
    "/team/b": {"500", "beta"},
    "/teamwork": {"gamma"},
    "/elsewhere": {"gamma"},
}
"""Who may answer at each path, in any state: nobody but the team's children, and errors where one is missing."""


async def test_children_change_under_load(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """While a child is edited, moved, deleted and created again, no request is answered by a route of someone else."""
    parent = under("/team", child("edited"), child("missing"), child("steady"))
    await proxy.apply(
        route("parent", parent, under("/", to("gamma")), parents=[OF_GATEWAY]),
        route("steady", under("/team/steady", to("beta"))),
        edited(STATES[0]),
    )
    stopped, seen = asyncio.Event(), {path: Counter[str]() for path in EXPECTED}

    async def ask() -> None:
        async with aiohttp.ClientSession() as http:
            while not stopped.is_set():
                for path, counted in seen.items():
                    response = await proxy.request(path, http=http)
                    counted[response.backend if response.status == 200 else str(response.status)] += 1

    clients = [asyncio.create_task(ask()) for _ in range(3)]
    for state in STATES * 4:
        if state.backend:
            await proxy.apply(edited(state))
        else:
            await proxy.delete(Ref("HTTPRoute", "default", "edited"))
    stopped.set()
    await asyncio.gather(*clients)
    assert {path: {*counted} - EXPECTED[path] for path, counted in seen.items()} == {path: set() for path in EXPECTED}
    assert {path: {*counted} for path, counted in seen.items()}["/team/a"] == EXPECTED["/team/a"]


async def test_grants_and_parents_come_and_go(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """A child of another namespace is served as long as it is granted, and for those of its parents that are there."""
    granted = grant("team1", "default")
    parents = [
        route(name, under(f"/{name}", child("both", "team1")), under("/", to("gamma")), parents=[OF_GATEWAY])
        for name in ("one", "two")
    ]
    both = route("both", under("/one", to("httpbin")), under("/two", to("httpbin")), namespace="team1")
    await proxy.apply(teams(upstreams), parents, both, granted)
    assert await answers(proxy, "/one", "/two/x") == ["team1", "team1"]
    await proxy.delete(Ref("ReferenceGrant", "team1", granted["metadata"]["name"]))
    assert await answers(proxy, "/one", "/two/x") == [500, 500]
    await proxy.apply(grant("team1", "default", "another"), grant("team1", "other"))
    assert await answers(proxy, "/one", "/two/x") == [500, 500]
    await proxy.apply(granted)
    await proxy.delete(Ref("HTTPRoute", "default", "one"))
    assert [(await proxy.request(path)).backend for path in ("/one", "/onetwo")] == ["gamma", "gamma"]
    assert await answers(proxy, "/two/x") == ["team1"]
    await proxy.delete(Ref("HTTPRoute", "default", "two"))
    assert await answers(proxy, "/one", "/two/x", "/") == [404, 404, 404]
