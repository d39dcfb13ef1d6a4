"""Requests that are written so that an inspection could miss something of them: none gets past it."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.live import http2
from tests.live.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, HTTP, frame
from tests.live.objects import route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.raw_requests import exchange, request, status_of
from tests.live.test_policy_waf import AGENT, ATTACK, FORM, status
from tests.live.upstream import Upstream
from tests.live.websockets import shout, talk

SQL = "1' or 1=1--"
CLOSE = ("User-Agent: test", "Accept: */*", "Connection: close")


async def guard(proxy: Proxy, **fields: object) -> None:
    """Have all requests inspected."""
    await proxy.apply(traffic_policy("gateway", waf=fields), route(rule("alpha")))


def literal(name: int, value: str) -> bytes:
    """Return a header of HTTP/2 with a name of the static table."""
    return bytes([name, len(value)]) + value.encode()


@pytest.mark.parametrize("end", ["headers", "data", "trailers"])
@pytest.mark.parametrize(("path", "expected"), [(ATTACK, 403), ("/shop", 200)])
async def test_ends_of_requests(inspected: Proxy, alpha: Upstream, end: str, path: str, expected: int) -> None:
    """A request without a body is inspected, whether its end is said with the headers, with no data or in trailers."""
    await guard(inspected)
    agent = b"\x0f\x2b\x04test" + b"\x0f\x04\x03*/*"
    block = b"\x82" + HTTP + literal(4, path) + literal(1, "example.com") + agent
    frames = [frame(HEADERS, END_HEADERS | (END_STREAM if end == "headers" else 0), 1, block)]
    if end == "data":
        frames.append(frame(DATA, END_STREAM, 1))
    elif end == "trailers":
        frames.append(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x05x-end\x01a"))
    assert await http2.status_of(inspected.port, *frames) == expected
    assert len(alpha.seen) == (expected == 200)


async def test_chunks_and_trailers(inspected: Proxy, alpha: Upstream) -> None:
    """A body in chunks is inspected as a whole, with trailers behind it too."""
    await guard(inspected)
    lines = ("Transfer-Encoding: chunked", "Content-Type: application/x-www-form-urlencoded", *CLOSE)
    head = request(*lines, method="POST")
    chunks = b"".join(b"1\r\n%c\r\n" % each for each in f"id={SQL}".encode())
    for end in (b"0\r\n\r\n", b"0\r\nX-End: a\r\n\r\n"):
        assert status_of(await exchange(inspected.port, head, chunks, end)) == 403
    assert alpha.seen == []
    assert status_of(await exchange(inspected.port, head, b"4\r\nid=1\r\n", b"0\r\n\r\n")) == 200
    empty = request("Transfer-Encoding: chunked", *CLOSE, method="POST", path=ATTACK)
    assert status_of(await exchange(inspected.port, empty, b"0\r\nX-End: a\r\n\r\n")) == 403


async def test_upgrades(inspected: Proxy, alpha: Upstream) -> None:
    """WebSockets work behind the inspection of their headers; a body is none because an upgrade is asked for."""
    await guard(inspected)
    alpha.raw = shout
    assert await talk(inspected, "/chat", "a", "b") == ["A", "B"]
    alpha.reset()
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    lines = ("Connection: Upgrade", *upgrade, *CLOSE[:2])
    assert status_of(await exchange(inspected.port, request(*lines, "Connection: close", path=ATTACK))) == 403
    body = f"id={SQL}".encode()
    posted = request(*lines, f"Content-Length: {len(body)}", f"Content-Type: {FORM['Content-Type']}", method="POST")
    answered = await exchange(inspected.port, posted.replace(b"Accept:", b"Connection: close\r\nAccept:"), body)
    assert status_of(answered) in (400, 403)
    half = request(
        "Upgrade: websocket", f"Content-Length: {len(body)}", *CLOSE, "Content-Type: text/plain", method="GET"
    )
    assert status_of(await exchange(inspected.port, half, body)) == 403
    assert alpha.seen == []


async def test_compressed_bodies(inspected: Proxy, alpha: Upstream) -> None:
    """A compressed body, which rules cannot read, is refused; with `compression.request` it is read."""
    await guard(inspected)
    packed = gzip.compress(f"id={SQL}".encode())
    for encoding in ("gzip", "GZIP", "x-gzip", "deflate", "br"):
        assert await status(inspected, body=packed, headers={"Content-Encoding": encoding}) == 403
    await inspected.apply(traffic_policy("gateway", waf={}, compression={"requestDecompression": {}}))
    assert await status(inspected, body=packed, headers={"Content-Encoding": "gzip"}) == 403
    clean = gzip.compress(b"id=1")
    assert await status(inspected, body=clean, headers={"Content-Encoding": "gzip"}) == 200
    assert len(alpha.seen) == 1


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/json",
        "APPLICATION/JSON",
        "x/y",
    ],
)
@pytest.mark.parametrize("body", [f"id={SQL}", json.dumps({"id": SQL}), f'{{"id": "{SQL}"', f"\ufeffid={SQL}"])
async def test_types_that_are_not_those_of_bodies(inspected: Proxy, alpha: Upstream, kind: str, body: str) -> None:
    """A body with an attack is refused whatever its type says."""
    await guard(inspected)
    headers = {"Content-Type": kind} if kind else {}
    lines = [f"{name}: {value}" for name, value in {**AGENT, **headers, "Connection": "close"}.items()]
    raw = body.encode()
    sent = request(*lines, f"Content-Length: {len(raw)}", method="POST")
    assert status_of(await exchange(inspected.port, sent, raw)) in (400, 403)
    assert alpha.seen == []


@pytest.mark.parametrize("header", ["x-headgate-waf", "X-Headgate-Waf"])
async def test_profiles_of_clients(inspected: Proxy, alpha: Upstream, header: str) -> None:
    """What a client says of the profile does not count."""
    await guard(inspected)
    found = await status(inspected, ATTACK, headers={header: '{"mode":"DetectOnly"}'})
    assert (found, alpha.seen) == (403, [])


async def test_attacks_behind_padding(inspected: Proxy, alpha: Upstream) -> None:
    """No padding before an attack gets it past the inspection: what is too much is refused."""
    await guard(inspected)
    for padding in (1_000, 60_000, 120_000, 140_000, 900_000):
        body = b"a=" + b"x" * padding + f"&id={SQL}".encode()
        assert await status(inspected, body=body) in (403, 413), padding
    many = b"&".join(b"a%d=1" % each for each in range(2_000)) + f"&id={SQL}".encode()
    assert await status(inspected, body=many) == 400
    deep = b'{"a":' * 500 + json.dumps(SQL).encode() + b"}" * 500
    assert await status(inspected, body=deep, headers={"Content-Type": "application/json"}) == 400
    assert alpha.seen == []


async def test_limits_of_other_policies(inspected: Proxy, alpha: Upstream) -> None:
    """Another policy that has longer bodies held does not have them pass uninspected."""
    buffered = traffic_policy("gateway", waf={}, buffer={"maxRequestSize": "20Mi"})
    await inspected.apply(buffered, route(rule("alpha")))
    for padding in (200_000, 5_000_000, 18_000_000):
        body = b"a=" + b"x" * padding + f"&id={SQL}".encode()
        assert await status(inspected, body=body) in (413, 500), padding
    assert alpha.seen == []
