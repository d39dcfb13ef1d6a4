"""The unit `timeouts` of TrafficPolicies at routes of connections and datagrams: `idle`."""

from __future__ import annotations

import asyncio
import time

from tests.live import test_tcp, test_udp
from tests.live.objects import endpoints, gateway, service, traffic_policy
from tests.live.proxy import Proxy, free_port


async def test_a_silent_connection_is_closed(proxy: Proxy) -> None:
    """A connection on which neither side sends anything is closed when its time is over, and not before."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def seconds(port: int) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            await asyncio.sleep(0.15)
        start = time.monotonic()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        return time.monotonic() - start

    port = free_port()
    async with await asyncio.start_server(talk, "127.0.0.1") as server:
        slices = endpoints("one", [server.sockets[0].getsockname()[1]])
        await proxy.apply(
            gateway(test_tcp.listener(port)),
            service("one"),
            slices,
            test_tcp.tcp_route("connections", port, one=1),
            traffic_policy("gateway", timeouts={"idle": "400ms", "request": "1s"}),
        )
        assert 0.1 < await seconds(port) < 2
        reference = {"group": "gateway.networking.k8s.io", "kind": "TCPRoute", "name": "connections"}
        near = traffic_policy("route", "near", timeouts={"idle": "1200ms"})
        near["spec"]["targetRefs"] = [reference]
        await proxy.apply(near)
        assert 0.8 < await seconds(port) < 3


async def test_a_silent_session_ends(proxy: Proxy) -> None:
    """After the time of the policy, the datagrams of a client have a session of their own, from another port."""
    port = free_port()
    async with test_udp.backend("one") as (server, manifests), test_udp.clients(port, 1) as (client,):
        route = test_udp.udp_route("datagrams", port, one=1)
        await proxy.apply(gateway(test_udp.listener(port)), manifests, route)
        assert await client.exchange() == b"o"
        await asyncio.sleep(0.6)
        assert await client.exchange() == b"o"
        assert len(server.clients) == 1
        await proxy.apply(traffic_policy("gateway", timeouts={"idle": "200ms"}))
        server.clients.clear()
        assert await client.exchange() == b"o"
        assert await client.exchange() == b"o"
        assert len(server.clients) == 1
        await asyncio.sleep(0.6)
        assert await client.exchange() == b"o"
        assert len(server.clients) == 2
        await proxy.apply(traffic_policy("gateway", timeouts={"idle": "0s"}))
        server.clients.clear()
        assert await client.exchange() == b"o"
        await asyncio.sleep(0.6)
        assert await client.exchange() == b"o"
        assert len(server.clients) == 1
