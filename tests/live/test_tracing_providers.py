"""Traces of the requests of a listener: where spans go, which there are, and what they say."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from tests.live.listener_policies import apply, problem
from tests.live.objects import Manifest, endpoints, exact, listener_policy, route, rule, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.trace_receivers import TraceReceiver, datadog, otlp_grpc, otlp_http, zipkin
from tests.live.upstream import Upstream
from translator.refs import Ref

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
COLLECTOR = {"name": "collector", "port": 80}
GRPC: Manifest = {"openTelemetry": {"grpcService": {"backendRef": COLLECTOR}}}
HTTP: Manifest = {"openTelemetry": {"httpService": {"backendRef": COLLECTOR}}}
CLAIM = {"key": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": "sub"}]}
AT_ONCE = 5
"""Envoy sends spans at once when there are as many."""

NONE: Mapping[str, str] = {}

Receiver = Callable[[], contextlib.AbstractAsyncContextManager[TraceReceiver]]


def at(port: int) -> Manifest:
    """Return the one EndpointSlice of the Service `collector`: its receiver is at a port."""
    (found,) = endpoints("collector", [port])
    found["metadata"]["name"] = "collector"
    return found


@contextlib.asynccontextmanager
async def traced(
    proxy: Proxy, receiver: Receiver = otlp_grpc, provider: Manifest = GRPC, **fields: Any
) -> AsyncIterator[TraceReceiver]:
    """Run a receiver behind the Service `collector`, and trace the requests of the Gateway."""
    async with receiver() as found:
        policy = listener_policy(httpSettings={"tracing": {"provider": provider, **fields}})
        await apply(proxy, service("collector"), at(found.port), policy, route(rule("alpha")))
        yield found


async def ask(proxy: Proxy, path: str, count: int = AT_ONCE, headers: Mapping[str, str] = NONE) -> None:
    """Send requests, as many as have their spans sent at once."""
    for _ in range(count):
        assert (await proxy.request(path, headers=headers)).status == 200


async def test_spans_by_otlp(proxy: Proxy) -> None:
    """A span has the trace and parent that a client sends, and the backend gets the span as its parent."""
    fields: dict[str, Any] = {
        "attributes": [
            {"name": "team", "literal": {"value": "payments"}},
            {"name": "tenant", "requestHeader": {"name": "x-tenant", "defaultValue": "none"}},
            {"name": "status", "format": "%RESPONSE_CODE%"},
            {"name": "path", "environment": {"name": "PATH", "defaultValue": "none"}},
            {"name": "unset", "environment": {"name": "NO_SUCH_VARIABLE", "defaultValue": "none"}},
            {"name": "subject", "metadata": {"kind": "Request", "metadataKey": CLAIM, "defaultValue": "nobody"}},
        ],
        "maxPathTagLength": 4,
        "verbose": True,
        "spanName": "%REQ(:METHOD)% shop",
    }
    async with traced(proxy, **fields) as receiver:
        seen = await proxy.request("/a", headers=SAMPLED)
        await ask(proxy, "/b", AT_ONCE - 1)
        (span,) = await receiver.of("/a")
        assert (span.trace, span.parent, span.name, span.kind) == (TRACE, PARENT, "GET shop", "SERVER")
        assert {key: span.attributes[key] for key in ("team", "tenant", "status", "path", "unset", "subject")} == {
            "team": "payments",
            "tenant": "none",
            "status": "200",
            "path": os.environ["PATH"],
            "unset": "none",
            "subject": "nobody",
        }
        assert span.resource["service.name"] == "live.default"
        assert seen.sent("traceparent") == [f"00-{TRACE}-{span.own}-01"]
        others = await receiver.of("/b", AT_ONCE - 1)
        assert [each.parent for each in others] == [""] * (AT_ONCE - 1)


@pytest.mark.parametrize(
    ("receiver", "provider", "path", "host"),
    [
        (otlp_http, HTTP, "/v1/traces", "collector.default"),
        (
            otlp_http,
            {"openTelemetry": {"httpService": {"backendRef": COLLECTOR, "path": "/in", "authority": "otel.example"}}},
            "/in",
            "otel.example",
        ),
        (zipkin, {"zipkin": {"backendRef": COLLECTOR}}, "/api/v2/spans", "collector.default"),
        (zipkin, {"zipkin": {"backendRef": COLLECTOR, "path": "/z", "authority": "z.example"}}, "/z", "z.example"),
    ],
)
async def test_spans_by_http(proxy: Proxy, receiver: Receiver, provider: Manifest, path: str, host: str) -> None:
    """Spans go to the path of a collector, under the host that it is called by."""
    async with traced(proxy, receiver, provider) as found:
        await ask(proxy, "/h")
        assert [each.kind for each in await found.of("/h", AT_ONCE)] == ["SERVER"] * AT_ONCE
        assert set(found.paths) == {(path, host)}


async def test_a_collector_of_another_namespace(proxy: Proxy) -> None:
    """A collector is called as the policy says, in another namespace where a ReferenceGrant permits it."""
    elsewhere = {"group": "", "kind": "Service", "name": "collector", "namespace": "observability", "port": 80}
    grant: Manifest = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "traces", "namespace": "observability"},
        "spec": {
            "from": [{"group": "gateway.headgate.dev", "kind": "ListenerPolicy", "namespace": "default"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
    call = {
        "backendRef": elsewhere,
        "authority": "otel.example",
        "requestTimeout": "5s",
        "retry": {"attempts": 3, "backoffBaseInterval": "10ms", "backoffMaxInterval": "50ms"},
    }
    async with otlp_grpc() as receiver:
        objects: list[Manifest] = [service("collector"), at(receiver.port), grant]
        for each in objects:
            each["metadata"]["namespace"] = "observability"
        tracing: Manifest = {"provider": {"openTelemetry": {"grpcService": call}}}
        await apply(proxy, objects, listener_policy(httpSettings={"tracing": tracing}), route(rule("alpha")))
        await ask(proxy, "/elsewhere")
        await receiver.of("/elsewhere", AT_ONCE)
        called = {"httpService": {"backendRef": elsewhere, "requestTimeout": "5s"}, "serviceName": "edge"}
        tracing = {"provider": {"openTelemetry": called}}
        await proxy.delete(Ref("ReferenceGrant", "observability", "traces"))
        await apply(proxy, listener_policy(httpSettings={"tracing": tracing}))
        assert problem(proxy, "ResolvedRefs")["reason"] == "RefNotPermitted"


async def test_long_identifiers(proxy: Proxy) -> None:
    """Zipkin's identifiers of new traces have 128 bits, or 64 if that is asked for."""
    for fields, digits in (({}, 32), ({"traceId128Bit": False}, 16)):
        async with traced(proxy, zipkin, {"zipkin": {"backendRef": COLLECTOR, **fields}}):
            assert [len(each) for each in (await proxy.request()).sent("x-b3-traceid")] == [digits]


async def test_b3(proxy: Proxy) -> None:
    """With Zipkin the headers of B3 carry a trace on, and those of W3C too where that is asked for."""
    sent = {"x-b3-traceid": TRACE, "x-b3-spanid": PARENT, "x-b3-sampled": "1"}
    for fields, both in (({}, False), ({"traceContext": "B3AndW3C"}, True)):
        async with traced(proxy, zipkin, {"zipkin": {"backendRef": COLLECTOR, "sharedSpanContext": False, **fields}}):
            seen = await proxy.request("/b3", headers=sent)
            assert seen.sent("x-b3-traceid") == [TRACE]
            assert seen.sent("x-b3-parentspanid") == [PARENT]
            assert bool(seen.sent("traceparent")) == both


async def test_datadog(proxy: Proxy) -> None:
    """Datadog's agent gets spans at its path, and backends its headers."""
    async with traced(proxy, datadog, {"datadog": {"backendRef": COLLECTOR, "authority": "agent.example"}}) as found:
        seen = await proxy.request("/d")
        assert seen.sent("x-datadog-trace-id")
        await found.until_called()
        assert found.paths[0] == ("/v0.4/traces", "agent.example")


async def test_spans_of_calls(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """The call of a backend has a span of its own, below that of the request, if that is asked for."""
    async with traced(proxy, spawnUpstreamSpan=True, upstreamSpanName="call %UPSTREAM_CLUSTER%") as receiver:
        await ask(proxy, "/u")
        servers = {each.own for each in await receiver.of("/u", AT_ONCE)}
        spans = await receiver.until(lambda found: servers <= {each.parent for each in found})
        calls = [each for each in spans if each.parent in servers]
        assert len(servers) == len(calls) == AT_ONCE
        assert {each.kind for each in calls} == {"CLIENT"}
        assert all(each.name.startswith("call default/alpha:80/") for each in calls)


def traced_of(receiver: TraceReceiver, *asked: str) -> set[str]:
    """Return which paths have spans, of those that a test has asked for: others may come from the test before."""
    urls = [each.attributes.get("http.url", "") for each in receiver.spans]
    return {each for each in asked if any(url.endswith(each) for url in urls)}


async def test_shares(proxy: Proxy) -> None:
    """Requests are chosen at random, or by clients, up to the share of all; whoever traces already decides for both."""
    async with traced(proxy, randomSampling=0) as receiver:
        await ask(proxy, "/none")
        await ask(proxy, "/client", headers={"x-client-trace-id": "a"})
        await receiver.of("/client", AT_ONCE)
        assert traced_of(receiver, "/none", "/client") == {"/client"}
    async with traced(proxy, overallSampling=0) as receiver:
        await ask(proxy, "/none")
        await ask(proxy, "/most", headers={"x-client-trace-id": "a"})
        await apply(proxy, listener_policy(httpSettings={"tracing": {"provider": GRPC}}))
        await ask(proxy, "/end")
        await receiver.of("/end", AT_ONCE)
        assert traced_of(receiver, "/none", "/most", "/end") == {"/end"}


@pytest.mark.parametrize(
    ("sampler", "path", "headers", "other"),
    [
        ({"parentBased": {"traceIdRatio": 0}}, "/s", SAMPLED, {}),
        ({"traceIdRatio": 100}, "/s", {}, None),
        ({"alwaysOnConfig": {}}, "/s", {"traceparent": f"00-{TRACE}-{PARENT}-00"}, None),
        ({"cel": "request.headers['x-debug'] == '1'"}, "/s", {"x-debug": "1"}, {"x-debug": "0"}),
    ],
)
async def test_samplers(
    proxy: Proxy, sampler: Manifest, path: str, headers: dict[str, str], other: dict[str, str] | None
) -> None:
    """A sampler chooses among the requests that the shares have chosen: by parents, a share, or a condition."""
    provider = {"openTelemetry": {"grpcService": {"backendRef": COLLECTOR}, "sampler": sampler}}
    async with traced(proxy, otlp_grpc, provider) as receiver:
        if other is not None:
            await ask(proxy, "/other", headers=other)
        await ask(proxy, path, headers=headers)
        await receiver.of(path, AT_ONCE)
        assert traced_of(receiver, path, "/other") == {path}


async def test_resource_detectors(proxy: Proxy) -> None:
    """The resource of spans has the attributes that are given, and the name of the service."""
    detector = {"staticResourceDetector": {"attributes": [{"name": "deployment.environment", "value": "prod"}]}}
    open_telemetry = {
        "grpcService": {"backendRef": COLLECTOR},
        "serviceName": "edge",
        "resourceDetectors": [detector, {"environmentResourceDetector": {}}],
    }
    async with traced(proxy, otlp_grpc, {"openTelemetry": open_telemetry}) as receiver:
        await ask(proxy, "/r")
        (span, *_) = await receiver.of("/r")
        assert span.resource["service.name"] == "edge"
        assert span.resource["deployment.environment"] == "prod"


@pytest.mark.parametrize(
    "provider", [GRPC, HTTP, {"zipkin": {"backendRef": COLLECTOR}}, {"datadog": {"backendRef": COLLECTOR}}]
)
async def test_dead_collectors_cost_no_request(proxy: Proxy, provider: Manifest) -> None:
    """While nobody takes spans, all requests are served."""
    policy = listener_policy(httpSettings={"tracing": {"provider": provider, "spawnUpstreamSpan": True}})
    await apply(proxy, service("collector"), at(1), policy, route(rule("alpha")))
    assert [(await proxy.request("/dead")).status for _ in range(100)] == [200] * 100


async def test_a_collector_that_is_not_there(proxy: Proxy) -> None:
    """A policy whose collector is missing, or in a namespace that does not permit it, says so; requests are served."""
    for reference, reason in (
        ({"name": "nowhere", "port": 80}, "BackendNotFound"),
        ({"name": "a", "namespace": "elsewhere", "port": 80}, "RefNotPermitted"),
    ):
        provider = {"zipkin": {"backendRef": reference}}
        await apply(proxy, listener_policy(httpSettings={"tracing": {"provider": provider}}), route(rule("alpha")))
        assert (await proxy.request()).status == 200
        found = problem(proxy, "ResolvedRefs")
        assert found["reason"] == reason
        assert "httpSettings.tracing.provider.zipkin.backendRef: " in found["message"]


async def test_routes_choose(proxy: Proxy) -> None:
    """A TrafficPolicy says for its routes which requests are traced and how spans are called, or that none is."""
    async with traced(proxy, attributes=[{"name": "of", "literal": {"value": "listener"}}]) as receiver:
        own = {
            "spanName": "own",
            "attributes": [
                {"name": "of", "literal": {"value": "route"}},
                {"name": "tenant", "requestHeader": {"name": "x-tenant", "defaultValue": "none"}},
                {"name": "unset", "environment": {"name": "NO_SUCH_VARIABLE", "defaultValue": "none"}},
                {"name": "subject", "metadata": {"kind": "Request", "metadataKey": CLAIM, "defaultValue": "nobody"}},
                {"name": "status", "format": "%RESPONSE_CODE%"},
            ],
        }
        await apply(
            proxy,
            route(rule("alpha", name="named", matches=[exact("/quiet")]), rule("alpha")),
            traffic_policy("rule", "quiet", tracing={"disable": {}}),
            traffic_policy("route", "own", tracing=own),
        )
        await ask(proxy, "/quiet")
        await ask(proxy, "/loud")
        (span, *others) = await receiver.of("/loud", AT_ONCE)
        assert {each.name for each in (span, *others)} == {"own"}
        assert {key: span.attributes[key] for key in ("of", "tenant", "unset", "subject", "status")} == {
            "of": "route",
            "tenant": "none",
            "unset": "none",
            "subject": "nobody",
            "status": "200",
        }
        assert traced_of(receiver, "/quiet", "/loud") == {"/loud"}


async def test_shares_of_routes(proxy: Proxy) -> None:
    """A route has shares of its own."""
    client = {"x-client-trace-id": "a"}
    async with traced(proxy) as receiver:
        await apply(proxy, traffic_policy("route", "own", tracing={"randomSampling": 0, "clientSampling": 100}))
        await ask(proxy, "/chance")
        await ask(proxy, "/asked", headers=client)
        await receiver.of("/asked", AT_ONCE)
        await apply(proxy, traffic_policy("route", "own", tracing={"overallSampling": 0}))
        await ask(proxy, "/never", headers=client)
        await apply(proxy, traffic_policy("route", "own", tracing={"clientSampling": 0, "randomSampling": 100}))
        await ask(proxy, "/end")
        await receiver.of("/end", AT_ONCE)
        assert traced_of(receiver, "/chance", "/asked", "/never", "/end") == {"/asked", "/end"}


async def test_routes_have_what_their_listener_says(proxy: Proxy) -> None:
    """What a TrafficPolicy does not say of traces, its listener does: the shares, the name of spans, attributes."""
    listener: dict[str, Any] = {"attributes": [{"name": "of", "literal": {"value": "listener"}}], "spanName": "wide"}
    more: Manifest = {"attributes": [{"name": "team", "literal": {"value": "shop"}}]}
    async with traced(proxy, randomSampling=0, **listener) as receiver:
        await apply(proxy, traffic_policy("route", "own", tracing=more))
        await ask(proxy, "/chance")
        await ask(proxy, "/asked", headers={"x-client-trace-id": "a"})
        found = await receiver.of("/asked", AT_ONCE)
        assert {(each.name, each.attributes["of"], each.attributes["team"]) for each in found} == {
            ("wide", "listener", "shop")
        }
        await apply(proxy, listener_policy(httpSettings={"tracing": {"provider": GRPC, **listener}}))
        await ask(proxy, "/all")
        await receiver.of("/all", AT_ONCE)
        assert traced_of(receiver, "/chance", "/asked", "/all") == {"/asked", "/all"}
