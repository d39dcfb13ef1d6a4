"""A real Envoy whose secrets arrive late or are deleted: only the resources that need them are affected."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from headgate.security.authority import KeyPair, issue_server, make_authority
from tests.live.certificates import client
from tests.xds.envoy_process import free_port, running_envoy, upstream
from tests.xds.sample_resources import ca, certificate, cluster, endpoints, https_listener, listener, routes
from tests.xds.status_recorder import StatusRecorder
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER
from xds.server.server import Server, Timeouts

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    """Return a certificate authority."""
    return make_authority(datetime.now(UTC))


def issued(authority: KeyPair) -> KeyPair:
    """Return a new certificate for loopback."""
    return issue_server(authority, ["127.0.0.1", "localhost"], datetime.now(UTC))


def serving(news: StatusRecorder) -> Server:
    """Return a server with a short ACK deadline, as Envoy delays answers while a cluster warms."""
    timeouts = Timeouts(ack_deadline=0.5, removal_delay=0.1)
    return Server(lambda node: node.cluster, on_sync_status=news, timeouts=timeouts)


@contextlib.asynccontextmanager
async def tls_upstream(pair: KeyPair, folder: Path) -> AsyncIterator[int]:
    """Yield an HTTPS server on a free port of loopback that answers "secure"."""
    (folder / "crt").write_bytes(pair.certificate)
    (folder / "key").write_bytes(pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "crt", folder / "key")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\nsecure")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@both
async def test_a_late_ca_delays_only_its_cluster(
    envoy_path: Path, delta: bool, authority: KeyPair, tmp_path: Path
) -> None:
    """While the CA of one cluster is missing, others are added and used; once it arrives, the cluster serves."""
    port, news = free_port(), StatusRecorder()
    async with upstream("one") as one, tls_upstream(issued(authority), tmp_path) as secure, serving(news) as server:
        plain = [cluster("a"), endpoints("a", one), listener("l", port, "r")]
        server.publish("gateway", Snapshot.of([*plain, routes("r", {"/": "a"})]))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            late = [cluster("t", secret="ca"), endpoints("t", secure)]
            paths = {"/": "a", "/t": "t"}
            server.publish("gateway", Snapshot.of([*plain, *late, routes("r", paths)]))
            more = [cluster("b"), endpoints("b", one), routes("r", {**paths, "/b": "b"})]
            await asyncio.sleep(0.3)
            assert await envoy.get(port) == (200, "one")
            server.publish("gateway", Snapshot.of([*plain, *late, *more]))
            await asyncio.sleep(0.3)
            assert await envoy.get(port) == (200, "one")
            whole = Snapshot.of([*plain, *late, *more, ca("ca", authority.certificate.decode())])
            server.publish("gateway", whole)
            await envoy.answers(port, "/t", (200, "secure"))
            await envoy.answers(port, "/b", (200, "one"))
            assert await envoy.get(port) == (200, "one")
            await news.until(lambda each: each.snapshot is whole and each.synced == 1)


@both
async def test_a_missing_ca_affects_only_its_cluster(envoy_path: Path, delta: bool, authority: KeyPair) -> None:
    """A cluster whose CA never arrives answers 503 on its own routes; a cluster that is added later serves at once."""
    port, news = free_port(), StatusRecorder()
    async with upstream("one") as one, serving(news) as server:
        stuck = [cluster("t", secret="never"), endpoints("t", one), listener("l", port, "r")]
        server.publish("gateway", Snapshot.of([*stuck, routes("r", {"/t": "t"})]))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            async with asyncio.timeout(15):
                while (await envoy.get(port, "/t"))[0] != 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            server.publish(
                "gateway",
                Snapshot.of([*stuck, cluster("a"), endpoints("a", one), routes("r", {"/t": "t", "/": "a"})]),
            )
            await envoy.answers(port, "/", (200, "one"))
            assert (await envoy.get(port, "/t"))[0] == 503


@both
async def test_a_deleted_secret_affects_only_its_listener(envoy_path: Path, delta: bool, authority: KeyPair) -> None:
    """A listener whose Secret is deleted affects no other listener or cluster, and gets the next Secret at once."""
    port, secure, news = free_port(), free_port(), StatusRecorder()
    first, second = issued(authority), issued(authority)

    def all_of(to: str, *more: Resource) -> Snapshot:
        listeners = [listener("l", port, "r"), https_listener("s", secure, "r", "own")]
        clusters = [cluster(to), endpoints(to, one)]
        return Snapshot.of([*clusters, routes("r", {"/": to}), *listeners, *more])

    async with upstream("one") as one, serving(news) as server:
        server.publish("gateway", all_of("a", certificate("own", first)))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            await shows(secure, first)
            server.publish("gateway", deleted := all_of("a"))
            await news.until(lambda each: each.snapshot is deleted and each.synced == 1)
            await asyncio.sleep(0.3)  # longer than the removal delay
            server.publish("gateway", all_of("b"))
            await news.until(lambda each: not server.clients()[0].types[CLUSTER].pending)
            assert await envoy.get(port) == (200, "one")
            server.publish("gateway", last := all_of("b", certificate("own", second)))
            await news.until(lambda each: each.snapshot is last and each.synced == 1)
            await shows(secure, second)


async def shows(port: int, pair: KeyPair, within: float = 10) -> None:
    """Wait until a port presents a certificate and answers."""
    wanted = ssl.PEM_cert_to_DER_cert(pair.certificate.decode())
    async with asyncio.timeout(within):
        while await _shown(port) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    async with aiohttp.ClientSession() as http, http.get(f"https://127.0.0.1:{port}/", ssl=client()) as response:
        assert response.status == 200


async def _shown(port: int) -> bytes | None:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client())
    except (OSError, ssl.SSLError):
        return None
    found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
    return found
