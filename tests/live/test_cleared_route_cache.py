"""A request that is moved to another route on its way: no protection of that route is passed by.

Envoy chooses the filters of a request once, by its first route. An external processor may have the route chosen anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.live.objects import Manifest, endpoints, gateway_extension, prefix, route, rule, service, traffic_policy
from tests.live.processor import Processor, answer, headers_of, processor
from tests.live.proxy import Proxy, Response
from tests.live.upstream import Upstream

FOREIGN = {"Origin": "https://evil.com"}
OWN = {"Origin": "http://example.com"}


async def moving(phase: str, found: ProcessingRequest) -> ProcessingResponse | None:
    """Give a request the path that its header X-To has, and have its route chosen anew."""
    if phase != "request_headers":
        return None
    headers = headers_of(found.request_headers.headers)
    if "x-to" not in headers:
        return None
    return answer(phase, set={":path": headers["x-to"]}, clear_route_cache="x-stay" not in headers)


@pytest_asyncio.fixture(loop_scope="session")
async def mover(proxy: Proxy) -> AsyncIterator[Processor]:
    """Yield a processor that moves requests; it is in the chain of all of them, and fails open."""
    async with processor() as found:
        found.decide = moving
        await proxy.apply(service("mover"), endpoints("mover", [found.port]), extension())
        yield found


def extension(**fields: Any) -> Manifest:
    """Return the GatewayExtension of the processor."""
    spec = {"grpcService": {"backendRef": {"name": "mover", "port": 80}}, "messageTimeout": "10s", "failOpen": True}
    return gateway_extension("mover", extProc={"routeCacheAction": "FromResponse", **spec, **fields})


MOVER = [{"name": "mover", "extensionRef": {"name": "mover"}, "failOpen": True}]


def guarded(path: str, policy: str, backend: str = "beta") -> Manifest:
    """Return a rule for a path that names a policy."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": policy}
    filters = [{"type": "ExtensionRef", "extensionRef": reference}]
    return rule(backend, matches=[prefix(path)], filters=filters)


def named(name: str, **spec: Any) -> Manifest:
    """Return a policy that only filters name."""
    made = traffic_policy("route", name, **spec)
    del made["spec"]["targetRefs"]
    return made


async def send(proxy: Proxy, path: str, to: str = "", headers: Mapping[str, str] = FOREIGN) -> Response:
    """Send a request that changes something, by a page of another host, which is moved `to` another path."""
    return await proxy.request(path, method="POST", headers={**headers, **({"X-To": to} if to else {})})


async def test_moved_to_protection(proxy: Proxy, mover: Processor, beta: Upstream) -> None:
    """What moves from an open route to a protected one is refused, whether or not that would let it in."""
    policies = [traffic_policy("route", extProc=MOVER), named("csrf", csrf={})]
    await proxy.apply(*policies, route(guarded("/guarded", "csrf"), rule("alpha")))
    assert (await send(proxy, "/guarded", headers=OWN)).backend == "beta"
    beta.reset()
    assert (await send(proxy, "/guarded")).status == 403
    for headers in (FOREIGN, OWN):
        assert (await send(proxy, "/open", "/guarded", headers)).status == 403
    assert beta.seen == []


async def test_moved_from_a_route_that_has_protection_switched_off(
    proxy: Proxy, mover: Processor, alpha: Upstream
) -> None:
    """A route without the protection that all others inherit opens none of them."""
    policies = [traffic_policy("gateway", csrf={}, extProc=MOVER), named("open", csrf={"disable": {}})]
    await proxy.apply(*policies, route(guarded("/open", "open"), rule("alpha")))
    assert (await send(proxy, "/open")).backend == "beta"
    assert (await send(proxy, "/guarded")).status == 403
    assert (await send(proxy, "/open", "/guarded")).status == 403
    assert alpha.seen == []


@pytest.mark.parametrize("level", ["gateway", "rule"])
async def test_moved_to_a_closed_route(proxy: Proxy, mover: Processor, beta: Upstream, level: str) -> None:
    """A route whose protection cannot be built is not opened either."""
    broken = {"additionalOrigins": [{"regex": "("}]}
    policies = [traffic_policy("gateway", extProc=MOVER), named("broken", csrf=broken)]
    if level == "gateway":
        policies = [traffic_policy("gateway", extProc=MOVER, csrf=broken), named("open", csrf={"disable": {}})]
    rules = {
        "gateway": (guarded("/open", "open", "alpha"), rule("beta")),
        "rule": (guarded("/closed", "broken"), rule("alpha")),
    }[level]
    await proxy.apply(*policies, route(*rules))
    assert (await send(proxy, "/open")).backend == "alpha"
    assert (await send(proxy, "/closed")).status == 500
    assert (await send(proxy, "/open", "/closed")).status == 403
    assert beta.seen == []


async def test_moved_between_equals_and_to_open_routes(proxy: Proxy, mover: Processor) -> None:
    """Requests move freely between routes of the same protection, and from any route to one without."""
    policies = [traffic_policy("route", extProc=MOVER), named("csrf", csrf={}), named("same", csrf={})]
    rules = (guarded("/a", "csrf", "alpha"), guarded("/b", "same", "beta"), rule("gamma"))
    await proxy.apply(*policies, route(*rules))
    assert (await send(proxy, "/a", "/b", OWN)).backend == "beta"
    assert (await send(proxy, "/a", "/c", OWN)).backend == "gamma"
    assert (await send(proxy, "/c", "/c/d")).backend == "gamma"
    assert (await send(proxy, "/a", "/b")).status == 403


async def test_moved_between_protections(proxy: Proxy, mover: Processor, beta: Upstream) -> None:
    """A request that one protection let in does not enter a route with another."""
    other = {"additionalOrigins": [{"exact": "evil.com"}]}
    policies = [traffic_policy("route", extProc=MOVER), named("csrf", csrf={}), named("other", csrf=other)]
    await proxy.apply(*policies, route(guarded("/evil", "other", "alpha"), guarded("/guarded", "csrf"), rule("gamma")))
    assert (await send(proxy, "/evil")).backend == "alpha"
    assert (await send(proxy, "/evil", "/guarded")).status == 403
    assert (await send(proxy, "/guarded", "/evil", OWN)).status == 403
    assert beta.seen == []


async def test_moved_to_a_protected_backend(proxy: Proxy, mover: Processor, beta: Upstream) -> None:
    """The protection of a single backend holds too."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "csrf"}
    backend = {"name": "beta", "filters": [{"type": "ExtensionRef", "extensionRef": reference}]}
    policies = [traffic_policy("route", extProc=MOVER), named("csrf", csrf={})]
    await proxy.apply(*policies, route(rule(backend, matches=[prefix("/guarded")]), rule("alpha")))
    assert (await send(proxy, "/guarded")).status == 403
    for headers in (FOREIGN, OWN):
        assert (await send(proxy, "/open", "/guarded", headers)).status == 403
    assert beta.seen == []


async def test_a_processor_that_must_be_asked_is_protection(proxy: Proxy, mover: Processor, beta: Upstream) -> None:
    """A request is not moved past another processor that has to be asked."""
    async with processor() as found:
        service_reference = {"backendRef": {"name": "judge", "port": 80}}
        judge = gateway_extension("judge", extProc={"grpcService": service_reference, "messageTimeout": "10s"})
        policies = [
            traffic_policy("route", extProc=MOVER),
            named("judged", extProc=[{"name": "judge", "extensionRef": {"name": "judge"}}]),
        ]
        await proxy.apply(service("judge"), endpoints("judge", [found.port]), judge, *policies)
        await proxy.apply(route(guarded("/judged", "judged"), rule("alpha")))
        assert (await send(proxy, "/judged")).backend == "beta"
        assert found.streams == 1
        beta.reset()
        assert (await send(proxy, "/open", "/judged")).status == 403
        assert (found.streams, beta.seen) == (1, [])


@pytest.mark.parametrize("action", ["FromResponse", "Clear", "Retain", None])
async def test_when_routes_are_chosen_anew(proxy: Proxy, mover: Processor, action: str | None) -> None:
    """The route is chosen anew where the extension says so; by default never, whatever the processor asks for."""
    policies = [traffic_policy("route", extProc=MOVER)]
    await proxy.apply(extension(routeCacheAction=action), *policies)
    await proxy.apply(route(rule("beta", matches=[prefix("/new")]), rule("alpha")))
    asked = (await send(proxy, "/old", "/new")).echo
    unasked = (await send(proxy, "/old", "/new", {"X-Stay": "1"})).echo
    assert asked["path"] == unasked["path"] == "/new"
    assert asked["backend"] == ("beta" if action in ("FromResponse", "Clear") else "alpha")
    assert unasked["backend"] == ("beta" if action == "Clear" else "alpha")


async def test_moved_by_the_body(proxy: Proxy, mover: Processor, beta: Upstream) -> None:
    """A request that is moved when its body was seen is refused as well."""

    async def decide(phase: str, _: ProcessingRequest) -> ProcessingResponse | None:
        return answer(phase, set={":path": "/guarded"}, clear_route_cache=True) if phase == "request_body" else None

    mover.decide = decide
    mode = {"requestBodyMode": "BUFFERED"}
    policies = [traffic_policy("route", extProc=[{**MOVER[0], "processingMode": mode}]), named("csrf", csrf={})]
    await proxy.apply(*policies, route(guarded("/guarded", "csrf"), rule("alpha")))
    found = await proxy.request("/open", method="POST", headers=OWN, body=b"body")
    assert (found.status, beta.seen) == (403, [])


FOR_KEY = {"headers": [{"name": "x-key", "values": ["secret"]}]}


@pytest.mark.parametrize(
    "unit",
    [
        {"rbac": {"rules": [{"action": "Allow", "principal": FOR_KEY}]}},
        {"rbac": {"policy": {"matchExpressions": ["request.headers['x-key'] == 'secret'"]}, "action": "Allow"}},
        {"rbac": {"rules": [{"action": "Allow", "operation": {"path": {"regex": "/none"}}}]}},
        {"acl": {"defaultAction": "Deny"}},
    ],
    ids=["rules", "expression", "path", "addresses"],
)
async def test_moved_past_authorisation(proxy: Proxy, mover: Processor, beta: Upstream, unit: Manifest) -> None:
    """What a route authorises is not reached from routes that authorise nobody, or others."""
    others = {"rbac": {"rules": [{"action": "Allow", "operation": {"methods": ["POST"]}}]}}
    policies = [traffic_policy("route", extProc=MOVER), named("guard", **unit), named("others", **others)]
    rules = (guarded("/guarded", "guard"), guarded("/others", "others", "gamma"), rule("alpha"))
    await proxy.apply(*policies, route(*rules))
    assert (await send(proxy, "/guarded")).status == 403
    assert (await send(proxy, "/others")).backend == "gamma"
    for path in ("/open", "/others"):
        for headers in ({}, {"x-key": "secret"}):
            assert (await send(proxy, path, "/guarded", headers)).status == 403
    assert beta.seen == []
