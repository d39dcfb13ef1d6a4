"""An Envoy that may have few file descriptors, under floods of clients."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tests.live import test_tcp, test_udp
from tests.live.objects import endpoints, gateway, route, rule, service
from tests.live.proxy import Proxy, free_port, running_proxy
from tests.live.upstream import Upstream
from translator.envoy import udp_proxy
from translator.envoy.descriptors import limited
from translator.inputs import Settings

DESCRIPTORS = 1000
SHARE = limited(10**6, DESCRIPTORS)
DATAGRAMS, CONNECTIONS = 3000, 1500


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    """Let this process, in which clients and backends are, have enough file descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(before[0], 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest_asyncio.fixture(loop_scope="session")
async def few(envoy_path: Path) -> AsyncIterator[Proxy]:
    """Run an Envoy whose hard limit is low, and whose soft limit is lower."""
    prefix = ("sh", "-c", f'ulimit -Sn 300 && ulimit -Hn {DESCRIPTORS} && exec "$@"', "sh")
    async with running_proxy(envoy_path, Settings(descriptors=DESCRIPTORS), prefix) as (proxy, log):
        yield proxy
        print(log.read_text(errors="replace") if log.exists() else "")


def send_datagrams(ports: list[int]) -> None:
    """Send one datagram each from many ports, to the ports of the proxy in turn."""
    for number in range(DATAGRAMS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"-", ("127.0.0.1", ports[number % len(ports)]))


async def open_connections(port: int) -> list[asyncio.StreamWriter]:
    """Open many connections, which stay open as far as the proxy lets them; send a byte on each."""
    opened = []
    for _ in range(CONNECTIONS):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"-")
        opened.append(writer)
    return opened


async def test_floods_leave_descriptors(few: Proxy, alpha: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """3,000 clients of UDP and 1,500 of TCP leave a proxy with 1,000 descriptors alive, and HTTP and UDP served."""
    monkeypatch.setattr(udp_proxy, "IDLE_SESSION_SECONDS", 5)
    tcp, ports = free_port(), [free_port() for _ in range(3)]
    http = {"name": "http", "protocol": "HTTP", "port": few.port}
    envoy = psutil.Process(few.process.pid)
    async with test_udp.backend("one") as (_, datagrams), test_tcp.backend("two") as two:
        await few.begin(
            gateway(http, test_tcp.listener(tcp), *map(test_udp.listener, ports)),
            *(service("alpha"), *endpoints("alpha", [alpha.port]), route(rule("alpha"))),
            *(service("two"), *endpoints("two", [two]), test_tcp.tcp_route("tcp", tcp, two=1)),
            datagrams,
            [test_udp.udp_route(f"udp-{each}", each, one=1) for each in ports],
        )
        opened = await open_connections(tcp)
        await asyncio.to_thread(send_datagrams, ports)
        try:
            assert (await few.request()).backend == "alpha"
            assert few.process.returncode is None
            assert SHARE < envoy.num_fds() < DESCRIPTORS - 100
        finally:
            for each in opened:
                each.close()
        async with test_udp.clients(ports[0], 1) as (client,), asyncio.timeout(15):
            while await client.exchange(seconds=0.2) == b"":
                pass
        assert (await few.request()).backend == "alpha"
        assert few.process.returncode is None


class Returning(asyncio.DatagramProtocol):
    """A backend that sends each datagram back to the proxy, from a new port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send the datagram to the proxy."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(data, ("127.0.0.1", self.port))


async def test_loops_leave_descriptors(few: Proxy, alpha: Upstream) -> None:
    """Backends of TCP and UDP that come back to their own listeners take what these may have, and HTTP is served."""
    tcp, udp = free_port(), free_port()

    async def connect_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, back = await asyncio.open_connection("127.0.0.1", tcp)
        await reader.read()
        writer.close()
        back.close()

    server = await asyncio.start_server(connect_back, "127.0.0.1")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Returning(udp), local_addr=("127.0.0.1", 0))
    one, two = server.sockets[0].getsockname()[1], transport.get_extra_info("sockname")[1]
    http = {"name": "http", "protocol": "HTTP", "port": few.port}
    await few.begin(
        gateway(http, test_tcp.listener(tcp), test_udp.listener(udp)),
        *(service("alpha"), *endpoints("alpha", [alpha.port]), route(rule("alpha"))),
        *(service("one"), *endpoints("one", [one]), test_tcp.tcp_route("tcp", tcp, one=1)),
        *(*test_udp.service("two"), test_udp.slice_("two", two), test_udp.udp_route("udp", udp, two=1)),
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"-", ("127.0.0.1", udp))
    _, writer = await asyncio.open_connection("127.0.0.1", tcp)
    untouched = (f"cluster.udp-{udp}.upstream_cx_overflow: 0", f"connection_limit.tcp-{tcp}.limited_connections: 0")
    async with asyncio.timeout(15):
        while not set((await few.admin("/stats?filter=overflow|limited")).splitlines()).isdisjoint(untouched):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await few.request()).backend == "alpha"
    assert psutil.Process(few.process.pid).num_fds() < DESCRIPTORS - 100
    writer.close()
    transport.close()
    server.close()
