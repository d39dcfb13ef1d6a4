"""Other responses in place of those that match, by TrafficPolicies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.test_rewrites import instead, rewrite
from tests.live.upstream import Seen, Upstream
from translator.refs import Ref

GRPC = {"content-type": "application/grpc", "te": "trailers"}


def overriding(*overrides: Manifest, at: str = "gateway", policy: str = "policy") -> Manifest:
    """Return a policy with overrides of responses."""
    return traffic_policy(at, policy, responseOverride=list(overrides))


def statuses(*values: int, **match: Any) -> Manifest:
    """Return a match of statuses, and of what else is given."""
    return {"statusCodes": [{"value": each} for each in values], **match}


def config_map(**data: str) -> Manifest:
    """Return the ConfigMap `texts`."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"}, "data": data}


def direct_response(**spec: Any) -> Manifest:
    """Return the DirectResponse `other`."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "DirectResponse",
        "metadata": {"name": "other"},
        "spec": spec,
    }


@pytest.fixture(autouse=True)
def statuses_of_paths(proxy: Proxy, alpha: Upstream) -> None:
    """Have the backend respond with the status that is the last part of the path, and headers of its own."""

    async def answer(seen: Seen) -> web.Response:
        status = int(seen.path.partition("?")[0].rsplit("/", 1)[1])
        headers = {"content-type": "text/plain", "x-own": "backend", "x-reason": seen.path.partition("?")[2]}
        return web.Response(status=status, text=f"backend {status}", headers=headers)

    alpha.answer = answer


async def test_a_response_of_the_backend(proxy: Proxy) -> None:
    """A response that matches becomes another one: nothing of it is sent but its status; others stay as they are."""
    page = {
        "contentType": "text/html; charset=utf-8",
        "body": {"inline": "<b>100% %REQ(:PATH)% gone</b>"},
        "headers": {"set": [{"name": "X-Page", "value": "50%"}], "add": [{"name": "x-page", "value": "more"}]},
    }
    ranges = {"statusCodes": [{"range": {"start": 404, "end": 419}}, {"value": 451}]}
    await proxy.apply(overriding({"match": ranges, "response": page}), route(rule("alpha")))
    for status in (404, 409, 410, 419, 451):
        found = await proxy.request(f"/{status}")
        assert (found.status, found.body) == (status, b"<b>100% %REQ(:PATH)% gone</b>")
        assert found.headers["content-type"] == "text/html; charset=utf-8"
        assert found.headers.getall("x-page") == ["50%", "more"]
        assert "x-own" not in found.headers
    for status in (200, 403, 420, 450, 452, 500):
        found = await proxy.request(f"/{status}")
        assert (found.status, found.body) == (status, f"backend {status}".encode())
        assert found.headers["x-own"] == "backend"


async def test_the_first_that_matches(proxy: Proxy) -> None:
    """Of several that match the first counts, and what it gives is not matched again."""
    await proxy.apply(
        overriding(
            {"match": statuses(500), "response": {"statusCode": 502, "body": {"inline": "first"}}},
            {"match": statuses(500, 502), "response": {"statusCode": 503, "body": {"inline": "second"}}},
        ),
        route(rule("alpha")),
    )
    for status, expected in ((500, (502, b"first")), (502, (503, b"second"))):
        found = await proxy.request(f"/{status}")
        assert (found.status, found.body) == expected


async def test_who_responded(proxy: Proxy) -> None:
    """Responses of the proxy and of the backend can be told apart."""
    local = {"match": statuses(500, source="Local"), "response": {"body": {"inline": "proxy"}}}
    backend = {"match": statuses(500, source="Backend"), "response": {"body": {"inline": "backend"}}}
    rules = route(rule("alpha"), rule("missing", matches=[prefix("/missing")]))
    await proxy.apply(overriding(local, backend), rules)
    assert (await proxy.request("/500")).body == b"backend"
    assert (await proxy.request("/missing")).body == b"proxy"
    await proxy.apply(overriding(backend))
    assert (await proxy.request("/missing")).body != b"backend"


async def test_headers_of_responses(proxy: Proxy) -> None:
    """A response matches by all headers that are given, and by those that it must not have."""
    headers = [{"name": "X-Reason", "prefix": "bad-", "ignoreCase": True}, {"name": "x-reason", "regex": ".*-it(-.*)?"}]
    own = [{"name": "x-own", "exact": "backend", "invert": True}]
    await proxy.apply(
        overriding(
            {"match": {"responseHeaders": headers}, "response": {"statusCode": 418}},
            {"match": {"responseHeaders": own}, "response": {"statusCode": 419}},
        ),
        route(rule("alpha"), rule("missing", matches=[prefix("/missing")])),
    )
    for query, expected in (("BAD-it", 418), ("bad-it-is", 418), ("bad", 200), ("x-bad-it", 200)):
        found = await proxy.request(f"/200?{query}")
        assert found.status == expected, query
        assert found.body == (b"" if expected == 418 else b"backend 200")
    assert (await proxy.request("/missing")).status == 419


async def test_bodies_that_are_made_for_each_response(proxy: Proxy) -> None:
    """Texts and JSON have parts of the request and of the response in the place of commands."""
    members = {
        "path": "%REQ(:PATH)%",
        "list": ["100%%", {"was": "%RESPONSE_CODE%"}],
        "n": 7,
        "local": "%LOCAL_REPLY_BODY%",
    }
    await proxy.apply(
        overriding(
            {"match": statuses(404), "response": {"bodyFormat": {"json": members}}},
            {
                "match": statuses(403),
                "response": {"statusCode": 401, "bodyFormat": {"text": "%RESPONSE_CODE% %REQ(X-IN)%"}},
            },
        ),
        route(rule("alpha")),
    )
    found = await proxy.request("/404?a=b")
    assert found.headers["content-type"] == "application/json"
    assert json.loads(found.body) == {"path": "/404?a=b", "list": ["100%", {"was": 404}], "n": 7, "local": ""}
    found = await proxy.request("/403", headers={"x-in": "in"})
    assert (found.status, found.body, found.headers["content-type"]) == (401, b"403 in", "text/plain")


async def test_redirects(proxy: Proxy) -> None:
    """A client is sent elsewhere: to a fixed place, or to another host with the path that the backend has seen."""
    await proxy.apply(
        overriding(
            {"match": statuses(404), "redirect": {"path": "/100%25?a=b", "statusCode": 307}},
            {"match": statuses(401), "redirect": {"hostname": "login.example.com", "scheme": "https", "port": 8443}},
            {"match": statuses(503), "redirect": {"hostname": "other.example.com"}},
        ),
        route(rule("alpha"), rule("alpha", matches=[prefix("/old")], filters=[rewrite(path=instead("/new"))])),
    )
    for path, status, location in (
        ("/404", 307, "/100%25?a=b"),
        ("/401?x=%20y", 302, "https://login.example.com:8443/401?x=%20y"),
        ("/old/503?q", 302, "http://other.example.com/new/503?q"),
    ):
        found = await proxy.request(path)
        assert (found.status, found.headers["location"], found.body) == (status, location, b"")


async def test_statuses_without_a_body(proxy: Proxy) -> None:
    """Responses that have no body do not get one, which clients would take for the next response."""
    every = {"statusCodes": [{"range": {"start": 200, "end": 399}}]}
    await proxy.apply(overriding({"match": every, "response": {"body": {"inline": "body"}}}), route(rule("alpha")))
    for status, body in ((200, b"body"), (201, b"body"), (204, b""), (302, b"body"), (304, b"")):
        found = await proxy.request(f"/{status}")
        assert (found.status, found.body) == (status, body)
    found = await proxy.request("/200", method="HEAD")
    assert (found.status, found.headers["content-length"]) == (200, "4")


async def test_clients_of_grpc(proxy: Proxy) -> None:
    """To clients of gRPC it is an error of theirs, with the body as its message."""
    await proxy.apply(
        overriding({"match": statuses(500), "response": {"statusCode": 503, "body": {"inline": "later"}}}),
        route(rule("alpha")),
    )
    found = await proxy.request("/500", method="POST", headers=GRPC)
    assert (found.headers["grpc-status"], found.headers["grpc-message"]) == ("14", "later")


async def test_a_body_in_a_config_map(proxy: Proxy) -> None:
    """The body is what the key of a ConfigMap holds, and keeps up with it; without it the policy is left out."""
    reference = {"configMapRef": {"name": "texts", "key": "gone.html"}}
    policy = overriding({"match": statuses(404), "response": {"contentType": "text/html", "body": reference}})
    await proxy.apply(config_map(**{"gone.html": "<p>gone</p>"}), policy, route(rule("alpha")))
    found = await proxy.request("/404")
    assert (found.body, found.headers["content-type"]) == (b"<p>gone</p>", "text/html")
    await proxy.apply(config_map(**{"gone.html": "<p>away</p>"}))
    assert (await proxy.request("/404")).body == b"<p>away</p>"
    await proxy.delete(Ref("ConfigMap", "default", "texts"))
    assert (await proxy.request("/404")).body == b"backend 404"
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    assert ("False", "ConfigMapNotFound") in {(each["status"], each["reason"]) for each in conditions}


async def test_a_direct_response(proxy: Proxy) -> None:
    """A DirectResponse is the response, with its status, body and headers, and keeps up with its object."""
    spec = {"status": 404, "body": "own page", "headers": {"set": [{"name": "x-page", "value": "1"}]}}
    policy = overriding({"match": statuses(404, 500), "responseRef": {"name": "other"}})
    await proxy.apply(policy, route(rule("alpha")))
    assert (await proxy.request("/500")).body == b"backend 500"
    await proxy.apply(direct_response(**spec))
    for status in (404, 500):
        found = await proxy.request(f"/{status}")
        assert (found.status, found.body, found.headers["x-page"]) == (404, b"own page", "1")


async def test_routes_differ(proxy: Proxy) -> None:
    """The overrides of a rule's policy replace those of the Gateway's; none at all switches them off."""
    wide = {"match": statuses(404, 500), "response": {"body": {"inline": "wide"}}}
    own = {"match": statuses(404), "response": {"body": {"inline": "own"}}}
    named = rule("alpha", name="named", matches=[exact("/404"), exact("/500")])
    await proxy.apply(overriding(wide), overriding(own, at="rule", policy="own"), route(named, rule("alpha")))
    assert [(await proxy.request(f"/{each}")).body for each in (404, 500)] == [b"own", b"backend 500"]
    assert (await proxy.request("/other/500")).body == b"wide"
    await proxy.apply(overriding(at="rule", policy="own"))
    assert (await proxy.request("/404")).body == b"backend 404"
    assert (await proxy.request("/other/404")).body == b"wide"
