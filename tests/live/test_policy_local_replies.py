"""Responses that the proxy gives by itself, in the form that ListenerPolicies give them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.live.access_logs import FILTERS
from tests.live.objects import Manifest, exact, listener_policy, route, rule, traffic_policy
from tests.live.proxy import Proxy

JSON = {"json": {"status": "%RESPONSE_CODE%", "text": "%LOCAL_REPLY_BODY%"}}


def replies(**fields: Any) -> Manifest:
    """Return a policy with local replies for the Gateway."""
    return listener_policy(httpSettings={"localReplies": fields})


def direct(status: int, **spec: Any) -> Manifest:
    """Return a DirectResponse named by its status."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "DirectResponse",
        "metadata": {"name": f"direct-{status}"},
        "spec": {"status": status, **spec},
    }


def answered(status: int) -> Manifest:
    """Return a rule for the path of a status that its DirectResponse answers."""
    reference = {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": f"direct-{status}"}
    return {"matches": [exact(f"/{status}")], "filters": [{"type": "ExtensionRef", "extensionRef": reference}]}


async def test_formats(proxy: Proxy) -> None:
    """What the proxy responds has the format, as JSON or as text; what a backend responds stays as it is."""
    await proxy.apply(replies(defaultBodyFormat=JSON), route(rule("alpha", matches=[exact("/a")])))
    found = await proxy.request("/missing")
    assert (found.status, found.headers["content-type"]) == (404, "application/json")
    assert json.loads(found.body) == {"status": 404, "text": ""}
    assert (await proxy.request("/a")).backend == "alpha"
    text = {"text": "<p>%RESPONSE_CODE% %REQ(:PATH)%</p>", "contentType": "text/html"}
    await proxy.apply(replies(defaultBodyFormat=text))
    found = await proxy.request("/missing")
    assert (found.headers["content-type"], found.body) == ("text/html", b"<p>404 /missing</p>")


async def test_mappers(proxy: Proxy) -> None:
    """The first mapper that takes a response changes its status, body and headers; the others leave it alone."""
    mappers = [
        {
            "filter": {
                "andFilter": [
                    {"statusCodeFilter": {"op": "EQ", "value": 404}},
                    {"responseFlagFilter": {"flags": ["NR"]}},
                ]
            },
            "statusCode": 410,
            "body": "gone",
            "headers": {"set": [{"name": "x-a", "value": "100%"}], "add": [{"name": "x-b", "value": "1"}]},
        },
        {
            "filter": {"statusCodeFilter": {"op": "GE", "value": 400}},
            "bodyFormat": {"text": "other %LOCAL_REPLY_BODY%"},
        },
        {"filter": {"statusCodeFilter": {"op": "EQ", "value": 500}}, "statusCode": 501},
    ]
    broken = rule("missing", matches=[exact("/broken")])
    await proxy.apply(replies(mappers=mappers), route(broken))
    found = await proxy.request("/missing")
    assert (found.status, found.body) == (410, b"gone")
    assert (found.headers["x-a"], found.headers["x-b"]) == ("100%", "1")
    found = await proxy.request("/broken")
    assert (found.status, found.body[:6]) == (500, b"other ")
    assert "x-a" not in found.headers


async def test_filters(proxy: Proxy) -> None:
    """A mapper changes the responses that its filter takes, and no others."""
    for name, each, taken in FILTERS:
        await proxy.apply(
            replies(mappers=[{"filter": each, "statusCode": 418}]), route(rule("alpha", matches=[exact("/a")]))
        )
        found = await proxy.request("/missing", headers={"X-Path": "/missing"})
        assert found.status == (418 if "/missing" in taken else 404), name


async def heads(port: int, *paths: str) -> list[bytes]:
    """Send requests one after another on one connection; return all that comes up to each empty line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = list[bytes]()
    for path in paths:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n".encode())
        found.append(await reader.readuntil(b"\r\n\r\n"))
    writer.close()
    return found


async def test_responses_without_a_body(proxy: Proxy) -> None:
    """Statuses without a body have none whatever the format is: a client takes it for the next response."""
    mapper = {"filter": {"statusCodeFilter": {"op": "EQ", "value": 404}}, "statusCode": 204}
    policy = replies(defaultBodyFormat=JSON, mappers=[mapper])
    await proxy.apply(policy, direct(204), direct(304), route(answered(204), answered(304)))
    found = await heads(proxy.port, "/204", "/304", "/missing", "/204")
    assert [each[:12] for each in found] == [b"HTTP/1.1 %d" % each for each in (204, 304, 204, 204)]
    assert b"content-length" not in b"".join(found).lower()


async def test_what_routes_respond(proxy: Proxy) -> None:
    """Redirects, preflights and direct responses stay as their authors have them."""
    redirect = rule(
        matches=[exact("/r")], filters=[{"type": "RequestRedirect", "requestRedirect": {"hostname": "a.com"}}]
    )
    cors = traffic_policy("route", cors={"allowOrigins": ["https://page.com"], "allowMethods": ["GET"]})
    tea = direct(418, body="tea")
    await proxy.apply(replies(defaultBodyFormat=JSON), cors, tea, route(redirect, answered(418), rule("alpha")))
    found = await proxy.request("/r")
    assert (found.status, found.headers["location"], found.body) == (302, f"http://a.com:{proxy.port}/r", b"")
    found = await proxy.request("/418")
    assert (found.status, found.body, found.headers["content-type"]) == (418, b"tea", "text/plain")
    preflight = {"Origin": "https://page.com", "Access-Control-Request-Method": "GET"}
    found = await proxy.request("/", method="OPTIONS", headers=preflight)
    assert (found.status, found.body) == (200, b"")


async def test_a_closed_unit_says_why(proxy: Proxy) -> None:
    """A route that is closed still says which policy and field cannot be applied."""
    wrong = traffic_policy("route", csrf={"additionalOrigins": [{"regex": "a(b"}]})
    await proxy.apply(replies(defaultBodyFormat=JSON), wrong, route(rule("alpha")))
    found = await proxy.request()
    assert found.status == 500
    assert b"TrafficPolicy default/policy: spec.csrf cannot be applied." in found.body
