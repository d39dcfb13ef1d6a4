"""The filter ExternalAuth of rules (GEP-1494): an authorizer of a rule's own."""

from __future__ import annotations

from typing import Any

import pytest

from headgate_proto.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from tests.live.authorizers import (
    GrpcAuthorizer,
    allowed,
    answering,
    asking,
    at,
    by_grpc,
    denied,
    extension,
)
from tests.live.cors import told
from tests.live.objects import Manifest, exact, prefix, route, rule, service, traffic_policy
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Upstream
from translator.refs import Ref


def external_auth(protocol: str = "HTTP", name: str = "authorizer", **fields: Any) -> Manifest:
    """Return the filter; `fields` are those of the protocol, and `forwardBody`."""
    body = {"forwardBody": fields.pop("forwardBody")} if "forwardBody" in fields else {}
    config = {"protocol": protocol, protocol.lower(): fields, "backendRef": {"name": name, "port": 80}, **body}
    return {"type": "ExternalAuth", "externalAuth": config}


async def test_http(proxy: Proxy, http_authorizer: Upstream, alpha: Upstream) -> None:
    """The authorizer gets the headers that it must, and those that are allowed; the backend gets its headers."""
    filters = [external_auth(path="/check/", allowedHeaders=["X-A"])]
    await proxy.apply(at(http_authorizer.port), route(rule("alpha", filters=filters)))
    http_authorizer.answer = answering(x_user="joe", set_cookie="a=b", content_language="de", connection="x-a")
    sent = {"Authorization": "Bearer a", "X-A": "1", "X-B": "2", "Content-Type": "text/plain"}
    found = await proxy.request("/cart?a=1", method="POST", headers=sent, body=b"hello")
    (asked,) = http_authorizer.seen
    assert (asked.method, asked.path, asked.host, asked.body) == ("POST", "/check/cart?a=1", "example.com", b"")
    names = ("authorization", "x-a", "x-b", "content-length")
    assert [asked.values(each) for each in names] == [["Bearer a"], ["1"], [], ["0"]]
    headers = ("x-user", "set-cookie", "content-language", "content-type", "content-length", "x-a")
    assert [found.sent(each) for each in headers] == [["joe"], ["a=b"], [], ["text/plain"], ["5"], ["1"]]
    http_authorizer.answer = answering(401, "who are you?", www_authenticate="Basic")
    refused = await proxy.request()
    assert (refused.status, refused.body, refused.headers["www-authenticate"]) == (401, b"who are you?", "Basic")
    assert len(alpha.seen) == 1


async def test_named_response_headers(proxy: Proxy, http_authorizer: Upstream) -> None:
    """With a list the backend gets these headers of the authorizer, and none of a client's under their names."""
    filters = [external_auth(allowedResponseHeaders=["x-user", "x-role"])]
    await proxy.apply(at(http_authorizer.port), route(rule("alpha", filters=filters)))
    http_authorizer.answer = answering(x_user="joe", x_other="1")
    found = await proxy.request(headers={"X-User": "root", "X-Role": "admin", "X-Other": "2"})
    assert [found.sent(each) for each in ("x-user", "x-role", "x-other")] == [["joe"], [], ["2"]]


async def test_what_a_response_says_of_itself(proxy: Proxy, http_authorizer: Upstream, alpha: Upstream) -> None:
    """What an authorizer's response says of itself is not copied into the request to the backend."""
    await proxy.apply(at(http_authorizer.port), route(rule("alpha", filters=[external_auth()])))
    http_authorizer.answer = answering(x_user="joe")
    assert (await proxy.request(method="POST", body=b"x" * 10)).sent("x-user") == ["joe"]
    (seen,) = alpha.seen
    assert not {"server", "date", ":status", "x-envoy-upstream-service-time"} & {name for name, _ in seen.headers}


async def test_grpc(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """A gRPC authorizer gets all headers, or those that are listed, and none else."""
    await proxy.apply(at(authorizer.port), route(rule("alpha", filters=[external_auth("GRPC")])))
    assert (await proxy.request(headers={"X-A": "1", "X-B": "2"})).status == 200
    assert {"x-a", "x-b", ":path", ":authority"} <= authorizer.headers.keys()
    filters = [external_auth("GRPC", allowedHeaders=["X-A"])]
    await proxy.apply(route(rule("alpha", filters=filters)))
    assert (await proxy.request(headers={"X-A": "1", "X-B": "2"})).status == 200
    assert authorizer.headers == {"x-a": "1"}

    async def decide(*_: object) -> CheckResponse:
        return denied(402, "pay")

    authorizer.decide = decide
    found = await proxy.request()
    assert (found.status, found.body, len(alpha.seen)) == (402, b"pay", 2)


@pytest.mark.parametrize("protocol", ["GRPC", "HTTP"])
async def test_bodies(
    proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream, alpha: Upstream, protocol: str
) -> None:
    """The authorizer gets a body up to `maxSize`, with its length; a longer one gets 413, and with 0 it gets none."""
    port = authorizer.port if protocol == "GRPC" else http_authorizer.port
    filters = [external_auth(protocol, forwardBody={"maxSize": 40_000})]
    await proxy.apply(at(port), route(rule("alpha", filters=filters)))
    whole = b"x" * 40_000
    assert (await proxy.request(method="POST", body=whole)).status == 200
    if protocol == "GRPC":
        assert authorizer.seen[0].attributes.request.http.body == whole.decode()
    else:
        assert (http_authorizer.seen[0].body, http_authorizer.seen[0].values("content-length")) == (whole, ["40000"])
    assert (await proxy.request(method="POST", body=whole + b"x")).status == 413
    assert alpha.seen[0].body == whole
    await proxy.apply(route(rule("alpha", filters=[external_auth(protocol, forwardBody={"maxSize": 0})])))
    assert (await proxy.request(method="POST", body=whole + b"x")).status == 200
    assert len(alpha.seen) == 2


async def test_a_rule_of_its_own(proxy: Proxy, http_authorizer: Upstream) -> None:
    """Rules without the filter are served without asking; one that responds itself asks too."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "other.example.com"}}
    rules = [
        rule("alpha", matches=[exact("/private")], filters=[external_auth()]),
        rule(matches=[exact("/moved")], filters=[external_auth(), redirect]),
        rule("alpha"),
    ]
    await proxy.apply(at(http_authorizer.port), route(*rules))
    http_authorizer.answer = answering(403)
    statuses = [(await proxy.request(path)).status for path in ("/private", "/moved", "/public")]
    assert (statuses, len(http_authorizer.seen)) == ([403, 403, 200], 2)
    http_authorizer.answer = None
    assert [(await proxy.request(path)).status for path in ("/private", "/moved")] == [200, 302]


async def test_preflights(proxy: Proxy, http_authorizer: Upstream, alpha: Upstream) -> None:
    """A preflight that the CORS filter of the rule answers reaches no authorizer; the request itself does."""
    page = "https://page.com"
    cors = {"type": "CORS", "cors": {"allowOrigins": [page], "allowMethods": ["POST"]}}
    await proxy.apply(at(http_authorizer.port), route(rule("alpha", filters=[external_auth(), cors])))
    http_authorizer.answer = answering(401)
    asked = {"Origin": page, "Access-Control-Request-Method": "POST"}
    found = await proxy.request(method="OPTIONS", headers=asked)
    assert (found.status, told(found)["allow-origin"], http_authorizer.seen) == (200, page, [])
    refused = await proxy.request(method="POST", headers={"Origin": page})
    assert (refused.status, told(refused)["allow-origin"], alpha.seen) == (401, page, [])


async def test_several_filters(proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream) -> None:
    """All authorizers of a rule have to allow a request, in the order of the filters."""
    filters = [external_auth("GRPC"), external_auth(name="second", allowedHeaders=["x-user"])]
    objects = [*at(authorizer.port), *at(http_authorizer.port, "second"), route(rule("alpha", filters=filters))]
    await proxy.apply(*objects)

    async def decide(*_: object) -> CheckResponse:
        return allowed(x_user="joe")

    authorizer.decide = decide
    assert (await proxy.request()).sent("x-user") == ["joe"]
    assert http_authorizer.seen[0].values("x-user") == ["joe"]
    http_authorizer.answer = answering(403)
    assert (await proxy.request()).status == 403


async def test_beside_policies(
    proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream, alpha: Upstream
) -> None:
    """The filter replaces the authorizers of policies, unless these are enforced; other units stay."""
    rules = [rule("alpha", matches=[prefix("/own")], filters=[external_auth(name="second")]), rule("alpha")]
    objects = [
        *at(authorizer.port),
        *at(http_authorizer.port, "second"),
        extension(**by_grpc()),
        route(*rules),
    ]
    for level in ("gateway", "route"):
        await proxy.apply(*objects, traffic_policy(level, extAuth=asking(contextExtensions={"a": "1"}), csrf={}))
        assert [(await proxy.request(path)).status for path in ("/own", "/")] == [200, 200]
        assert (await proxy.request("/own", method="POST")).status == 403
        assert (len(authorizer.seen), len(http_authorizer.seen)) == (1, 1), level
        proxy.restore()
        authorizer.seen.clear()
        http_authorizer.reset()
    await proxy.apply(*objects, traffic_policy("gateway", extAuth=asking("missing")))
    assert [(await proxy.request(path)).status for path in ("/own", "/")] == [200, 500]
    http_authorizer.reset()
    await proxy.apply(*objects, traffic_policy("gateway", extAuth=asking("missing"), enforced=True))
    assert [(await proxy.request(path)).status for path in ("/own", "/")] == [500, 500]
    await proxy.apply(*objects, traffic_policy("gateway", extAuth=asking(), enforced=True))
    assert (await proxy.request("/own")).status == 200
    assert (len(authorizer.seen), len(http_authorizer.seen)) == (1, 0)
    await proxy.apply(traffic_policy("gateway", extAuth={"disable": {}}))
    assert (await proxy.request("/own")).status == 200
    assert (len(authorizer.seen), len(http_authorizer.seen)) == (1, 1)


async def test_moved_requests(proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream) -> None:
    """A request whose route is chosen anew does not come past the filter of another rule."""
    moved = prefix("/", headers=[{"name": "x-tier", "value": "gold"}])
    rules = [rule("beta", matches=[moved], filters=[external_auth(name="second")]), rule("alpha", name="named")]

    async def decide(*_: object) -> CheckResponse:
        return allowed(x_tier="gold")

    authorizer.decide = decide
    http_authorizer.answer = answering(401)
    await proxy.apply(
        at(authorizer.port),
        at(http_authorizer.port, "second"),
        extension(clearRouteCache=True, **by_grpc()),
        traffic_policy("rule", extAuth=asking()),
        route(*rules),
    )
    assert (await proxy.request()).status == 403
    assert (await proxy.request(headers={"x-tier": "gold"})).status == 401


async def test_failures(proxy: Proxy, alpha: Upstream) -> None:
    """Where the authorizer cannot be reached or does not exist, or its path leaves the prefix, nothing passes."""
    down = free_port()
    await proxy.apply(at(down), route(rule("alpha", filters=[external_auth()])))
    assert (await proxy.request()).status == 403
    await proxy.delete(Ref("EndpointSlice", "default", f"authorizer-{down}"))
    assert (await proxy.request()).status == 403
    await proxy.delete(Ref("Service", "default", "authorizer"))
    assert (await proxy.request()).status == 500
    conditions = {each["type"]: each for each in proxy.status("HTTPRoute", "route")["parents"][0]["conditions"]}
    assert (conditions["ResolvedRefs"]["status"], conditions["ResolvedRefs"]["reason"]) == ("False", "BackendNotFound")
    await proxy.apply(service("authorizer"), route(rule("alpha", filters=[external_auth(path="/a/%2e%2e/b")])))
    assert (await proxy.request()).status == 500
    assert alpha.seen == []
