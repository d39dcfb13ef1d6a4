"""Routes of Services: real clients of gRPC without a proxy, and real servers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.live.objects import ROUTES, Manifest, endpoints, rule, service
from tests.live.proxyless import Plane
from tests.live.test_grpc import Backend, method
from translator.refs import Ref

ADD, GET = "/shop.v1.Cart/Add", "/shop.v1.Cart/Get"
Servers = tuple[list[Manifest], list[Manifest]]


@pytest_asyncio.fixture(loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    """Yield the objects of two servers, behind the Services `one` and `two`."""
    async with Backend("one").serving() as one, Backend("two").serving() as two:
        yield one, two


def service_route(*rules: Manifest, kind: str = "GRPCRoute", name: str = "route", **metadata: Any) -> Manifest:
    """Return a route of the Service `one`."""
    parent = {"group": "", "kind": "Service", "name": "one", "namespace": "default"}
    spec = {"parentRefs": [parent], "rules": list(rules)}
    return {"apiVersion": ROUTES, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


async def test_calls_and_streams(servers: Servers) -> None:
    """Calls, streams and errors go from the client to the server that its Service has, without a route."""
    async with Plane().running(*servers) as plane, plane.client("one") as client:
        assert await client.call() == "one"
        assert await client.call(request="fail") == "DATA_LOSS"
        assert await client.do("watch", method="/shop.v1.Cart/Watch", request="3") == ["0", "1", "2", "OUT_OF_RANGE"]
        assert await client.do("chat", method="/shop.v1.Cart/Chat", words=["a", "b"]) == ["A", "B"]
        assert plane.nacks() == []


async def test_rules(servers: Servers) -> None:
    """A client applies methods, prefixes, headers and weights as the routes of the Service say, and rejects nothing."""
    grpc = service_route(
        rule("two", matches=[method("shop.v1.Cart", "Get"), method("stock.Items")]),
        rule("two", matches=[method(method="AddAll", headers=[{"name": "x-version", "value": "2"}])]),
    )
    http = service_route(
        rule("two", matches=[{"path": {"value": "/shop.v1.Orders"}}], retry={"codes": [503], "backoff": "10ms"}),
        rule("one", {"name": "two", "weight": 0}, {"name": "missing", "weight": 0}),
        kind="HTTPRoute",
        name="http",
    )
    async with Plane().running(*servers, grpc, http) as plane, plane.client("one") as client:
        assert await client.call(ADD) == "one"
        assert await client.call(GET) == "two"
        assert await client.call("/stock.Items/Add") == "two"
        assert await client.call("/shop.v1.Orders/Get") == "two"
        assert await client.call("/shop.v1.Cart/AddAll") == "one"
        assert await client.call("/shop.v1.Cart/AddAll", metadata={"x-version": "2"}) == "two"
        assert plane.nacks() == []


async def test_errors_are_unavailable(servers: Servers) -> None:
    """What a rule asks for and clients cannot do, and a broken share, fail at once; the rest of the route is served."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "example.com"}}
    http = service_route(
        {"matches": [{"path": {"value": "/shop.v1.Orders"}}], "filters": [redirect]},
        rule("missing", matches=[{"path": {"type": "Exact", "value": GET}}]),
        rule({"name": "one", "weight": 0}, "missing", matches=[{"path": {"type": "Exact", "value": "/a.B/C"}}]),
        rule("one", "missing", matches=[{"path": {"value": "/stock.Items"}}]),
        rule("one"),
        kind="HTTPRoute",
    )
    async with Plane().running(*servers, http) as plane, plane.client("one") as client:
        assert await client.call(ADD) == "one"
        assert await client.call("/shop.v1.Orders/Get") == "UNAVAILABLE"
        assert await client.call(GET) == "UNAVAILABLE"
        assert await client.call("/a.B/C") == "UNAVAILABLE"
        found = {await client.call("/stock.Items/Get") for _ in range(40)}
        assert found == {"one", "UNAVAILABLE"}
        assert plane.nacks() == []


async def test_timeouts(servers: Servers) -> None:
    """The timeout of a rule ends a call that has none of its own."""
    short = service_route(rule("one", timeouts={"request": "200ms"}), kind="HTTPRoute")
    async with Plane().running(*servers, short) as plane, plane.client("one") as client:
        before = time.monotonic()
        assert await client.do("silence", method="/shop.v1.Cart/Chat") == "DEADLINE_EXCEEDED"
        assert time.monotonic() - before < 8


async def test_addresses_and_names(servers: Servers) -> None:
    """Backends without EndpointSlices are reached by their address, or by the DNS name that they stand for."""
    port = servers[1][1]["ports"][0]["port"]
    address = service("address", port, clusterIP="127.0.0.1")
    name = service("name", port, type="ExternalName", externalName="localhost")
    http = service_route(
        rule({"name": "address", "port": port}, matches=[{"path": {"value": "/shop.v1.Cart"}}]),
        rule({"name": "name", "port": port}),
        kind="HTTPRoute",
    )
    async with Plane().running(*servers, address, name, http) as plane, plane.client("one") as client:
        assert await client.call(ADD) == "two"
        assert await client.call("/stock.Items/Get") == "two"
        assert plane.nacks() == []


async def test_changes_under_load(servers: Servers) -> None:
    """While routes come, change and go, and endpoints move, no call fails."""
    one, two = servers
    moved = endpoints("one", [two[1]["ports"][0]["port"]])[0]
    moved["metadata"]["name"] = one[1]["metadata"]["name"]
    async with Plane().running(*servers) as plane, plane.client("one") as client:
        await client.until("one")
        await client.do("load", method=ADD)
        await plane.apply(service_route(rule("two")))
        await client.until("two")
        await plane.apply(service_route(rule("one", matches=[method("shop.v1.Cart")]), rule("two")))
        await client.until("one")
        await plane.delete(Ref("GRPCRoute", "default", "route"))
        await client.until("one")
        await plane.apply(moved)
        await client.until("two")
        await plane.apply(one[1])
        await client.until("one")
        counts = await client.do("stop")
        assert {"one:x"} <= counts.keys() <= {"one:x", "two:x"}, counts
        assert plane.nacks() == []


async def test_namespaces_and_other_targets(servers: Servers) -> None:
    """A route in the clients' own namespace is for these; those of other namespaces get the Service's."""
    own = service_route(rule({"name": "two", "namespace": "default"}), namespace="far")
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "grant"},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "namespace": "far"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
    async with (
        Plane().running(*servers, own, grant) as plane,
        plane.client("one", "far") as far,
        plane.client("one", "near") as near,
        plane.client("two", "far") as two,
    ):
        assert await far.call() == "two"
        assert await near.call() == "one"
        assert await two.call() == "two"
        assert set(plane.translator.client_snapshots) == {"far", "near"}


async def test_a_restart(servers: Servers) -> None:
    """A control plane that comes back with other routes fails no call, though it serves another client first."""
    async with Plane().running(*servers) as plane, plane.client("one") as client:
        address = f"127.0.0.1:{plane.server.port}"
        await client.until("one")
        await client.do("load", method=ADD)
        await plane.server.stop(0)
        async with Plane(address).running(*servers, service_route(rule("two"))) as again, again.client("two") as other:
            assert await other.call() == "two"
            await client.until("two")
            counts = await client.do("stop")
    assert {"one:x"} <= counts.keys() <= {"one:x", "two:x"}, counts
