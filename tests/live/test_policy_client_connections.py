"""What ListenerPolicies say about the connections of clients: PROXY headers, the kernel's settings, limits."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import ssl
import struct

import pytest

from tests.live.certificates import client, tls_secret
from tests.live.objects import Manifest, gateway, listener_policy, route, rule, traffic_policy
from tests.live.proxy import WITHIN, Proxy
from tests.live.test_https import https
from tests.live.test_tcp import backends as backends
from tests.live.test_tcp import exchange, tcp_route
from tests.live.test_tcp import listener as tcp_listener
from tests.live.tls_client import TlsClient
from tests.ports import free_port

V1 = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"
V2 = b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack(
    "!BBH4s4sHH", 0x21, 0x11, 12, bytes([203, 0, 113, 8]), bytes([198, 51, 100, 1]), 4712, 443
)
REQUEST = b"GET / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n"


async def answered(port: int, header: bytes = b"") -> str:
    """Send a request after a PROXY header; return the client that the backend hears of, or a status line."""
    found = await exchange(port, header + REQUEST, end=False)
    if not found.startswith(b"HTTP/1.1 200"):
        return found.partition(b"\r\n")[0].decode()
    echo = json.loads(found.partition(b"\r\n\r\n")[2])
    client_address = next(value for key, value in echo["headers"] if key == "x-forwarded-for")
    return client_address if client_address in ("203.0.113.7", "203.0.113.8") else "itself"


def http(port: int, name: str = "http") -> Manifest:
    """Return a listener of HTTP on a port of its own: what is of a socket replaces the listener of the port."""
    return {"name": name, "protocol": "HTTP", "port": port}


async def test_the_proxy_header_names_the_client(proxy: Proxy) -> None:
    """The address of either version's PROXY header is the client's; without a header nobody is served."""
    port = free_port()
    await proxy.apply(gateway(http(port)), listener_policy(proxyProtocol={}), route(rule("alpha")))
    assert [await answered(port, each) for each in (V1, V2, b"")] == ["203.0.113.7", "203.0.113.8", ""]


async def test_versions_are_refused(proxy: Proxy) -> None:
    """A version of the header that is not in `versions` closes the connection."""
    port = free_port()
    await proxy.apply(gateway(http(port)), listener_policy(proxyProtocol={"versions": ["V2"]}), route(rule("alpha")))
    assert [await answered(port, each) for each in (V1, V2, b"")] == ["", "203.0.113.8", ""]


async def test_the_header_may_be_optional(proxy: Proxy) -> None:
    """With `allowRequestsWithoutProxyProtocol` clients without a header count by their own address."""
    port = free_port()
    policy = listener_policy(proxyProtocol={"allowRequestsWithoutProxyProtocol": True})
    await proxy.apply(gateway(http(port)), policy, route(rule("alpha")))
    assert [await answered(port, each) for each in (V1, b"")] == ["203.0.113.7", "itself"]


async def test_access_lists_go_by_the_header(proxy: Proxy) -> None:
    """An access list of addresses sees the client that the load balancer names, not the load balancer."""
    port = free_port()
    await proxy.apply(
        gateway(http(port)),
        listener_policy(proxyProtocol={}),
        traffic_policy(
            "gateway", acl={"defaultAction": "Deny", "rules": [{"cidrs": ["203.0.113.7"], "action": "Allow"}]}
        ),
        route(rule("alpha")),
    )
    assert [await answered(port, each) for each in (V1, V2)] == ["203.0.113.7", "HTTP/1.1 403 Forbidden"]


async def test_the_header_comes_before_tls(proxy: Proxy) -> None:
    """A listener that terminates TLS takes the header first; a client without one gets no handshake."""
    port = free_port()
    listener = {**https(proxy, "own"), "port": port}
    await proxy.apply(
        tls_secret("own", "a.org"), gateway(listener), listener_policy(proxyProtocol={}), route(rule("alpha"))
    )
    with pytest.raises(OSError):  # noqa: PT011
        await TlsClient.connect(port, "a.org")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(V1)
    await writer.start_tls(client(), server_hostname="a.org")
    writer.write(REQUEST.replace(b"example.com", b"a.org"))
    found = await asyncio.wait_for(reader.read(), WITHIN)
    assert b"203.0.113.7" in found
    writer.close()


async def test_forwarded_connections_have_it_too(proxy: Proxy, backends: list[Manifest]) -> None:
    """A TCP listener takes the header off: the backend gets what follows it."""
    port = free_port()
    route_ = tcp_route("route", port, one=1)
    await proxy.apply(gateway(tcp_listener(port)), backends, route_, listener_policy(proxyProtocol={}))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(V1 + b"hello")
    await counted(proxy, f"tcp.tcp-{port}.downstream_cx_total")  # Envoy closes what ends within the header's filter
    writer.write_eof()
    assert await asyncio.wait_for(reader.readexactly(9), WITHIN) == b"one:hello"
    writer.close()
    assert await exchange(port, b"hello") == b""


async def test_one_port_has_it(proxy: Proxy) -> None:
    """`perPort` gives one port the header, and the others none."""
    one, other = free_port(), free_port()
    policy = listener_policy()
    policy["spec"]["perPort"] = [{"port": one, "listener": {"proxyProtocol": {}}}]
    await proxy.apply(gateway(http(one, "one"), http(other, "other")), policy, route(rule("alpha")))
    assert [await answered(one, V1), await answered(one)] == ["203.0.113.7", ""]
    assert await answered(other) == "itself"


async def sockets(port: int, *options: str) -> str:
    """Return what the kernel says of the connections that a port serves."""
    program = shutil.which("ss")
    if program is None:
        pytest.skip("needs ss (Debian package iproute2)")
    arguments = ("-tn", *options, "state", "established", "sport", "=", f":{port}")
    running = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE)
    return (await asyncio.wait_for(running.communicate(), WITHIN))[0].decode()


async def opened(port: int) -> asyncio.StreamWriter:
    """Open a connection, on which a first request has been answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST.replace(b"close", b"keep-alive"))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)
    return writer


async def test_the_kernel_asks_silent_clients(proxy: Proxy) -> None:
    """With `tcpKeepalive` the kernel has a timer for each connection, of the time that the policy says."""
    with_it, without = free_port(), free_port()
    policy = listener_policy()
    keepalive = {"keepAliveTime": "1500s", "keepAliveInterval": "10s", "keepAliveProbes": 3}
    policy["spec"]["perPort"] = [{"port": with_it, "listener": {"tcpKeepalive": keepalive}}]
    await proxy.apply(gateway(http(with_it, "with"), http(without, "without")), policy, route(rule("alpha")))
    writers = [await opened(each) for each in (with_it, without)]
    assert re.search(r"timer:\(keepalive,2[45]min", await sockets(with_it, "-o"))
    assert "keepalive" not in await sockets(without, "-o")
    for each in writers:
        each.close()


async def test_the_kernel_holds_as_much_as_it_may(proxy: Proxy) -> None:
    """`socketBufferLimit` bounds what the kernel holds of a connection each way; it counts twice as much itself."""
    port = free_port()
    await proxy.apply(gateway(http(port)), listener_policy(socketBufferLimit="32Ki"), route(rule("alpha")))
    writer = await opened(port)
    found = await sockets(port, "-m")
    assert "rb65536" in found
    assert "tb65536" in found
    writer.close()


async def test_few_connections_are_accepted_at_once(proxy: Proxy) -> None:
    """Of many connections that wait, `maxAcceptPerSocketEvent` are accepted before others are served again."""
    bounded, free = free_port(), free_port()
    policy = listener_policy()
    policy["spec"]["perPort"] = [{"port": bounded, "listener": {"maxAcceptPerSocketEvent": 2}}]
    await proxy.apply(gateway(http(bounded, "bounded"), http(free, "free")), policy, route(rule("alpha")))
    accepted = {}
    for port in (bounded, free):
        proxy.process.send_signal(signal.SIGSTOP)
        try:
            waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(64)]
        finally:
            proxy.process.send_signal(signal.SIGCONT)
        for reader, writer in waiting:
            writer.write(REQUEST)
            await asyncio.wait_for(reader.read(), WITHIN)
            writer.close()
        accepted[port] = await _most_at_once(proxy, port)
    assert accepted[bounded] <= 5 < accepted[free]  # the bounds of what is counted: 1, 5, 10, 25


async def _most_at_once(proxy: Proxy, port: int) -> float:
    """Return the most connections that a port accepted at once."""
    name = f"listener.127.0.0.1_{port}.connections_accepted_per_socket_event"
    async with asyncio.timeout(WITHIN):
        while True:  # Envoy merges the numbers of its threads from time to time
            text = await proxy.admin(f"/stats?format=json&histogram_buckets=cumulative&filter={re.escape(name)}")
            found = json.loads(text)["stats"][-1]["histograms"]
            buckets = found[0]["buckets"] if found else []
            if buckets and buckets[-1]["cumulative"]:
                most = buckets[-1]["cumulative"]
                return min(float(each["upper_bound"]) for each in buckets if each["cumulative"] == most)
            await asyncio.sleep(0.05)


async def counted(proxy: Proxy, name: str, at_least: int = 1) -> None:
    """Wait until counters whose names match have counted so many."""
    async with asyncio.timeout(WITHIN):
        while True:
            stats = json.loads(await proxy.admin(f"/stats?format=json&filter={name}"))["stats"]
            if sum(each.get("value", 0) for each in stats) >= at_least:
                return
            await asyncio.sleep(0.005)


async def test_connections_beyond_the_limit_are_closed(proxy: Proxy, backends: list[Manifest]) -> None:
    """Of HTTP and TCP listeners alike, a connection too many is closed; once another one ends, the next is served."""
    plain, forwarded = free_port(), free_port()
    await proxy.apply(
        gateway(http(plain), tcp_listener(forwarded)),
        backends,
        tcp_route("tcp", forwarded, one=1),
        listener_policy(connectionLimit={"value": 2}),
        route(rule("alpha")),
    )
    held = [await opened(plain) for _ in range(2)]
    assert await answered(plain) == ""
    held.pop().close()
    async with asyncio.timeout(WITHIN):
        while await answered(plain) == "":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    streams = [await asyncio.open_connection("127.0.0.1", forwarded) for _ in range(2)]
    assert await exchange(forwarded, b"hello") == b""
    for _, writer in streams:
        writer.close()
    held.pop().close()


async def test_a_connection_too_many_may_be_held(proxy: Proxy) -> None:
    """With `closeDelay` a connection too many is not closed at once, and nothing of it is read."""
    port = free_port()
    policy = listener_policy(connectionLimit={"value": 1, "closeDelay": "1h"})
    await proxy.apply(gateway(http(port)), policy, route(rule("alpha")))
    first = await opened(port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    await counted(proxy, f"connection_limit.http-{port}.limited_connections")
    await proxy.admin("/ready")
    assert not reader.at_eof()
    for each in (first, writer):
        each.close()


async def test_nobody_gets_more_than_his_share(proxy: Proxy) -> None:
    """A limit above what each listener has of the proxy's connections raises nothing."""
    port = free_port()
    await proxy.apply(
        gateway(http(port)), listener_policy(connectionLimit={"value": 2_000_000_000}), route(rule("alpha"))
    )
    dump = await proxy.admin("/config_dump?resource=dynamic_listeners")
    found = re.findall(r'"max_connections": "(\d+)"', dump)
    assert found
    assert all(int(each) <= 40_000 for each in found)


async def test_handshakes_have_to_end_in_time(proxy: Proxy) -> None:
    """A client that does not finish its TLS handshake in `transportSocketConnectTimeout` is closed, others are not."""
    port = free_port()
    listener = {**https(proxy, "own"), "port": port}
    policy = listener_policy(transportSocketConnectTimeout="50ms")
    await proxy.apply(tls_secret("own", "a.org"), gateway(listener), policy, route(rule("alpha")))
    assert (await proxy.request(port=port, host="a.org", ssl=client(), server_hostname="a.org")).backend == "alpha"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(client_hello("a.org"))
    assert await asyncio.wait_for(reader.read(), WITHIN) != b""  # the server's part, and then the end
    await counted(proxy, f"listener.127.0.0.1_{port}.downstream_cx_transport_socket_connect_timeout")
    writer.close()


def client_hello(name: str) -> bytes:
    """Return the first bytes of a TLS handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client().wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()
