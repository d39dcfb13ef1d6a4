"""DirectResponses: headers, bodies of all forms, and what has none."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.live.objects import Manifest, exact, route, rule
from tests.live.proxy import Proxy
from translator.refs import Ref


def response(name: str = "other", **spec: Any) -> Manifest:
    """Return a DirectResponse."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "DirectResponse",
        "metadata": {"name": name},
        "spec": spec,
    }


def texts(**data: str) -> Manifest:
    """Return the ConfigMap `texts`."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"}, "data": data}


def responding(name: str = "other", *others: Manifest, **fields: Any) -> Manifest:
    """Return a rule with a filter that names a DirectResponse, and other filters."""
    reference = {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": name}
    return rule(filters=[{"type": "ExtensionRef", "extensionRef": reference}, *others], **fields)


async def test_headers(proxy: Proxy) -> None:
    """Its headers are those that it sets and adds, literally; what the rule's own filters set comes last."""
    headers = {
        "set": [{"name": "Content-Type", "value": "text/html"}, {"name": "x-a", "value": "100% %REQ(:PATH)%"}],
        "add": [{"name": "x-b", "value": "1"}],
    }
    modifier = {"add": [{"name": "x-b", "value": "2"}], "set": [{"name": "x-c", "value": "3"}]}
    filters = {"type": "ResponseHeaderModifier", "responseHeaderModifier": modifier}
    await proxy.apply(response(status=200, body="<b>hi</b>", headers=headers), route(responding("other", filters)))
    found = await proxy.request()
    assert (found.status, found.body) == (200, b"<b>hi</b>")
    assert (found.headers["content-type"], found.headers["x-a"]) == ("text/html", "100% %REQ(:PATH)%")
    assert (found.headers.getall("x-b"), found.headers["x-c"]) == (["1", "2"], "3")


async def test_redirects(proxy: Proxy) -> None:
    """A redirect has the Location that it sets; without one it has none, where Envoy would lead back to the request."""
    location = {"set": [{"name": "location", "value": "/elsewhere"}]}
    await proxy.apply(
        response("to", status=302, headers=location),
        response("nowhere", status=302),
        response("created", status=201, body="made"),
        route(*(responding(each, matches=[exact(f"/{each}")]) for each in ("to", "nowhere", "created"))),
    )
    for path, status, expected in (("/to", 302, "/elsewhere"), ("/nowhere", 302, None), ("/created", 201, None)):
        found = await proxy.request(path)
        assert (found.status, found.headers.get("location")) == (status, expected)


async def test_bodies_that_are_made_for_each_request(proxy: Proxy) -> None:
    """Commands in texts and JSON stand for parts of the request; text and JSON have their content type."""
    members = {"path": "%REQ(:PATH)%", "percent": "100%%", "deep": [{"protocol": "%PROTOCOL%"}, 1, None, True]}
    own = {"text": "<b>%REQ(X-IN)%</b>", "contentType": "text/html; charset=utf-8"}
    await proxy.apply(
        response("json", status=200, bodyFormat={"json": members}),
        response("text", status=203, bodyFormat=own),
        route(*(responding(each, matches=[exact(f"/{each}")]) for each in ("json", "text"))),
    )
    found = await proxy.request("/json?a=b")
    assert found.headers["content-type"] == "application/json"
    expected = {"path": "/json?a=b", "percent": "100%", "deep": [{"protocol": "HTTP/1.1"}, 1, None, True]}
    assert json.loads(found.body) == expected
    found = await proxy.request("/text", headers={"x-in": "in"})
    assert (found.status, found.body, found.headers["content-type"]) == (203, b"<b>in</b>", own["contentType"])


async def test_a_format_that_is_none(proxy: Proxy) -> None:
    """A rule whose response has an unknown command responds with 500, and its route says which; others are served."""
    await proxy.apply(
        response("bad", status=200, bodyFormat={"json": {"a": ["%NO_SUCH_COMMAND%"]}}),
        response("good", status=200, body="good"),
        route(*(responding(each, matches=[exact(f"/{each}")]) for each in ("bad", "good"))),
    )
    assert [(await proxy.request(f"/{each}")).status for each in ("bad", "good")] == [500, 200]
    conditions = proxy.status("HTTPRoute", "route")["parents"][0]["conditions"]
    assert any("there is no command NO_SUCH_COMMAND" in each["message"] for each in conditions)


async def test_a_body_in_a_config_map(proxy: Proxy) -> None:
    """The body keeps up with the key of the ConfigMap; without it the rule responds with 500: its route says why."""
    reference = {"configMapRef": {"name": "texts", "key": "page.html"}}
    html = {"set": [{"name": "content-type", "value": "text/html"}]}
    await proxy.apply(response(status=404, bodyFrom=reference, headers=html), route(responding(), rule("alpha")))
    assert (await proxy.request()).status == 500
    conditions = proxy.status("HTTPRoute", "route")["parents"][0]["conditions"]
    resolved = next(each for each in conditions if each["type"] == "ResolvedRefs")
    assert (resolved["status"], resolved["reason"]) == ("False", "ConfigMapNotFound")
    assert "ConfigMap default/texts does not exist; create it with the key page.html" in resolved["message"]
    await proxy.apply(texts(**{"other.html": "x"}))
    assert (await proxy.request()).status == 500
    for text in ("<h1>Größe</h1>", "x" * 4096):
        await proxy.apply(texts(**{"page.html": text}))
        found = await proxy.request()
        assert (found.status, found.body.decode(), found.headers["content-type"]) == (404, text, "text/html")
    await proxy.apply(texts(**{"page.html": "x" * 4097}))
    assert (await proxy.request()).status == 500
    await proxy.delete(Ref("ConfigMap", "default", "texts"))
    assert (await proxy.request()).status == 500


async def test_the_next_response_of_a_connection(proxy: Proxy) -> None:
    """A response that has no body is followed by the next one on its connection."""
    await proxy.apply(
        response("empty", status=204),
        response("full", status=200, body="full"),
        route(*(responding(each, matches=[exact(f"/{each}")]) for each in ("empty", "full"))),
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    for path in ("/empty", "/full", "/empty"):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a.com\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 204" if path == "/empty" else b"HTTP/1.1 200")
        assert path == "/empty" or await reader.readexactly(4) == b"full"
    writer.close()
    await writer.wait_closed()
