"""Statuses and methods that templates make: no byte of a response stands where a client expects the next response."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.live.objects import endpoints, exact, route, rule, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.raw_backend import raw_backend
from tests.live.raw_requests import exchange, request, status_of
from tests.live.transformations import new_body, to_set, transformation
from tests.live.upstream import Upstream

EVIL = b"HTTP/1.1 200 OK\r\nset-cookie: sid=evil\r\ncontent-length: 5\r\n\r\nEVIL!"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(EVIL), EVIL)
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(EVIL), EVIL)
TRAILERS = CHUNKED[:-2] + b"x-trailer: y\r\n\r\n"
GRPC = CHUNKED.replace(b"transfer", b"content-type: application/grpc\r\ntransfer", 1)
FIRST = {"matches": [exact("/first")]}


@contextlib.asynccontextmanager
async def backend(proxy: Proxy, wire: bytes, *others: Any, **fields: Any) -> AsyncIterator[None]:
    """Have a raw backend give a response to `/first`, which is transformed; other paths go to `alpha`."""
    async with raw_backend(wire) as found:
        rules = [rule("raw", name="named", **FIRST), rule("alpha")]
        policy = traffic_policy("rule", "policy", transformation=fields)
        await proxy.apply(service("raw"), *endpoints("raw", [found.port]), policy, route(*rules), *others)
        yield


async def stream(proxy: Proxy, *headers: str, method: str = "GET") -> str:
    """Return all that comes for a request to `/first` and one to `/last` on one connection."""
    last = request("Connection: close", path="/last")
    return await exchange(proxy.port, request(*headers, method=method, path="/first"), last)


def assert_empty(found: str, status: int) -> None:
    """Check that the first response of a connection has a status and no body, and the second is that of `alpha`."""
    head, _, rest = found.partition("\r\n\r\n")
    assert status_of(head) == status
    assert rest.startswith("HTTP/1.1 200 OK\r\n"), rest
    assert ("EVIL" in found, "own body" in found, "alpha" in rest) == (False, False, True)
    names = {line.partition(":")[0].lower() for line in head.split("\r\n")}
    assert "transfer-encoding" not in names
    assert status == 205 or "content-length" not in names


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("response", [WHOLE, CHUNKED, TRAILERS], ids=["whole", "chunked", "trailers"])
@pytest.mark.parametrize("body", [{}, new_body("own body"), new_body("{{ body() }}!")], ids=["none", "own", "read"])
async def test_a_status_without_a_body(
    proxy: Proxy, alpha: Upstream, status: int, response: bytes, body: dict[str, Any]
) -> None:
    """Where a template gives a status without a body, that of the backend does not follow, nor that of a template."""
    async with backend(proxy, response, response={**to_set(_status=str(status)), **body}):
        assert_empty(await stream(proxy), status)


async def test_bodies_that_are_too_long_to_be_dropped(proxy: Proxy, alpha: Upstream) -> None:
    """A body that the proxy does not hold becomes 500, and nothing of it is sent on."""
    body = EVIL * (1 << 17)
    long = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with backend(proxy, long, response=to_set(_status="204")):
        found = await stream(proxy)
        assert (status_of(found), "EVIL" in found, "alpha" in found) == (500, False, True)


async def test_compression_of_no_body(proxy: Proxy, alpha: Upstream) -> None:
    """The proxy does not compress the body that is not there."""
    zipped = traffic_policy("route", "zipped", compression={"responseCompression": {}})
    for status in (204, 205, 304):
        async with backend(proxy, WHOLE, zipped, response=to_set(_status=str(status))):
            assert_empty(await stream(proxy, "Accept-Encoding: gzip"), status)


@pytest.mark.parametrize("status", [204, 205, 304])
async def test_responses_of_the_proxy_itself(proxy: Proxy, alpha: Upstream, status: int) -> None:
    """Redirects, and what filters before the templates respond, lose their bodies as well."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "other.com"}}
    fields = {**to_set(_status=str(status)), **new_body("own body")}
    rules = [rule(name="named", filters=[redirect], **FIRST), rule("alpha")]
    policy = traffic_policy("rule", "policy", transformation={"response": fields})
    await proxy.apply(policy, route(*rules))
    assert_empty(await stream(proxy), status)
    assert_empty(await stream(proxy, method="HEAD"), status)
    policy["spec"]["acl"] = {"defaultAction": "Deny"}
    await proxy.apply(policy, route(rule("alpha", name="named", **FIRST), rule("alpha")))
    assert_empty(await stream(proxy), status)
    assert_empty(await stream(proxy, method="HEAD"), status)


@pytest.mark.parametrize("before", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("after", ["200", "204", "304", "500"])
async def test_the_length_of_a_body_that_is_not_there(proxy: Proxy, alpha: Upstream, before: bytes, after: str) -> None:
    """A 304 may tell the length of what it stands for; no client waits for that many bytes of another status."""
    length = b"content-length: 52\r\n" if b"304" in before else b""
    async with backend(proxy, b"HTTP/1.1 %b\r\n%b\r\n" % (before, length), response=to_set(_status=after)):
        head, _, rest = (await stream(proxy)).partition("\r\n\r\n")
        assert status_of(head) == int(after)
        assert rest.startswith("HTTP/1.1 200 OK\r\n")
        assert "alpha" in rest
        assert after not in ("200", "500") or "content-length: 0" in head


@pytest.mark.parametrize("status", ["204", "304", "200"])
async def test_responses_to_head(proxy: Proxy, alpha: Upstream, status: str) -> None:
    """A response to HEAD has no body with whatever status."""
    async with backend(proxy, WHOLE[: -len(EVIL)], response=to_set(_status=status)):
        head, _, rest = (await stream(proxy, method="HEAD")).partition("\r\n\r\n")
        assert (status_of(head), rest.startswith("HTTP/1.1 200 OK\r\n"), "alpha" in rest) == (int(status), True, True)


@pytest.mark.parametrize(
    ("sent", "made", "good"),
    [
        ("GET", "HEAD", False),
        ("GET", "head", False),
        ("GET", "connect", False),
        ("POST", "HEAD", False),
        ("HEAD", "GET", False),
        ("HEAD", "POST", False),
        ("HEAD", "HEAD", True),
        ("GET", "POST", True),
        ("DELETE", "GET", True),
    ],
)
async def test_methods(proxy: Proxy, alpha: Upstream, sent: str, made: str, good: bool) -> None:
    """A method becomes HEAD or CONNECT, or another one of these, nowhere: such requests get 500."""
    async with backend(proxy, WHOLE[: -len(EVIL)] if sent == "HEAD" else WHOLE, request=to_set(_method=made)):
        head, _, rest = (await stream(proxy, method=sent)).partition("\r\n\r\n")
        assert status_of(head) == (200 if good else 500)
        own = 0 if sent == "HEAD" else len(EVIL) if good else len("The transformation of the request failed.\n")
        assert rest[own:].startswith("HTTP/1.1 200 OK\r\n")
        assert "alpha" in rest


async def test_bodies_of_requests_with_another_method(proxy: Proxy, alpha: Upstream) -> None:
    """A request keeps its body, and its length, with another method."""
    await proxy.apply(transformation(request=to_set(_method="GET")), route(rule("alpha")))
    sent = request("Content-Length: 3", "Connection: close", method="POST")
    assert status_of(await exchange(proxy.port, sent + b"abc")) == 200
    assert (alpha.seen[0].method, alpha.seen[0].body, alpha.seen[0].values("content-length")) == ("GET", b"abc", ["3"])


@pytest.mark.parametrize("status", ["204", "205", "304"])
async def test_grpc_keeps_its_status(proxy: Proxy, alpha: Upstream, status: str) -> None:
    """A response of gRPC, which is never held, becomes 500 rather than one without a body."""
    async with backend(proxy, GRPC, response=to_set(_status=status)):
        head, _, rest = (await stream(proxy)).partition("\r\n\r\n")
        assert (status_of(head), "EVIL" in rest, "alpha" in rest) == (500, False, True)


@pytest.mark.parametrize("status", ["200", "204", "304"])
async def test_upgrades_keep_their_status(proxy: Proxy, alpha: Upstream, status: str) -> None:
    """The status of a response that opens a stream does not change: no byte of the stream is sent on with another."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n" + EVIL)
        await writer.drain()

    async with raw_backend(serve=serve) as found:
        policy = transformation(response=to_set(_status=status))
        await proxy.apply(service("raw"), *endpoints("raw", [found.port]), policy, route(rule("raw")))
        sent = request("Connection: upgrade", "Upgrade: websocket")
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        async with asyncio.timeout(15):
            writer.write(sent)
            received = (await reader.read(65536)).decode("latin-1")
        writer.close()
        assert (status_of(received), "EVIL" in received) == (500, False)


@pytest.mark.parametrize("status", ["204", "304"])
@pytest.mark.parametrize("response", [WHOLE, CHUNKED, TRAILERS], ids=["whole", "chunked", "trailers"])
async def test_http_2(proxy: Proxy, status: str, response: bytes) -> None:
    """Clients of HTTP/2 get the status and an end."""
    async with backend(proxy, response, response=to_set(_status=status)):
        url = f"http://127.0.0.1:{proxy.port}/first"
        command = ("curl", "-s", "-i", "-m", "15", "-H", "Host: example.com", "--http2-prior-knowledge", url)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert (process.returncode, output.startswith(f"HTTP/2 {status}".encode()), b"EVIL" in output) == (
            0,
            True,
            False,
        )
