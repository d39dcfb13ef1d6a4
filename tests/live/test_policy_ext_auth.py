"""Authorisation by services: TrafficPolicies with `extAuth`, and GatewayExtensions with an authorizer."""

from __future__ import annotations

import base64

import grpc
import pytest

from headgate.reporting.proto_json import resources
from headgate_proto.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from tests.live.authorizers import (
    GrpcAuthorizer,
    allowed,
    answering,
    asking,
    at,
    by_grpc,
    by_http,
    denied,
    extension,
)
from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream
from translator.refs import Ref


@pytest.mark.parametrize("level", ["gateway", "listener", "route", "rule"])
async def test_a_grpc_authorizer_decides(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream, level: str) -> None:
    """Requests that the authorizer allows reach the backend, with the headers that it sets; others get its response."""
    provider = extension(**by_grpc())
    policy = traffic_policy(level, extAuth=asking())
    await proxy.apply(at(authorizer.port), provider, policy, route(rule("alpha", name="named")))

    async def decide(request: CheckRequest, _: object) -> CheckResponse:
        name = request.attributes.request.http.headers.get("x-name", "")
        return allowed(x_user=name) if name == "joe" else denied(401, "who are you?", x_why="unknown")

    authorizer.decide = decide
    good = await proxy.request("/cart?a=1", headers={"X-Name": "joe", "X-User": "root"})
    assert good.sent("x-user") == ["joe"]
    bad = await proxy.request("/cart", headers={"X-Name": "eve"})
    assert (bad.status, bad.body, bad.headers["x-why"]) == (401, b"who are you?", "unknown")
    assert len(alpha.seen) == 1
    assert authorizer.seen[0].attributes.request.http.path == "/cart?a=1"
    assert authorizer.headers["x-name"] == "eve"


async def test_an_http_authorizer_decides(proxy: Proxy, http_authorizer: Upstream, alpha: Upstream) -> None:
    """It is asked with the method, path, Host and Authorization of a request, and what else is to be forwarded."""
    request = {"headersToAdd": [{"name": "x-asked-by", "value": "gateway for %REQ(:method)%, 100%%"}]}
    response = {
        "headersToBackend": ["x-user"],
        "headersToClient": ["x-why"],
        "headersToClientOnSuccess": ["x-trace"],
        "metadataFromHeaders": ["x-role"],
    }
    provider = extension(
        headersToForward=["x-b"],
        **by_http(authorizationRequest=request, authorizationResponse=response, pathPrefix="/check"),
    )
    modifiers = {"request": {"set": [{"name": "x-role", "value": ROLE, "format": True}]}}
    policy = traffic_policy("route", extAuth=asking(), headerModifiers=modifiers)
    await proxy.apply(at(http_authorizer.port), provider, policy, route(rule("alpha")))
    http_authorizer.answer = answering(x_user="joe", x_why="no reason", x_trace="t", x_role="admin", x_other="1")
    headers = {"Authorization": "Bearer a", "X-B": "1", "X-C": "2", "X-Asked-By": "me"}
    good = await proxy.request("/cart?a=1", method="PUT", headers=headers)
    (asked,) = http_authorizer.seen
    assert (asked.method, asked.path, asked.host) == ("PUT", "/check/cart?a=1", "example.com")
    assert [asked.values(each) for each in ("authorization", "x-b", "x-c")] == [["Bearer a"], ["1"], []]
    assert asked.values("x-asked-by") == ["gateway for PUT, 100%"]
    assert (good.sent("x-user"), good.sent("x-other"), good.sent("x-role")) == (["joe"], [], ["admin"])
    assert (good.headers["x-trace"], "x-why" in good.headers) == ("t", False)
    http_authorizer.answer = answering(403, "no", x_why="no reason", x_other="1")
    bad = await proxy.request()
    assert (bad.status, bad.body, bad.headers["x-why"], "x-other" in bad.headers) == (403, b"no", "no reason", False)
    assert len(alpha.seen) == 1


ROLE = "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:x-role)%"


async def test_one_path_for_all_requests(proxy: Proxy, http_authorizer: Upstream) -> None:
    """With `pathOverride` the authorizer is asked at one path, whatever that of the request is."""
    await proxy.apply(
        at(http_authorizer.port),
        extension(**by_http(pathOverride="/auth")),
        traffic_policy("route", extAuth=asking()),
        route(rule("alpha")),
    )
    assert (await proxy.request("/cart?a=1")).path == "/cart?a=1"
    assert http_authorizer.seen[0].path == "/auth"


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_bodies(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream, level: str) -> None:
    """The authorizer gets the body up to a size; a longer one gets 413, or is cut off for the authorizer alone."""
    provider = extension(**by_grpc())
    objects = [*at(authorizer.port), provider, route(rule("alpha"))]
    size = 60_000
    await proxy.apply(*objects, traffic_policy(level, extAuth=asking(withRequestBody={"maxRequestBytes": size})))
    whole = "x" * size
    assert (await proxy.request(method="POST", body=whole.encode())).status == 200
    assert authorizer.seen[-1].attributes.request.http.body == whole
    assert (await proxy.request(method="POST", body=whole.encode() + b"x")).status == 413
    assert len(alpha.seen) == len(authorizer.seen) == 1

    partial = {"maxRequestBytes": 5, "allowPartialMessage": True, "packAsBytes": True}
    await proxy.apply(*objects, traffic_policy(level, extAuth=asking(withRequestBody=partial)))
    assert (await proxy.request(method="POST", body=b"\xff123456789")).status == 200
    assert authorizer.seen[-1].attributes.request.http.raw_body == b"\xff1234"
    assert alpha.seen[-1].body == b"\xff123456789"


async def test_context_and_headers(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """Authorizers get the context of the most specific policy alone, and only the headers that are to be forwarded."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(
        at(authorizer.port),
        extension(**by_grpc()),
        traffic_policy("gateway", "wide", extAuth=asking(contextExtensions={"tenant": "a", "wide": "1"})),
        traffic_policy("rule", "own", extAuth=asking(contextExtensions={"tenant": "b"}, headersToForward=["X-A"])),
        route(named, rule("alpha")),
    )
    assert (await proxy.request("/", headers={"X-A": "1", "X-B": "2"})).status == 200
    assert dict(authorizer.seen[-1].attributes.context_extensions) == {"tenant": "a", "wide": "1"}
    assert {"x-a", "x-b", ":path"} <= authorizer.headers.keys()
    assert (await proxy.request("/own", headers={"X-A": "1", "X-B": "2"})).status == 200
    assert dict(authorizer.seen[-1].attributes.context_extensions) == {"tenant": "b"}
    assert authorizer.headers == {"x-a": "1"}
    await proxy.apply(traffic_policy("rule", "own", extAuth=asking()))
    assert (await proxy.request("/own")).status == 200
    assert dict(authorizer.seen[-1].attributes.context_extensions) == {}
    assert len(authorizer.seen) == 3


async def test_secret_context(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """Authorizers get texts of Secrets, which the configuration of Envoy does not show; a new value reaches them."""
    secrets = [{"name": "key", "secretRef": {"name": "context"}}]
    objects = [
        *at(authorizer.port),
        extension(**by_grpc()),
        traffic_policy("gateway", extAuth=asking(contextExtensions={"a": "1"}, contextSecrets=secrets)),
        route(rule("alpha")),
    ]
    await proxy.apply(*objects, secret("context", key="first-secret"))
    assert (await proxy.request()).status == 200
    assert dict(authorizer.seen[-1].attributes.context_extensions) == {"a": "1", "key": "first-secret"}
    assert "first-secret" not in await proxy.admin("/config_dump")
    assert "first-secret" not in str(resources(proxy.snapshot))
    await proxy.apply(secret("context", key="second-secret"))
    assert (await proxy.request()).status == 200
    assert authorizer.seen[-1].attributes.context_extensions["key"] == "second-secret"
    await proxy.apply(secret("context", other="third-secret"))
    assert (await proxy.request()).status == 500
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    (resolved,) = (each for each in conditions if each["type"] == "ResolvedRefs")
    assert "Secret default/context has no key key" in resolved["message"]


async def test_other_namespaces(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """What is referred to in other namespaces needs ReferenceGrants: without one of them routes are closed."""
    secrets = [{"name": "key", "secretRef": {"name": "context", "namespace": "shared"}}]
    extensions = [{"name": "authorizer", "namespace": "shared"}]
    service = {"backendRef": {"name": "authorizer", "namespace": "default", "port": 80}, "requestTimeout": "5s"}
    text = secret("context", key="a")
    text["metadata"]["namespace"] = "shared"
    policy = traffic_policy("route", extAuth={"extensionRefs": extensions, "contextSecrets": secrets})
    await proxy.apply(
        at(authorizer.port), extension(namespace="shared", grpcService=service), text, policy, route(rule("alpha"))
    )
    for grant in (
        reference_grant("shared", "TrafficPolicy", "default", ("gateway.headgate.dev", "GatewayExtension")),
        reference_grant("default", "GatewayExtension", "shared", ("", "Service")),
        reference_grant("shared", "TrafficPolicy", "default", ("", "Secret"), "secrets"),
    ):
        assert (await proxy.request()).status == 500
        await proxy.apply(grant)
    assert (await proxy.request()).status == 200
    assert authorizer.seen[-1].attributes.context_extensions["key"] == "a"
    await proxy.delete(Ref("ReferenceGrant", "default", "grant"))
    assert (await proxy.request()).status == 500


def reference_grant(namespace: str, kind: str, origin: str, to: tuple[str, str], name: str = "grant") -> Manifest:
    """Return a ReferenceGrant from objects of a kind of Headgate's in a namespace to those of another kind."""
    source = {"group": "gateway.headgate.dev", "kind": kind, "namespace": origin}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"from": [source], "to": [{"group": to[0], "kind": to[1]}]},
    }


def secret(name: str, **texts: str) -> Manifest:
    """Return a Secret with texts."""
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


async def test_the_route_is_named(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """With `includeRouteMetadata` authorizers hear which route and rule a request takes, of inherited policies too."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    objects = [*at(authorizer.port), extension(**by_grpc()), route(named, rule("alpha"))]
    for level in ("gateway", "route"):
        await proxy.apply(*objects, traffic_policy(level, extAuth=asking(includeRouteMetadata=True)))
        for path, name in (("/own", "named"), ("/", "1")):
            assert (await proxy.request(path)).status == 200
            metadata = authorizer.seen[-1].attributes.route_metadata_context.filter_metadata["gateway.headgate.dev"]
            assert (metadata["route"], metadata["rule"]) == ("default/route", name)
        proxy.restore()
    await proxy.apply(*objects, traffic_policy("gateway", extAuth=asking()))
    assert (await proxy.request()).status == 200
    assert not authorizer.seen[-1].attributes.route_metadata_context.filter_metadata


async def test_several_authorizers(proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream) -> None:
    """All authorizers have to allow a request, in their order; one that refuses it is the last that is asked."""
    await proxy.apply(
        at(authorizer.port),
        at(http_authorizer.port, "second"),
        extension(**by_grpc()),
        extension("second", headersToForward=["x-user"], **by_http("second")),
        traffic_policy("gateway", extAuth=asking("authorizer", "second")),
        route(rule("alpha")),
    )

    async def decide(*_: object) -> CheckResponse:
        return allowed(x_user="joe")

    authorizer.decide = decide
    assert (await proxy.request()).sent("x-user") == ["joe"]
    assert http_authorizer.seen[0].values("x-user") == ["joe"]
    http_authorizer.answer = answering(403)
    assert (await proxy.request()).status == 403

    async def refuse(*_: object) -> CheckResponse:
        return denied(402)

    authorizer.decide = refuse
    assert (await proxy.request()).status == 402
    assert len(http_authorizer.seen) == 2


async def test_levels(proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream) -> None:
    """A rule's policy replaces that of the Gateway as a whole, or has nobody asked."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    objects = [
        *at(authorizer.port),
        *at(http_authorizer.port, "second"),
        extension(**by_grpc()),
        extension("second", **by_http("second")),
        route(named, rule("alpha")),
    ]
    wide = traffic_policy("gateway", "wide", extAuth=asking("second", "authorizer", contextExtensions={"a": "1"}))
    await proxy.apply(*objects, wide, traffic_policy("rule", "own", extAuth=asking()))
    assert (await proxy.request("/own")).status == 200
    assert (len(authorizer.seen), len(http_authorizer.seen)) == (1, 0)
    assert (await proxy.request("/other")).status == 200
    assert (len(authorizer.seen), len(http_authorizer.seen)) == (2, 1)
    await proxy.apply(traffic_policy("rule", "own", extAuth={"disable": {}}))
    assert (await proxy.request("/own")).status == 200
    assert (len(authorizer.seen), len(http_authorizer.seen)) == (2, 1)
    enforced = traffic_policy("gateway", "wide", enforced=True, extAuth=asking("second"))
    await proxy.apply(enforced)
    assert (await proxy.request("/own")).status == 200
    assert (len(authorizer.seen), len(http_authorizer.seen)) == (2, 2)


async def test_shares(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """An authorizer is asked about a share of the requests; the others are allowed."""
    await proxy.apply(
        at(authorizer.port),
        extension(percentageEnabled="50%", statPrefix="half", **by_grpc()),
        traffic_policy("gateway", extAuth=asking()),
        route(rule("alpha")),
    )
    assert [(await proxy.request()).status for _ in range(100)] == [200] * 100
    assert 20 <= len(authorizer.seen) <= 80
    assert f"ext_authz.half.ok: {len(authorizer.seen)}\n" in await proxy.admin("/stats?filter=ext_authz.half.ok")


async def test_retries(proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream) -> None:
    """An authorizer that fails is asked again."""
    failures = {"grpc": 2, "http": 2}

    async def fail(_: CheckRequest, context: grpc.aio.ServicerContext[CheckRequest, bytes]) -> CheckResponse:
        failures["grpc"] -= 1
        if failures["grpc"] >= 0:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        return allowed()

    async def fail_http(seen: object) -> object:
        failures["http"] -= 1
        return await answering(503 if failures["http"] >= 0 else 200)(seen)  # type: ignore[arg-type]

    authorizer.decide, http_authorizer.answer = fail, fail_http  # type: ignore[assignment]
    retry = {"attempts": 2, "backoffBaseInterval": "1ms"}
    await proxy.apply(
        at(authorizer.port),
        at(http_authorizer.port, "second"),
        extension(**by_grpc(retry=retry)),
        extension("second", **by_http("second", retry={"attempts": 2})),
        traffic_policy("gateway", extAuth=asking("authorizer", "second")),
        route(rule("alpha")),
    )
    assert (await proxy.request()).status == 200
    assert (len(authorizer.seen), len(http_authorizer.seen)) == (3, 3)


async def test_the_route_is_chosen_anew(proxy: Proxy, authorizer: GrpcAuthorizer, beta: Upstream) -> None:
    """With `clearRouteCache` the headers of the authorizer choose the rule, if that has the same protection."""
    moved = prefix("/", headers=[{"name": "x-tier", "value": "gold"}])
    rules = [rule("beta", name="named", matches=[moved]), rule("alpha")]

    async def decide(*_: object) -> CheckResponse:
        return allowed(x_tier="gold")

    authorizer.decide = decide
    objects = [*at(authorizer.port), route(*rules), traffic_policy("gateway", extAuth=asking())]
    await proxy.apply(*objects, extension(**by_grpc()))
    assert (await proxy.request()).backend == "alpha"
    await proxy.apply(extension(clearRouteCache=True, **by_grpc()))
    assert (await proxy.request()).backend == "beta"
    await proxy.apply(traffic_policy("rule", "own", extAuth=asking(contextExtensions={"a": "1"})))
    assert (await proxy.request()).status == 403
    await proxy.apply(traffic_policy("rule", "own", extAuth={"disable": {}}))
    assert (await proxy.request()).backend == "beta"
    assert len(beta.seen) == 2


async def test_direct_responses_are_protected(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """A rule that responds itself does so if the authorizer allows it."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "other.example.com"}}
    for level in ("gateway", "route"):
        await proxy.apply(
            at(authorizer.port),
            extension(**by_grpc()),
            traffic_policy(level, extAuth=asking()),
            route(rule(filters=[redirect])),
        )
        authorizer.decide = None
        assert (await proxy.request()).status == 302

        async def refuse(*_: object) -> CheckResponse:
            return denied(401)

        authorizer.decide = refuse
        assert (await proxy.request()).status == 401
        proxy.restore()
