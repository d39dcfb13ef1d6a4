"""Authorisation of connections and datagrams by the addresses of their clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.live import test_tcp as tcp
from tests.live import test_udp as udp
from tests.live.objects import GATEWAY, ROUTES, Manifest, endpoints, gateway, service
from tests.live.proxy import Proxy, free_port

TWO = [{"action": "Allow", "principal": {"clientCIDRs": ["127.0.0.2", "127.1.0.0/16"]}}]
NOT_TWO = [{"action": "Deny", "principal": {"clientCIDRs": ["127.0.0.2", "127.1.0.0/16"]}}]
BANNER = b"220 ready\r\n"


def policy(kind: str, name: str, rbac: Manifest, policy: str = "policy", **fields: Any) -> Manifest:
    """Return a policy for a route, or for the Gateway."""
    target = {"group": ROUTES.partition("/")[0], "kind": kind, "name": name}
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": policy},
        "spec": {"targetRefs": [target], "rbac": rbac, **fields},
    }


class Greeter:
    """A server that speaks first, and counts who comes."""

    def __init__(self) -> None:
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet, and wait for the client to go."""
        self.connections += 1
        writer.write(BANNER)
        await reader.read()
        writer.close()


@contextlib.asynccontextmanager
async def greeter() -> AsyncIterator[tuple[Greeter, list[Manifest]]]:
    """Run such a server, and yield it with its Service."""
    found = Greeter()
    async with await asyncio.start_server(found.serve, "127.0.0.1") as server:
        yield found, [service("greeter"), *endpoints("greeter", [server.sockets[0].getsockname()[1]])]


async def heard(port: int, address: str) -> bytes:
    """Return what a client at an address hears first; nothing if its connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        return await reader.read(len(BANNER))
    except OSError:
        return b""
    finally:
        writer.close()


async def let_in(port: int, *addresses: str) -> list[bool]:
    """Return which clients are let in."""
    return [await heard(port, each) == BANNER for each in addresses]


@pytest.mark.parametrize("target", [("TCPRoute", "route"), ("Gateway", GATEWAY)])
async def test_connections(proxy: Proxy, target: tuple[str, str]) -> None:
    """Who is refused hears nothing of a server that speaks first, and that is never reached."""
    port = free_port()
    async with greeter() as (server, objects):
        route = tcp.tcp_route("route", port, greeter=1)
        await proxy.apply(gateway(tcp.listener(port)), route, *objects, policy(*target, {"rules": TWO}))
        await tcp.listening(port)
        before = server.connections
        assert await let_in(port, "127.0.0.1", "127.0.0.3", "127.2.0.1") == [False, False, False]
        assert server.connections == before
        assert await let_in(port, "127.0.0.2", "127.1.9.9") == [True, True]
        await proxy.apply(policy(*target, {"rules": NOT_TWO, "defaultAction": "Allow"}))
        assert await let_in(port, "127.0.0.1", "127.0.0.2", "127.1.9.9") == [True, False, False]
        without: tuple[Manifest, ...] = ({"disable": {}}, {"rules": TWO, "shadow": True})
        for off in without:
            await proxy.apply(policy(*target, off))
            assert await let_in(port, "127.0.0.1", "127.0.0.2") == [True, True]


async def test_the_first_rule_and_what_is_enforced(proxy: Proxy) -> None:
    """The first rule that has the address decides; what is enforced at the Gateway has to allow it too."""
    port = free_port()
    wide = [
        {"action": "Deny", "principal": {"clientCIDRs": ["127.0.0.9"]}},
        {"action": "Allow", "principal": {"clientCIDRs": ["127.0.0.0/24"]}},
        {"action": "Deny", "principal": {"clientCIDRs": ["127.0.0.5"]}},
    ]
    async with greeter() as (_, objects):
        await proxy.apply(gateway(tcp.listener(port)), tcp.tcp_route("route", port, greeter=1), *objects)
        await proxy.apply(policy("TCPRoute", "route", {"rules": wide}))
        await tcp.listening(port)
        assert await let_in(port, "127.0.0.5", "127.0.0.9", "127.1.0.1") == [True, False, False]
        enforced = policy("Gateway", GATEWAY, {"rules": NOT_TWO, "defaultAction": "Allow"}, "wide", enforced=True)
        await proxy.apply(enforced)
        assert await let_in(port, "127.0.0.5", "127.0.0.2", "127.0.0.9") == [True, False, False]


@pytest.mark.parametrize(
    ("rbac", "expected"),
    [
        ({"policy": {"matchExpressions": ["source.address != ''"]}, "action": "Allow"}, False),
        ({"policy": {"matchExpressions": ["request.path == '/'"]}, "action": "Deny"}, False),
        ({"rules": [{"action": "Allow", "operation": {"methods": ["GET"]}}]}, False),
        ({"rules": [{"action": "Allow", "principal": {"clientCIDRs": ["127.0.0.0/8"], "mtls": {}}}]}, False),
        ({"rules": [{"action": "Deny", "operation": {"methods": ["GET"]}}], "defaultAction": "Allow"}, False),
        ({"rules": [*TWO, {"action": "Deny", "operation": {"methods": ["GET"]}}], "defaultAction": "Allow"}, True),
    ],
)
async def test_what_asks_for_more_than_addresses(proxy: Proxy, rbac: Manifest, expected: bool) -> None:
    """A rule that asks for more than the address allows no connection, and denies all of its addresses."""
    port = free_port()
    async with greeter() as (_, objects):
        await proxy.apply(gateway(tcp.listener(port)), tcp.tcp_route("route", port, greeter=1), *objects)
        await proxy.apply(policy("Gateway", GATEWAY, rbac))
        await tcp.listening(port)
        assert await let_in(port, "127.0.0.2", "127.0.0.1") == [expected, False]


async def test_datagrams(proxy: Proxy) -> None:
    """Datagrams of those who are refused are dropped, whichever way the rules say it."""
    port = free_port()
    async with udp.backend("one") as (server, objects):
        await proxy.apply(gateway(udp.listener(port)), udp.udp_route("route", port, one=1), *objects)
        for rules, default, expected in (
            (TWO, "Deny", [False, True, True]),
            (NOT_TWO, "Allow", [True, False, False]),
        ):
            rbac = {"rules": rules, "defaultAction": default}
            await proxy.apply(policy("UDPRoute", "route", rbac))
            assert await answered(port, ("127.0.0.1", "127.0.0.2", "127.1.9.9"), expected) == expected
        enforced = policy("Gateway", GATEWAY, {"rules": TWO}, "wide", enforced=True)
        await proxy.apply(enforced)
        before = sum(server.clients.values())
        assert await answered(port, ("127.0.0.1", "127.0.0.2"), [False, False]) == [False, False]
        assert sum(server.clients.values()) == before


async def answered(port: int, addresses: Sequence[str], expected: Sequence[bool]) -> list[bool]:
    """Return which clients get an answer; those that are to get none wait for a moment only."""
    loop = asyncio.get_running_loop()
    found = []
    for address, wanted in zip(addresses, expected, strict=True):
        transport, client = await loop.create_datagram_endpoint(
            udp.Client, local_addr=(address, 0), remote_addr=("127.0.0.1", port)
        )
        found.append(bool(await client.exchange(seconds=5 if wanted else 0.3)))
        transport.close()
    return found
