"""How HTTP is spoken to backends, by BackendConfigPolicies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.live.frames import INITIAL_WINDOW, INVALID, OK, FrameBackend, frame_backend
from tests.live.http2 import statuses
from tests.live.objects import Manifest, backend_config_policy, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.raw_backend import RawBackend, raw_backend
from tests.live.upstream import Seen, Upstream

HEADERS = 30


def to(backend: RawBackend | FrameBackend, app_protocol: str = "", **spec: Any) -> list[Manifest]:
    """Return the Service `raw` with only this backend behind it, a route to it, and a policy for it."""
    [found] = endpoints("raw", [backend.port])
    found["metadata"]["name"] = "raw"
    return [service("raw", app_protocol=app_protocol), found, route(rule("raw")), backend_config_policy("raw", **spec)]


def common(**options: Any) -> Manifest:
    """Return the options of all versions."""
    return {"commonHttpProtocolOptions": options}


async def kept(proxy: Proxy, count: int) -> list[int]:
    """Return the statuses of requests, one after the other."""
    return [(await proxy.request()).status for _ in range(count)]


@pytest.mark.parametrize("options", [{"idleTimeout": "50ms"}, {"maxConnectionDuration": "50ms"}])
async def test_connections_end(proxy: Proxy, options: Manifest) -> None:
    """A connection that is silent, or was open, for so long is closed; the next request gets another one."""
    async with raw_backend() as backend:
        await proxy.apply(to(backend, **common(**options)))
        for number in (1, 2):
            assert await kept(proxy, 1) == [200]
            await backend.until(lambda wanted=number: backend.closed == wanted)  # type: ignore[misc]
        assert backend.opened == 2


async def test_requests_of_a_connection(proxy: Proxy) -> None:
    """A connection takes so many requests; without a limit it takes all."""
    async with raw_backend() as backend:
        await proxy.apply(to(backend, **common(maxRequestsPerConnection=2)))
        assert await kept(proxy, 6) == [200] * 6
        assert backend.opened == 3
        await proxy.apply(to(backend, **common()))
        assert await kept(proxy, 6) == [200] * 6
        assert backend.opened == 4


async def test_headers_of_responses(proxy: Proxy, alpha: Upstream) -> None:
    """A response with more headers than allowed becomes 502."""
    many = b"".join(b"x-%d: y\r\n" % each for each in range(HEADERS))
    async with raw_backend(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + many + b"\r\n") as backend:
        await proxy.apply(to(backend, **common(maxHeadersCount=HEADERS + 1)))
        assert await kept(proxy, 1) == [200]
        await proxy.apply(to(backend, **common(maxHeadersCount=HEADERS)))
        assert await kept(proxy, 1) == [502]


async def test_time_of_requests(proxy: Proxy, alpha: Upstream) -> None:
    """A request may take so long; a longer time of a route's changes nothing, a shorter one holds."""
    never = asyncio.Event()

    async def wait(_: Seen) -> None:
        await never.wait()

    alpha.answer = wait
    timeouts = {"timeouts": {"request": "1h", "backendRequest": "1h"}}
    short, long = common(maxStreamDuration="50ms"), common(maxStreamDuration="1h")
    await proxy.apply(route(rule("alpha", **timeouts)), backend_config_policy("alpha", **short))
    assert await kept(proxy, 1) == [504]
    timeouts["timeouts"]["backendRequest"] = "50ms"
    await proxy.apply(route(rule("alpha", **timeouts)), backend_config_policy("alpha", **long))
    assert await kept(proxy, 1) == [504]
    never.set()


async def first_lines(proxy: Proxy) -> tuple[bytes, bytes]:
    """Return the head and the rest of a response as they come, over HTTP/1.1."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head, rest


async def test_case_of_headers(proxy: Proxy) -> None:
    """Names of headers of responses keep their case where that is asked for."""
    async with raw_backend(b"HTTP/1.1 200 OK\r\nX-CaSe: y\r\ncontent-length: 0\r\n\r\n") as backend:
        await proxy.apply(to(backend, http1ProtocolOptions={"preserveHttp1HeaderCase": True}))
        assert b"X-CaSe: y" in (await first_lines(proxy))[0]
        await proxy.apply(to(backend, http1ProtocolOptions={}))
        assert b"x-case: y" in (await first_lines(proxy))[0]


TRAILERS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-trailer: y\r\n\r\n"


@pytest.mark.parametrize("passed", [True, False])
async def test_trailers(proxy: Proxy, passed: bool) -> None:
    """Trailers of responses reach clients that take them, where that is asked for."""
    async with raw_backend(TRAILERS) as backend:
        await proxy.apply(to(backend, http1ProtocolOptions={"enableTrailers": passed}))
        command = ("curl", "-s", "-i", "--http2-prior-knowledge", f"http://127.0.0.1:{proxy.port}/")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert output.startswith(b"HTTP/2 200")
        assert (b"x-trailer: y" in output) == passed


async def test_the_version(proxy: Proxy) -> None:
    """HTTP/2 is spoken where its options are set, HTTP/1.1 where they are not, and what the appProtocol says anyway."""
    cases: Sequence[tuple[str, Manifest, str]] = (
        ("", {"http2ProtocolOptions": {}}, "2"),
        ("", {"http1ProtocolOptions": {}}, "1.1"),
        ("", common(), "1.1"),
        ("kubernetes.io/h2c", common(), "2"),
        ("kubernetes.io/h2c", {"http1ProtocolOptions": {}}, "2"),
        ("http", {"http2ProtocolOptions": {}}, "2"),
    )
    for app_protocol, spec, version in cases:
        async with frame_backend() as backend:
            await proxy.apply(to(backend, app_protocol, **spec))
            assert await kept(proxy, 1) == [200]
            assert [each.version for each in backend.connections] == [version], (app_protocol, spec)


async def test_the_version_of_the_client(proxy: Proxy) -> None:
    """With useClientProtocol the backend is spoken to as the client speaks."""
    async with frame_backend() as backend:
        await proxy.apply(to(backend, useClientProtocol=True))
        assert await kept(proxy, 1) == [200]
        assert await statuses(proxy.port, None, "", "example.com") == [200]
        assert [each.version for each in backend.connections] == ["1.1", "2"]


async def test_windows(proxy: Proxy) -> None:
    """The backend is told the windows of responses."""
    sizes = {"initialStreamWindowSize": "100k", "initialConnectionWindowSize": "1M"}
    async with frame_backend() as backend:
        await proxy.apply(to(backend, http2ProtocolOptions=sizes))
        assert await kept(proxy, 1) == [200]
        [connection] = backend.connections
        assert connection.settings[INITIAL_WINDOW] == 100_000
        assert connection.windows[0] == 1_000_000 - 65_535


@pytest.mark.parametrize(("most", "connections"), [(2, 3), (100, 1)])
async def test_requests_at_once_of_a_connection(proxy: Proxy, most: int, connections: int) -> None:
    """A connection of HTTP/2 has so many requests at once; with more there are more connections."""
    async with frame_backend() as backend:
        await proxy.apply(to(backend, http2ProtocolOptions={"maxConcurrentStreams": most}))
        assert await kept(proxy, 1) == [200]
        backend.go_on.clear()
        requests = [asyncio.create_task(proxy.request()) for _ in range(5)]
        await backend.until("requests", 6)
        backend.go_on.set()
        assert [(await each).status for each in requests] == [200] * 5
        assert len(backend.connections) == connections


async def test_pings(proxy: Proxy) -> None:
    """Connections are pinged, and closed once a ping is not answered."""
    often = {"interval": "50ms", "timeout": "5s", "intervalJitter": 0}
    async with frame_backend() as backend:
        await proxy.apply(to(backend, http2ProtocolOptions={"connectionKeepalive": often}))
        assert await kept(proxy, 1) == [200]
        await backend.until("pings", 3)
        assert len(backend.connections) == 1
        backend.pongs = False
        short = {**often, "timeout": "50ms"}
        await proxy.apply(to(backend, http2ProtocolOptions={"connectionKeepalive": short}))
        assert await kept(proxy, 1) == [200]
        async with asyncio.timeout(15):
            await backend.connections[-1].closed.wait()


async def test_pings_after_silence(proxy: Proxy) -> None:
    """A connection that was silent for so long is pinged with its next request."""
    async with frame_backend() as backend:
        silent = {"connectionIdleInterval": "1ms", "timeout": "5s"}
        await proxy.apply(to(backend, http2ProtocolOptions={"connectionKeepalive": silent}))
        async with asyncio.timeout(15):
            while not backend.pings:
                assert await kept(proxy, 1) == [200]
        assert len(backend.connections) == 1


@pytest.mark.parametrize(("override", "connections"), [(True, 1), (False, 2)])
async def test_responses_that_are_none(proxy: Proxy, override: bool, connections: int) -> None:
    """What is no response costs its request only, or the connection too."""
    async with frame_backend() as backend:
        options = {"overrideStreamErrorOnInvalidHttpMessage": override}
        await proxy.apply(to(backend, http2ProtocolOptions=options))
        backend.response = INVALID
        assert await kept(proxy, 1) == [502]
        backend.response = OK
        assert await kept(proxy, 1) == [200]
        assert len(backend.connections) == connections


async def test_responses_that_are_no_http1(proxy: Proxy) -> None:
    """What is no response of HTTP/1.1 becomes 502, whatever is to become of its connection."""
    async with raw_backend(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n") as backend:
        for override in (True, False):
            options = {"overrideStreamErrorOnInvalidHttpMessage": override}
            await proxy.apply(to(backend, http1ProtocolOptions=options))
            assert await kept(proxy, 1) == [502]
