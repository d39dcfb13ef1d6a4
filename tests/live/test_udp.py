"""UDPRoutes: real sockets, with Envoy between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final, cast

import pytest
import pytest_asyncio

from tests.live.objects import Manifest, connection_route, gateway
from tests.live.proxy import Proxy, free_port
from translator.envoy import udp_proxy

Address = tuple[str, int]
LONGEST: Final = 65507
"""The longest payload of a datagram by IPv4."""
MODIFIED: Final = "/stats?filter=_manager.(listener|cluster)_(added|modified|removed)"


class Echo(asyncio.DatagramProtocol):
    """A server that returns each datagram, with its own name in place of the first byte."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.clients: Counter[Address] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Answer."""
        self.clients[addr] += 1
        self.transport.sendto(self.name + data[1:], addr)


class Client(asyncio.DatagramProtocol):
    """A client with a port of its own."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Keep an answer."""
        self.answers.put_nowait(data)

    async def exchange(self, data: bytes = b"-", seconds: float = 5) -> bytes:
        """Send a datagram and return its answer; nothing if none comes in time."""
        self.transport.sendto(data)
        try:
            async with asyncio.timeout(seconds):
                return await self.answers.get()
        except TimeoutError:
            return b""


@contextlib.asynccontextmanager
async def clients(port: int, number: int) -> AsyncIterator[list[Client]]:
    """Run clients of a port of the proxy."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", port)) for _ in range(number)]
    try:
        yield [client for _, client in made]
    finally:
        for transport, _ in made:
            transport.close()


@contextlib.asynccontextmanager
async def backend(name: str) -> AsyncIterator[tuple[Echo, list[Manifest]]]:
    """Run a server, and yield it with its Service."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: Echo(name[:1].encode()), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    try:
        yield server, [*service(name), slice_(name, port)]
    finally:
        transport.close()


def service(name: str) -> list[Manifest]:
    """Return a Service with one port of UDP."""
    ports = [{"port": 53, "protocol": "UDP"}]
    return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}}]


def slice_(name: str, *ports: int) -> Manifest:
    """Return the EndpointSlice of a Service."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"]}] if ports else [],
        "ports": [{"port": each, "protocol": "UDP"} for each in ports],
    }


def listener(port: int) -> Manifest:
    """Return a listener of protocol UDP."""
    return {"name": f"udp-{port}", "protocol": "UDP", "port": port}


def udp_route(name: str, port: int, created: str = "", **weights: int) -> Manifest:
    """Return a UDPRoute from a port of the Gateway to Services, by weight."""
    return connection_route("UDPRoute", name, {"sectionName": f"udp-{port}"}, weights, created=created, port=53)


@pytest_asyncio.fixture(loop_scope="session")
async def backends(proxy: Proxy) -> AsyncIterator[list[Manifest]]:
    """Yield the Services `one` and `two`, with a server each."""
    async with backend("one") as (_, one), backend("two") as (_, two):
        yield [*one, *two]


async def exchange(many: list[Client], seconds: float = 5) -> list[bytes]:
    """Return the answers of clients, so few at a time that no buffer of a socket is full: each is a server's name."""
    found: list[bytes] = []
    for start in range(0, len(many), 50):
        found += await asyncio.gather(*(each.exchange(seconds=seconds) for each in many[start : start + 50]))
    return found


async def test_datagrams_of_every_length(proxy: Proxy, backends: list[Manifest]) -> None:
    """Datagrams come back whole, from one byte to the longest that there can be."""
    port = free_port()
    await proxy.apply(gateway(listener(port)), backends, udp_route("route", port, one=1))
    async with clients(port, 1) as (client,):
        for length in (1, 1400, 1501, 9000, 40000, LONGEST):
            data = bytes(each % 251 for each in range(length))
            assert await client.exchange(data) == b"o" + data[1:]


async def test_sessions_are_shared_by_weight(proxy: Proxy, backends: list[Manifest]) -> None:
    """Of many clients each keeps to one backend, and they are shared by weight; a weight of 0 gets none."""
    port = free_port()
    async with backend("zero") as (zero, objects):
        await proxy.apply(gateway(listener(port)), backends, objects)
        await proxy.apply(udp_route("route", port, one=70, two=30, zero=0))
        async with clients(port, 500) as many:
            first = await exchange(many)
            assert await exchange(many) == first
        found = Counter(first)
        assert found.keys() == {b"o", b"t"}
        assert abs(found[b"o"] / 500 - 0.7) < 0.05
        assert not zero.clients


async def test_broken_shares_are_dropped(proxy: Proxy, backends: list[Manifest]) -> None:
    """The shares of backends that do not exist, or have no endpoints, are dropped, and no other."""
    port = free_port()
    await proxy.apply(gateway(listener(port)), backends, service("empty"))
    await proxy.apply(udp_route("route", port, one=5, missing=3, empty=2))
    async with clients(port, 100) as many:
        found = Counter(await exchange(many, 0.5))
        assert found.keys() == {b"o", b""}
        assert 40 <= found[b"o"] <= 60


async def test_datagrams_that_nothing_takes_are_dropped(proxy: Proxy, backends: list[Manifest]) -> None:
    """A listener without routes drops datagrams; its first route then gets them."""
    port = free_port()
    await proxy.apply(gateway(listener(port)), backends)
    async with clients(port, 1) as (client,):
        assert await client.exchange(seconds=0.2) == b""
        await proxy.apply(udp_route("route", port, one=1))
        assert await client.exchange() == b"o"


async def test_a_change_of_a_route_keeps_sessions(proxy: Proxy, backends: list[Manifest]) -> None:
    """While a route gets another backend, its listener stays, and so do the sessions of other backends and routes."""
    stays, changes = free_port(), free_port()
    async with backend("first") as (first, objects):
        await proxy.apply(gateway(listener(stays), listener(changes)), backends, objects)
        await proxy.apply(udp_route("stays", stays, first=1), udp_route("changes", changes, first=1))
        async with clients(stays, 1) as (one,), clients(changes, 1) as (other,):
            assert {await one.exchange(), await other.exchange()} == {b"f"}
            before = await proxy.admin(MODIFIED)
            await proxy.apply(udp_route("changes", changes, first=1, two=1000))
            assert await other.exchange() == b"f"
            async with clients(changes, 20) as many:
                found = Counter(await exchange(many))
                assert found[b"t"] >= 19
            await proxy.apply(udp_route("changes", changes, two=1))
            assert await other.exchange() == b"t"
            assert await one.exchange() == b"f"
            assert await proxy.admin(MODIFIED) == before
        # One of a thousand new sessions, too, is its own.
        assert sorted(first.clients.values()) == [*[1] * found[b"f"], 2, 2]


async def test_no_datagram_is_lost_while_others_change(proxy: Proxy, backends: list[Manifest]) -> None:
    """Sessions get every answer while weights, endpoints of other backends, and other routes and listeners change."""
    port, other = free_port(), free_port()
    await proxy.apply(gateway(listener(port)), backends, udp_route("route", port, one=1000, two=1))
    async with clients(port, 20) as many:
        stays = [each for each in many if await each.exchange() == b"o"]
        answers: Counter[bytes] = Counter()
        stop = asyncio.Event()

        async def load(client: Client) -> None:
            while not stop.is_set():
                answers[await client.exchange(seconds=2)] += 1

        async with asyncio.TaskGroup() as group:
            for each in stays:
                group.create_task(load(each))
            await proxy.apply(udp_route("route", port, one=1, two=1000))
            await proxy.apply(slice_("two"))
            await proxy.apply(slice_("two", free_port()), udp_route("route", port, two=1, one=1, missing=1))
            await proxy.apply(gateway(listener(port), listener(other)), udp_route("other", other, one=1))
            await proxy.apply(gateway(listener(port)))
            stop.set()
        assert len(stays) > 10
        assert answers.keys() == {b"o"}
        assert answers[b"o"] > len(stays)


async def test_the_socket_of_a_removed_listener(proxy: Proxy, backends: list[Manifest]) -> None:
    """Until it has drained, Envoy keeps the socket of a removed listener, and takes datagrams from the next owner."""
    port, other, loop = free_port(), free_port(), asyncio.get_running_loop()
    await proxy.apply(gateway(listener(port), listener(other)), backends, udp_route("route", port, one=1))
    await proxy.apply(gateway(listener(other)))
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Echo(b"n"), local_addr=("127.0.0.1", port), reuse_port=True
    )
    try:
        async with clients(port, 100) as many:
            found = Counter(await exchange(many, 0.3))
    finally:
        transport.close()
    assert found.keys() == {b"n", b""}


async def test_sessions_are_limited(proxy: Proxy, backends: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its limit a port takes no new clients, until other sessions end for want of datagrams."""
    monkeypatch.setattr(udp_proxy, "MAX_SESSIONS", 2)
    monkeypatch.setattr(udp_proxy, "IDLE_SESSION_SECONDS", 1)
    port = free_port()
    await proxy.apply(gateway(listener(port)), backends, udp_route("route", port, one=1))
    async with clients(port, 3) as (*served, late):
        assert await exchange(served) == [b"o", b"o"]
        assert await late.exchange(seconds=0.2) == b""
        async with asyncio.timeout(10):
            while await late.exchange(seconds=0.1) == b"":
                pass


async def test_a_listener_of_its_own_is_no_backend(proxy: Proxy, backends: list[Manifest]) -> None:
    """A backend that leads back to a listener of the Gateway is dropped: no datagram goes in a circle."""
    port = free_port()
    loop = [*service("back"), slice_("back", port)]
    await proxy.apply(gateway(listener(port)), backends, loop, udp_route("route", port, one=1, back=1))
    async with clients(port, 20) as many:
        assert Counter(await exchange(many, 0.3)).keys() == {b"o", b""}
    totals = await proxy.admin(f"/stats?filter=udp.udp-{port}.downstream_sess_total")
    assert int(totals.split()[-1]) == 20
    (parent,) = proxy.status("UDPRoute", "route")["parents"]
    (resolved,) = [each for each in parent["conditions"] if each["type"] == "ResolvedRefs"]
    assert f"an endpoint at 127.0.0.1, port {port}, which is listener udp-{port} of Gateway" in resolved["message"]


async def test_a_port_of_tcp_beside(proxy: Proxy, backends: list[Manifest]) -> None:
    """A listener of UDP and one of HTTP have one port number, and both serve."""
    port = free_port()
    http = {"name": "http", "protocol": "HTTP", "port": port}
    await proxy.apply(gateway(listener(port), http), backends, udp_route("route", port, one=1))
    async with clients(port, 1) as (client,):
        assert await client.exchange() == b"o"
    assert (await proxy.request(port=port)).status == 404
