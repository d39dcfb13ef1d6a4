"""TLSRoutes: real clients and backends of TLS, with Envoy between them."""

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
from tests.live.backend_tls import authorities, policy
from tests.live.certificates import Authority, client, serial, shown, tls_secret, tls_server
from tests.live.objects import Manifest, connection_route, endpoints, gateway, route, rule, service
from tests.live.proxy import WITHIN, Proxy, free_port
from tests.live.test_client_certificates import validating, validation
from tests.live.test_tcp import backend, exchange
from tests.live.tls_client import TlsClient
from translator.refs import Ref


@contextlib.asynccontextmanager
async def line_backend(name: str, context: ssl.SSLContext | None = None) -> AsyncIterator[list[Manifest]]:
    """Run a server that answers a line with its name, the client's and the line; gives its Service."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subject = (writer.get_extra_info("peercert") or {}).get("subject", ())
        client_name = "".join(value for part in subject for _, value in part)
        writer.write(f"{name}:{client_name}:".encode() + await reader.readline())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as server:
        yield [service(name), *endpoints(name, [server.sockets[0].getsockname()[1]])]


@pytest_asyncio.fixture(loop_scope="session")
async def backends() -> AsyncIterator[list[Manifest]]:
    """Yield the Services `one` and `two`, with a server of plain text each."""
    async with line_backend("one") as one, line_backend("two") as two:
        yield [*one, *two]


@contextlib.asynccontextmanager
async def tls_backend(folder: Path, name: str, authority: Authority | None = None) -> AsyncIterator[list[Manifest]]:
    """Run a server of TLS; gives its Service, and last the ConfigMap `ca` with its certificate.

    Its certificate is for `backend.example.com`; with an authority it takes clients with a certificate of that only.
    """
    context, certificate = tls_server(folder, name, "backend.example.com", clients=authority)
    async with line_backend(name, context) as objects:
        yield [*objects, authorities(certificate)]


def passthrough(port: int, hostname: str = "") -> Manifest:
    """Return a listener that passes TLS through."""
    return listener(port, hostname, {"mode": "Passthrough"})


def terminating(port: int, secret: str, hostname: str = "") -> Manifest:
    """Return a listener that terminates TLS with the certificate of a Secret."""
    return listener(port, hostname, {"mode": "Terminate", "certificateRefs": [{"name": secret}]})


def listener(port: int, hostname: str, tls: Manifest) -> Manifest:
    """Return a listener of protocol TLS, with a name of its own."""
    name = f"{tls['mode'].lower()}-{port}-{hostname.replace('*', 'any') or 'all'}"
    found = {"name": name, "protocol": "TLS", "port": port, "tls": tls}
    return {**found, "hostname": hostname} if hostname else found


def tls_route(name: str, hostname: str, created: str = "", section: str = "", **weights: int) -> Manifest:
    """Return a TLSRoute of the Gateway, or of one listener, from a hostname to Services, by weight."""
    parent = {"sectionName": section} if section else {}
    return connection_route("TLSRoute", name, parent, weights, created=created, hostnames=[hostname])


async def ask(port: int, name: str, line: bytes = b"hello\n", context: ssl.SSLContext | None = None) -> bytes:
    """Send a line by TLS, and return all that comes back; nothing if the connection is refused."""
    try:
        connection = await TlsClient.connect(port, name, context)
    except OSError:
        return b""
    try:
        await connection.write(line)
        return await connection.read()
    except OSError:
        return b""
    finally:
        connection.close()


async def test_passthrough_with_client_certificates(proxy: Proxy, tmp_path: Path) -> None:
    """The handshake is between client and backend: each sees the other's certificate, and can refuse it."""
    port, known, unknown = free_port(), Authority("known"), Authority("unknown")
    async with tls_backend(tmp_path, "secure", known) as objects:
        await proxy.apply(gateway(passthrough(port)), objects, tls_route("route", "*.example.com", secure=1))
        trusting = known.client(tmp_path)
        trusting.load_verify_locations(cadata=objects[-1]["data"]["ca.crt"])
        trusting.check_hostname, trusting.verify_mode = True, ssl.CERT_REQUIRED
        assert await ask(port, "backend.example.com", context=trusting) == b"secure:client:hello\n"
        assert await ask(port, "backend.example.com", context=unknown.client(tmp_path)) == b""
        assert await ask(port, "backend.example.com") == b""


async def test_termination_with_half_close(proxy: Proxy) -> None:
    """A plain-text backend gets all bytes, sees that the client has ended its side, and answers only then."""
    port, secret = free_port(), tls_secret("own", "a.example.com")
    async with backend("late") as upstream:
        objects = [secret, service("late"), *endpoints("late", [upstream]), tls_route("route", "a.example.com", late=1)]
        await proxy.apply(gateway(terminating(port, "own")), objects)
        sent = bytes(range(256)) * 4096
        connection = await TlsClient.connect(port, "a.example.com")
        assert shown(connection.tls) == serial(secret)
        await connection.write(sent)
        await connection.end()
        assert await connection.read() == b"late:" + sent
        connection.close()


async def test_termination_where_the_backend_ends_first(proxy: Proxy) -> None:
    """The client sees that the backend has ended its side, and what it sends after that still arrives."""
    port, received = free_port(), asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"early")
        writer.write_eof()
        received.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        objects = [service("early"), *endpoints("early", [server.sockets[0].getsockname()[1]])]
        objects += [tls_secret("own", "a.example.com"), tls_route("route", "a.example.com", early=1)]
        await proxy.apply(gateway(terminating(port, "own")), objects)
        connection = await TlsClient.connect(port, "a.example.com")
        assert await connection.read() == b"early"
        await connection.write(b"late")
        await connection.end()
        assert await asyncio.wait_for(received, WITHIN) == b"late"
        connection.close()


async def test_a_renewed_certificate(proxy: Proxy, backends: list[Manifest]) -> None:
    """A renewed certificate counts for new connections; open ones go on, and no listener is replaced."""
    port, old, new = free_port(), tls_secret("own", "a.example.com"), tls_secret("own", "a.example.com")
    await proxy.apply(gateway(terminating(port, "own")), old, backends, tls_route("route", "a.example.com", one=1))
    open_one = await TlsClient.connect(port, "a.example.com")
    listeners = await proxy.admin("/stats?filter=listener_modified|listener_added|listener_in_place_updated")
    await proxy.apply(new)
    renewed = await TlsClient.connect(port, "a.example.com")
    assert [shown(each.tls) for each in (open_one, renewed)] == [serial(old), serial(new)]
    await open_one.write(b"hello\n")
    assert await open_one.read() == b"one::hello\n"
    assert await proxy.admin("/stats?filter=listener_modified|listener_added|listener_in_place_updated") == listeners
    for each in (open_one, renewed):
        each.close()


async def test_one_port_for_all_modes(proxy: Proxy, backends: list[Manifest], tmp_path: Path) -> None:
    """On one port the server name decides, whatever its case: passed through, terminated, or a request of HTTPS."""
    port = free_port()
    https = {"name": "https", "protocol": "HTTPS", "port": port, "hostname": "www.example.com"}
    async with tls_backend(tmp_path, "secure") as objects:
        await proxy.apply(
            gateway(
                passthrough(port, "*.example.com"),
                terminating(port, "own", "end.example.com"),
                {**https, "tls": {"certificateRefs": [{"name": "own"}]}},
            ),
            [tls_secret("own", "example.com"), *objects, *backends],
            tls_route("through", "*.example.com", secure=1),
            tls_route("end", "end.example.com", one=1),
            route(rule("alpha"), section="https"),
        )
        assert await ask(port, "a.b.example.com") == b"secure::hello\n"
        assert await ask(port, "END.example.com") == b"one::hello\n"
        for host, expected in (("www.example.com", 200), ("end.example.com", 421), ("x.example.com", 421)):
            response = await proxy.request(port=port, host=host, ssl=client(), server_hostname="www.example.com")
            assert response.status == expected


async def test_what_nobody_takes_is_refused(proxy: Proxy, backends: list[Manifest], tmp_path: Path) -> None:
    """A connection without server name or TLS, for a name of no route, or to a broken backend is closed unanswered."""
    port, unserved = free_port(), free_port()
    async with tls_backend(tmp_path, "secure") as objects:
        await proxy.apply(
            gateway(
                passthrough(port),
                terminating(port, "own", "*.end.example.com"),
                terminating(port, "missing", "missing.example.com"),
                passthrough(unserved, "*.example.com"),
            ),
            [tls_secret("own", "example.com"), *objects, *backends],
            tls_route("through", "*.example.com", section=f"passthrough-{port}-all", secure=1),
            tls_route("end", "a.end.example.com", one=1),
            tls_route("broken", "broken.example.com", absent=1),
        )
        assert await ask(port, "a.example.com") == b"secure::hello\n"
        assert await ask(port, "a.end.example.com") == b"one::hello\n"
        wrong = ("", "example.com", "a.example.org", "b.end.example.com", "missing.example.com", "broken.example.com")
        assert [await ask(port, each) for each in wrong] == [b""] * len(wrong)
        assert await exchange(port, b"GET / HTTP/1.1\r\n\r\n") == b""
        for name in wrong:
            with pytest.raises((ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
                await TlsClient.connect(port, name)


async def test_weights_and_broken_shares(proxy: Proxy, backends: list[Manifest]) -> None:
    """Connections are shared by weight; the share of a backend that does not exist is closed, and no other."""
    port, objects = free_port(), [tls_secret("own", "a.example.com"), *backends]
    shares = tls_route("route", "a.example.com", one=5, two=3, missing=2)
    await proxy.apply(gateway(terminating(port, "own")), objects, shares)
    found = Counter([await ask(port, "a.example.com", b"\n") for _ in range(200)])
    assert found.keys() == {b"one::\n", b"two::\n", b""}
    assert 60 < found[b"one::\n"] < 140
    assert 25 < found[b"two::\n"] < 95
    assert 12 < found[b""] < 75


async def test_client_certificates_where_tls_is_terminated(
    proxy: Proxy, backends: list[Manifest], tmp_path: Path
) -> None:
    """A listener that terminates TLS lets in clients with a valid certificate only, as one of HTTPS does."""
    port, known, unknown = free_port(), Authority("known"), Authority("unknown")
    objects = [known.config_map("clients"), tls_secret("own", "a.example.com"), *backends]
    await proxy.apply(
        validating(validation("clients"), terminating(port, "own")), objects, tls_route("route", "a.example.com", one=1)
    )
    contexts = (known.client(tmp_path), unknown.client(tmp_path), client())
    assert [await ask(port, "a.example.com", context=each) for each in contexts] == [b"one::hello\n", b"", b""]


async def test_terminated_connections_are_encrypted_again(proxy: Proxy, tmp_path: Path) -> None:
    """A backend whose policy asks for TLS gets it, if it is trusted; what is passed through is not touched."""
    port = free_port()
    async with tls_backend(tmp_path, "tls") as objects:
        await proxy.apply(
            gateway(terminating(port, "own", "end.example.com"), passthrough(port, "pass.example.com")),
            [tls_secret("own", "end.example.com"), *objects, policy(), tls_route("route", "*.example.com", tls=1)],
        )
        names = ("end.example.com", "pass.example.com")
        assert [await ask(port, each) for each in names] == [b"tls::hello\n"] * 2
        for untrusted in (authorities(self_signed("other", "backend.example.com")[0]), authorities()):
            await proxy.apply(untrusted)
            assert [await ask(port, each) for each in names] == [b"", b"tls::hello\n"]


async def test_the_more_specific_hostname_then_the_older(proxy: Proxy, backends: list[Manifest]) -> None:
    """Of two routes for one name of a listener the one whose own hostname is more specific serves, then the older."""
    port, name = free_port(), "a.example.com"
    wide = tls_route("wide", "*.example.com", "2026-01-01T00:00:00Z", two=1)
    older = tls_route("older", name, "2026-01-02T00:00:00Z", one=1)
    newer = tls_route("newer", name, "2026-01-03T00:00:00Z", two=1)
    objects = [tls_secret("own", name), *backends, wide, older, newer]
    await proxy.apply(gateway(terminating(port, "own", name)), objects)
    assert {await ask(port, name) for _ in range(5)} == {b"one::hello\n"}
    await proxy.delete(Ref("TLSRoute", "default", "older"))
    assert {await ask(port, name) for _ in range(5)} == {b"two::hello\n"}


async def test_a_change_of_a_route_leaves_the_connections_of_others(proxy: Proxy, backends: list[Manifest]) -> None:
    """While a route changes, Envoy drains its filter chain only: connections of other routes of the port go on."""
    port, objects = free_port(), [tls_secret("own", "example.com"), *backends]
    stays, changes = tls_route("stays", "a.example.com", one=1), tls_route("changes", "b.example.com", one=1)
    await proxy.apply(gateway(terminating(port, "own", "*.example.com")), objects, stays, changes)
    connection = await TlsClient.connect(port, "a.example.com")
    await connection.write(b"before ")
    counters = "listener_manager.(listener_in_place_updated|total_filter_chains_draining|total_listeners_draining)"
    before = await stats(proxy, counters)
    await proxy.apply(tls_route("changes", "b.example.com", two=1))
    after = await stats(proxy, counters)
    assert {name: after[name] - before[name] for name in after} == {
        "listener_manager.listener_in_place_updated": 1,
        "listener_manager.total_filter_chains_draining": 1,
        "listener_manager.total_listeners_draining": 0,
    }
    assert await ask(port, "b.example.com") == b"two::hello\n"
    await connection.write(b"after\n")
    assert await connection.read() == b"one::before after\n"
    connection.close()


async def test_changes_refuse_no_connection(proxy: Proxy, backends: list[Manifest]) -> None:
    """While other routes come, change and go, and the certificate is renewed, every connection is served."""
    port, name, answers, done = free_port(), "a.example.com", Counter[bytes](), asyncio.Event()
    await proxy.apply(gateway(terminating(port, "own", "*.example.com")), tls_secret("own", name), backends)
    await proxy.apply(tls_route("stays", name, one=1))

    async def connect() -> None:
        while not done.is_set():
            answers[await ask(port, name)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(connect())
        try:
            for number in range(1, 31):
                await proxy.apply(tls_route("other", f"host-{number % 4}.example.com", one=1 + number % 3, two=1))
                if number % 5 == 0:
                    await proxy.apply(tls_secret("own", name))
                    await proxy.delete(Ref("TLSRoute", "default", "other"))
        finally:
            done.set()
    assert answers.keys() == {b"one::hello\n"}
    assert answers.total() > 30


async def stats(proxy: Proxy, pattern: str) -> dict[str, int]:
    """Return the statistics of Envoy whose names match."""
    lines = (await proxy.admin(f"/stats?filter={pattern}")).splitlines()
    return {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
