"""Bodies that templates read and replace, and those that they leave alone."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from aiohttp import web

from tests.live.objects import backend_config_policy, endpoints, route, rule, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.raw_backend import raw_backend
from tests.live.raw_requests import exchange, request, status_of
from tests.live.transformations import answer, answer_json, new_body, to_set, transformation
from tests.live.upstream import Upstream
from tests.live.websockets import shout, talk

BIG = b"x" * 100_000


async def test_request_bodies(proxy: Proxy, alpha: Upstream) -> None:
    """A request gets another body, of its own values, with its length; headers of templates come of the body too."""
    fields = new_body('{"all": {{ items | length }}, "first": {{ items[0] | tojson }}}', "AsJson")
    await proxy.apply(transformation(request={**to_set(x_kind="{{ kind }}"), **fields}), route(rule("alpha")))
    body = json.dumps({"kind": "a\r\nx-injected: 1", "items": [{"b": "é"}, 2]}).encode()
    found = await proxy.request(method="POST", body=body)
    assert alpha.seen[0].body.decode() == '{"all": 2, "first": {"b":"é"}}'
    assert found.sent("content-length") == ["31"]
    assert found.sent("x-kind") == ["a  x-injected: 1"]
    assert found.sent("x-injected") == []


async def test_requests_without_a_body(proxy: Proxy, alpha: Upstream) -> None:
    """A request without a body may get one."""
    await proxy.apply(transformation(request=new_body("{{ method() }} {{ body() }}")), route(rule("alpha")))
    await proxy.request()
    assert (alpha.seen[0].body, alpha.seen[0].values("content-length")) == (b"GET ", ["4"])


async def test_chunked_bodies(proxy: Proxy, alpha: Upstream) -> None:
    """A body in pieces is held until it is whole, and sent on as one message, in pieces again."""
    await proxy.apply(transformation(request=new_body("[{{ body() }}]")), route(rule("alpha")))
    head = request("Transfer-Encoding: chunked", "Connection: close", method="POST")
    assert status_of(await exchange(proxy.port, head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")) == 200
    assert alpha.seen[0].body == b"[abcde]"
    assert (alpha.seen[0].values("content-length"), alpha.seen[0].values("transfer-encoding")) == ([], ["chunked"])


async def test_bodies_that_are_binary(proxy: Proxy, alpha: Upstream) -> None:
    """Bytes that are no text go through `body()` as they are."""
    await proxy.apply(
        transformation(request=new_body("<{{ body() }}>"), response=new_body("<{{ body() }}>")), route(rule("alpha"))
    )
    body = bytes(range(256))
    answer(alpha, body)
    found = await proxy.request(method="POST", body=body)
    assert alpha.seen[0].body == found.body == b"<" + body + b">"


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a": 1} x', b"a" * 5000])
@pytest.mark.parametrize("way", ["Pass", "Reject"])
async def test_bodies_that_are_no_json(proxy: Proxy, alpha: Upstream, body: bytes, way: str) -> None:
    """A message whose body is no JSON stays as it is, or is rejected."""
    fields = {**to_set(x_a="1"), **new_body("{{ a }}", "AsJson", onParseError=way)}
    await proxy.apply(transformation(request=fields), route(rule("alpha")))
    found = await proxy.request(method="POST", body=body)
    assert found.status == (200 if way == "Pass" else 400)
    assert [each.body for each in alpha.seen] == ([body] if way == "Pass" else [])
    assert way == "Reject" or found.sent("x-a") == []
    await proxy.apply(transformation(response=fields))
    answer(alpha, body, x_secret="1")
    found = await proxy.request()
    assert found.status == (200 if way == "Pass" else 502)
    assert (found.body == body, found.headers.get("x-secret")) == ((True, "1") if way == "Pass" else (False, None))


async def test_empty_bodies(proxy: Proxy, alpha: Upstream) -> None:
    """A message without a body is no message with wrong JSON."""
    fields = {**to_set(x_a="[{{ a }}{{ body() }}]"), **new_body("{{ a }}", "AsJson", onParseError="Reject")}
    await proxy.apply(transformation(request=fields, response=fields), route(rule("alpha")))
    answer(alpha)
    found = await proxy.request()
    assert (found.status, found.body, found.headers["x-a"]) == (200, b"", "[]")
    assert alpha.seen[0].values("x-a") == ["[]"]


@pytest.mark.parametrize("status", [204, 304, 200])
async def test_responses_that_have_no_body(proxy: Proxy, alpha: Upstream, status: int) -> None:
    """Responses to HEAD, and those with a status that has no body, get none; their headers change."""
    await proxy.apply(
        transformation(response={**to_set(x_a="{{ header(':status') }}"), **new_body("body")}), route(rule("alpha"))
    )
    answer(alpha, status=status)
    method = "HEAD" if status == 200 else "GET"
    response = await exchange(proxy.port, request("Connection: close", method=method))
    head, _, body = response.partition("\r\n\r\n")
    assert (status_of(response), body) == (status, "")
    assert f"x-a: {status}" in head


async def test_sizes(proxy: Proxy, alpha: Upstream) -> None:
    """A longer body than `maxBytes` is refused: a request with 413, a response with 500 and nothing of it."""
    for limit, largest in (("2Ki", 2048), ("2Mi", 1 << 21)):
        fields = new_body("[{{ body() | length }}]", maxBytes=limit)
        await proxy.apply(transformation(request=fields, response=fields), route(rule("alpha")))
        answer(alpha, b"y" * largest, x_secret="1")
        found = await proxy.request(method="POST", body=b"x" * largest)
        assert (found.status, found.body) == (200, f"[{largest}]".encode())
        assert (await proxy.request(method="POST", body=b"x" * (largest + 1))).status == 413
        answer(alpha, b"y" * (largest + 1), x_secret="1")
        found = await proxy.request()
        assert (found.status, found.headers.get("x-secret")) == (500, None)
        assert b"yy" not in found.body


@pytest.mark.parametrize("body", [b"[" * 65 + b"]" * 65, b"[" * 50_000, b"[" + b"0," * 100_000 + b"0]"])
async def test_json_that_is_too_much(proxy: Proxy, alpha: Upstream, body: bytes) -> None:
    """JSON that is too deep, or has too many values, is refused as a body that is too long is, and not passed on."""
    fields = new_body("{{ a }}", "AsJson")
    await proxy.apply(transformation(request=fields, response=fields), route(rule("alpha")))
    assert (await proxy.request(method="POST", body=body)).status == 413
    answer(alpha, body)
    assert (await proxy.request()).status == 500


async def test_what_is_not_read_is_not_held(proxy: Proxy, alpha: Upstream) -> None:
    """Without a template that reads it, or with `parseAs: None`, a body of any length streams through."""
    long = b"x" * (1 << 22)
    for body in ({}, {"body": {"parseAs": "None"}}):
        fields = {**to_set(x_a="a{{ body() }}{{ b }}"[: None if body else 1]), **body}
        await proxy.apply(transformation(request=fields, response=fields), route(rule("alpha")))
        answer(alpha, long)
        found = await proxy.request(method="POST", body=long)
        assert (found.status, found.headers["x-a"], found.body == long) == (200, "a", True)


async def test_compressed_responses(proxy: Proxy, alpha: Upstream) -> None:
    """Backends are asked for plain bodies where templates read them; one that compresses anyway cannot be read."""
    fields = {**to_set(x_a="1"), **new_body("{{ a }}!", "AsJson")}
    await proxy.apply(transformation(response=fields), route(rule("alpha")))
    answer_json(alpha, {"a": "b"})
    assert (await proxy.request(headers={"Accept-Encoding": "gzip"})).body == b"b!"
    assert alpha.seen[0].values("accept-encoding") == ["identity"]
    answer(alpha, gzip.compress(b'{"a": "b"}'), content_encoding="gzip")
    found = await proxy.request()
    assert (found.body, found.headers.get("x-a")) == (b'{"a": "b"}', None)
    await proxy.apply(transformation(response={"body": {**fields["body"], "onParseError": "Reject"}}))
    assert (await proxy.request()).status == 502
    await proxy.apply(transformation(response=new_body("static")))
    found = await proxy.request()
    assert (found.body, found.headers.get("content-encoding")) == (b"static", None)


async def test_compression_by_the_proxy(proxy: Proxy, alpha: Upstream) -> None:
    """What templates make is compressed for clients, and requests are decompressed for templates."""
    compression: dict[str, Any] = {"requestDecompression": {}, "responseCompression": {}}
    policy = traffic_policy(
        "route",
        compression=compression,
        transformation={"request": new_body("[{{ body() }}]"), "response": new_body("{{ body() }}{{ body() }}")},
    )
    await proxy.apply(policy, route(rule("alpha")))
    answer(alpha, BIG, content_type="text/plain")
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    found = await proxy.request(method="POST", body=gzip.compress(b"abc"), headers=headers)
    assert alpha.seen[0].body == b"[abc]"
    assert (found.headers["content-encoding"], found.body == BIG + BIG) == ("gzip", True)


async def test_websockets(proxy: Proxy, alpha: Upstream) -> None:
    """A WebSocket is never held: its headers change, and its messages do not."""
    fields = {**to_set(x_a="1"), **new_body("static")}
    await proxy.apply(transformation(request=fields, response=fields), route(rule("alpha")))
    alpha.raw = shout
    async with asyncio.timeout(10):
        assert await talk(proxy, "/", "one", "two") == ["ONE", "TWO"]
    assert alpha.seen[0].values("x-a") == ["1"]
    for value, way, status in (("{{ body() }}", "Pass", None), ("{{ body() }}", "Reject", 400), ("a", "Reject", 400)):
        await proxy.apply(transformation(request=new_body(value, onParseError=way)))
        if status is None:
            assert await talk(proxy, "/", "one") == ["ONE"]
            continue
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        assert (await proxy.request(headers=headers)).status == status


async def test_streamed_responses(proxy: Proxy, alpha: Upstream) -> None:
    """A response in pieces is held until its end, if a template reads it, and streams otherwise."""
    more = asyncio.Event()

    async def stream(request_: web.BaseRequest) -> web.StreamResponse:
        made = web.StreamResponse()
        await made.prepare(request_)
        await made.write(b"one ")
        await more.wait()
        await made.write(b"two")
        await made.write_eof()
        return made

    alpha.raw = stream
    await proxy.apply(transformation(response=to_set(x_a="1")), route(rule("alpha")))
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(request("Connection: close"))
    async with asyncio.timeout(10):
        assert b"x-a: 1" in await reader.readuntil(b"one ")
    more.set()
    writer.close()
    await proxy.apply(transformation(response=new_body("{{ body() | upper }}")))
    assert (await proxy.request()).body == b"ONE TWO"


@pytest.mark.parametrize("value", ["{{ a + 1 }}", "{% for x in a %}{% for y in a %}{% endfor %}{% endfor %}"])
async def test_what_fails(proxy: Proxy, alpha: Upstream, value: str) -> None:
    """A message whose templates fail gets 500, and nothing of it is sent on."""
    fields: dict[str, Any] = {**to_set(x_a=value), "body": {"parseAs": "AsJson"}}
    body = json.dumps({"a": list(range(200))}).encode()
    await proxy.apply(transformation(request=fields), route(rule("alpha")))
    found = await proxy.request(method="POST", body=body)
    assert (found.status, found.body) == (500, b"The transformation of the request failed.\n")
    assert alpha.seen == []
    await proxy.apply(transformation(response=fields))
    answer(alpha, body, x_secret="1", set_cookie="secret=1")
    found = await proxy.request()
    assert (found.status, found.body) == (500, b"The transformation of the response failed.\n")
    assert not {"x-secret", "set-cookie"} & {each.lower() for each in found.headers}


TRAILERS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-trailer: y\r\n\r\n"


async def test_http_2_and_trailers(proxy: Proxy) -> None:
    """Trailers follow the body that takes the place of theirs, in HTTP/2 too."""
    async with raw_backend(TRAILERS) as backend:
        slices = [service("raw"), *endpoints("raw", [backend.port])]
        trailers = backend_config_policy("raw", http1ProtocolOptions={"enableTrailers": True})
        fields = {**to_set(x_a="1"), **new_body("{{ body() }}!")}
        await proxy.apply(slices, trailers, transformation(request=fields, response=fields), route(rule("raw")))
        command = ("curl", "-s", "-i", "--http2-prior-knowledge", "-d", "x", f"http://127.0.0.1:{proxy.port}/")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        head, _, body = output.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/2 200")
        assert b"x-a: 1" in head
        assert body.startswith(b"ok!")
        assert b"x-trailer: y" in body
