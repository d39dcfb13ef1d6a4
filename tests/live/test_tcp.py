"""TCPRoutes: real sockets, with Envoy between them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.certificates import self_signed
from tests.live.backend_tls import authorities, policy, system_policy
from tests.live.certificates import tls_server
from tests.live.objects import Manifest, connection_route, endpoints, gateway, service
from tests.live.proxy import Proxy, free_port
from translator.extensions import upstream_tls


@contextlib.asynccontextmanager
async def backend(name: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a server that returns, once the client has ended its side, its own name and all that came.

    By TLS it returns a line, since asyncio ends both sides of TLS at once.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode() + b":" + await (reader.readline() if tls else reader.read()))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


@pytest_asyncio.fixture(loop_scope="session")
async def backends(proxy: Proxy) -> AsyncIterator[list[Manifest]]:
    """Yield the Services `one` and `two`, with a server each."""
    async with backend("one") as one, backend("two") as two:
        yield [service("one"), *endpoints("one", [one]), service("two"), *endpoints("two", [two])]


def listener(port: int) -> Manifest:
    """Return a listener of protocol TCP."""
    return {"name": f"tcp-{port}", "protocol": "TCP", "port": port}


def tcp_route(name: str, port: int, created: str = "", **weights: int) -> Manifest:
    """Return a TCPRoute from a port of the Gateway to Services, by weight."""
    return connection_route("TCPRoute", name, {"port": port}, weights, created=created)


async def exchange(port: int, sent: bytes = b"", *, end: bool = True) -> bytes:
    """Send bytes and end this side; return all that comes back, nothing if the connection is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        if end:
            writer.write_eof()
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


async def listening(port: int) -> None:
    """Wait until the proxy accepts connections on a port."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                await exchange(port)
                return
            await asyncio.sleep(0)


async def test_connections_are_forwarded_both_ways(proxy: Proxy, backends: list[Manifest]) -> None:
    """All bytes arrive, and those that the backend sends after the client has ended its side come back."""
    port = free_port()
    await proxy.apply(gateway(listener(port)), backends, tcp_route("route", port, one=1))
    sent = bytes(range(256)) * 4096
    assert await exchange(port, sent) == b"one:" + sent


async def test_weights_and_broken_shares(proxy: Proxy, backends: list[Manifest]) -> None:
    """Connections are shared by weight; the share of a backend that does not exist is closed, and no other."""
    port = free_port()
    await proxy.apply(gateway(listener(port)), backends, tcp_route("route", port, one=5, two=3, missing=2))
    found = Counter([await exchange(port) for _ in range(400)])
    assert found.keys() == {b"one:", b"two:", b""}
    assert 140 < found[b"one:"] < 260
    assert 70 < found[b"two:"] < 170
    assert 40 < found[b""] < 120


async def test_connections_that_nothing_takes_are_closed(proxy: Proxy, backends: list[Manifest]) -> None:
    """A listener without routes, and one whose route has no backend that works, close connections at once."""
    without, broken = free_port(), free_port()
    route = tcp_route("route", broken, missing=1, one=0)
    await proxy.apply(gateway(listener(without), listener(broken)), backends, route)
    assert [await exchange(each, b"hello") for each in (without, broken)] == [b"", b""]


async def test_the_oldest_route_serves(proxy: Proxy, backends: list[Manifest]) -> None:
    """Of two routes of a listener the older serves all connections; once it is gone, the other does."""
    port = free_port()
    older = tcp_route("older", port, "2026-01-01T00:00:00Z", one=1)
    newer = tcp_route("newer", port, "2026-01-02T00:00:00Z", two=1)
    await proxy.apply(gateway(listener(port)), backends, newer, older)
    assert {await exchange(port) for _ in range(20)} == {b"one:"}
    older["spec"]["parentRefs"][0]["port"] = free_port()
    await proxy.apply(older)
    assert {await exchange(port) for _ in range(20)} == {b"two:"}


async def test_a_change_of_a_route_leaves_the_connections_of_others(proxy: Proxy, backends: list[Manifest]) -> None:
    """A connection goes on while the route of another port changes; of that port new ones go elsewhere."""
    stays, changes = free_port(), free_port()
    await proxy.apply(gateway(listener(stays), listener(changes)), backends)
    await proxy.apply(tcp_route("stays", stays, one=1), tcp_route("changes", changes, one=1))
    reader, writer = await asyncio.open_connection("127.0.0.1", stays)
    writer.write(b"before ")
    before = await proxy.admin("/stats?filter=listener_manager.listener_modified")
    await proxy.apply(tcp_route("changes", changes, two=1))
    after = await proxy.admin("/stats?filter=listener_manager.listener_modified")
    assert int(after.split()[-1]) == int(before.split()[-1]) + 1
    assert await exchange(changes) == b"two:"
    writer.write(b"after")
    writer.write_eof()
    assert await reader.read() == b"one:before after"
    writer.close()


async def test_a_listener_of_its_own_is_no_backend(proxy: Proxy, backends: list[Manifest]) -> None:
    """A backend that leads back to a listener of the Gateway is closed: no connection goes in a circle."""
    port, detour = free_port(), free_port()
    loops = [service("back"), *endpoints("back", [port]), service("there"), *endpoints("there", [detour])]
    routes = tcp_route("route", port, one=1, back=1, there=1), tcp_route("detour", detour, back=1)
    await proxy.apply(gateway(listener(port), listener(detour)), backends, loops, *routes)
    found = Counter([await exchange(port) for _ in range(60)])
    assert found.keys() == {b"one:", b""}
    assert await exchange(detour) == b""
    totals = await proxy.admin(f"/stats?filter=listener.127.0.0.1_({port}|{detour}).downstream_cx_total")
    assert sorted(int(each.split()[-1]) for each in totals.splitlines()) == [1, 60]
    (parent,) = proxy.status("TCPRoute", "route")["parents"]
    (resolved,) = [each for each in parent["conditions"] if each["type"] == "ResolvedRefs"]
    assert f"an endpoint at 127.0.0.1, port {port}, which is listener tcp-{port} of Gateway" in resolved["message"]
    assert f"an endpoint at 127.0.0.1, port {detour}, which is listener tcp-{detour} of Gateway" in resolved["message"]


async def test_tls_to_a_backend(proxy: Proxy, tmp_path: Path) -> None:
    """A backend whose policy asks for TLS gets all bytes by TLS; one that is not trusted gets none."""
    context, certificate = tls_server(tmp_path, "a", "backend.example.com")
    port = free_port()
    async with backend("tls", context) as upstream:
        objects = [service("tls"), *endpoints("tls", [upstream]), tcp_route("route", port, tls=1)]
        await proxy.apply(gateway(listener(port)), objects, authorities(certificate), policy())
        assert await exchange(port, b"hello\n", end=False) == b"tls:hello\n"
        await proxy.apply(authorities(self_signed("b", "backend.example.com")[0]))
        assert await exchange(port, b"hello\n", end=False) == b""
        await proxy.apply(authorities())  # nobody to trust
        assert await exchange(port, b"hello\n", end=False) == b""


async def test_a_backend_that_the_proxy_refuses(
    proxy: Proxy, backends: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share of a backend that the proxy refuses is closed, the others go on, and the route's status says both."""
    monkeypatch.setattr(upstream_tls, "SYSTEM_CERTIFICATES", "/nonexistent")
    port = free_port()
    objects = [service("tls"), *endpoints("tls", [free_port()]), tcp_route("route", port, one=1, tls=1)]
    await proxy.apply(gateway(listener(port)), backends, objects, system_policy(), refused=True)
    await listening(port)
    assert {await exchange(port) for _ in range(40)} == {b"one:", b""}
    (parent,) = proxy.status("TCPRoute", "route")["parents"]
    messages = {each["type"]: each["message"] for each in parent["conditions"] if each["status"] == "True"}
    assert "rule 0 (Service default/tls port 80)" in messages["PartiallyInvalid"]
    assert "/nonexistent" in messages["PartiallyInvalid"]
    assert "its connections are closed" in messages["PartiallyInvalid"]


async def test_endpoints_that_do_not_accept(proxy: Proxy, backends: list[Manifest]) -> None:
    """A connection that an endpoint does not accept is tried at another; one that none accepts is closed."""
    port, dead = free_port(), endpoints("one", [free_port()])
    await proxy.apply(gateway(listener(port)), backends, dead, tcp_route("route", port, one=1))
    found = Counter([await exchange(port) for _ in range(200)])
    assert found[b"one:"] > 130  # about 175; without further attempts it were 100
    await proxy.apply(*(each | {"endpoints": []} for each in backends if each["metadata"]["name"].startswith("one-")))
    assert await exchange(port) == b""
