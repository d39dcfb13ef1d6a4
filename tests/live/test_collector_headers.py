"""Headers of the calls of collectors of traces and logs: keys of Secrets, which nothing else shows, and plain texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import pytest

from tests.live.credentials import secret
from tests.live.listener_policies import apply, problem
from tests.live.log_services import access_log_service, collector
from tests.live.objects import Manifest, endpoints, listener_policy, route, rule, service
from tests.live.proxy import Proxy
from tests.live.test_policy_ext_auth import reference_grant
from tests.live.trace_receivers import otlp_grpc, otlp_http, zipkin

KEY, OTHER_KEY = "key-4d1f7a90c2", "key-77b0e6d358"
TENANT: Final = "100 %REQ(:PATH)%"
AT_ONCE = 5
"""Envoy sends spans at once when there are as many."""


class Receiver(Protocol):
    """What takes calls, and has the headers of each."""

    port: int
    headers: list[dict[str, str]]


def called(**reference: str) -> Manifest:
    """Return the service that is called with headers, of which one is a key of a Secret."""
    key = {"name": "Authorization", "secretRef": {"name": "key", **reference}, "prefix": "Bearer "}
    return {
        "backendRef": {"name": "collector", "port": 80},
        "headers": [key, {"name": "x-scope-orgid", "value": TENANT}],
    }


def traces(provider: Manifest) -> Manifest:
    """Return the settings of a listener whose requests are traced."""
    return {"httpSettings": {"tracing": {"provider": provider}}}


def logs(sink: Manifest) -> Manifest:
    """Return the settings of a listener with a log."""
    return {"httpSettings": {"accessLog": [sink]}}


CASES: Final[Sequence[tuple[Callable[[], AbstractAsyncContextManager[Any]], Manifest]]] = (
    (otlp_grpc, traces({"openTelemetry": {"grpcService": called()}})),
    (otlp_http, traces({"openTelemetry": {"httpService": called()}})),
    (zipkin, traces({"zipkin": called()})),
    (collector, logs({"openTelemetry": {"grpcService": called()}})),
    (access_log_service, logs({"grpcService": called()})),
)


async def until_called(proxy: Proxy, found: Receiver, key: str) -> None:
    """Send requests until a call has a key, and verify all its headers."""
    while not (with_key := [each for each in found.headers if each.get("authorization") == f"Bearer {key}"]):
        for _ in range(AT_ONCE):
            assert (await proxy.request("/")).status == 200
    assert {each["x-scope-orgid"] for each in with_key} == {TENANT}


@pytest.mark.parametrize(
    ("receiver", "settings"), CASES, ids=("traces-grpc", "traces-http", "zipkin", "logs-otlp", "logs-als")
)
async def test_calls_have_headers(
    proxy: Proxy, receiver: Callable[[], AbstractAsyncContextManager[Any]], settings: Manifest
) -> None:
    """Calls have the key of a Secret behind its prefix, and a text, which is taken literally; none is without them."""
    async with receiver() as found:
        objects = [service("collector"), *endpoints("collector", [found.port]), secret("key", {"credential": KEY})]
        await apply(proxy, objects, listener_policy(**settings), route(rule("alpha")))
        await until_called(proxy, found, KEY)
        assert {each.get("authorization") for each in found.headers} == {f"Bearer {KEY}"}


async def test_a_new_key(proxy: Proxy) -> None:
    """A new key of the Secret is that of later calls: no listener, route or cluster changes for it."""
    async with otlp_http() as found:
        objects = [service("collector"), *endpoints("collector", [found.port]), secret("key", {"credential": KEY})]
        policy = listener_policy(**traces({"openTelemetry": {"httpService": called()}}))
        await apply(proxy, objects, policy, route(rule("alpha")))
        await until_called(proxy, found, KEY)
        await proxy.apply(secret("key", {"credential": OTHER_KEY}))
        await until_called(proxy, found, OTHER_KEY)


async def test_keys_that_cannot_be_had(proxy: Proxy) -> None:
    """Without the key nothing is sent, and the status says why; a ReferenceGrant permits a Secret elsewhere."""
    async with otlp_http() as found:
        elsewhere = secret("key", {"token": KEY})
        elsewhere["metadata"]["namespace"] = "keys"
        reference = called(namespace="keys", key="token")
        policy = listener_policy(**traces({"openTelemetry": {"httpService": reference}}))
        collectors = [service("collector"), *endpoints("collector", [found.port])]
        await apply(proxy, collectors, elsewhere, policy, route(rule("alpha")))
        field = "httpSettings.tracing.provider.openTelemetry.httpService.headers[0].secretRef"
        assert problem(proxy, "ResolvedRefs")["message"].startswith(f"{field}: ")
        for _ in range(AT_ONCE):
            assert (await proxy.request("/")).status == 200
        await apply(proxy, reference_grant("keys", "ListenerPolicy", "default", ("", "Secret")))
        await until_called(proxy, found, KEY)
        assert {each.get("authorization") for each in found.headers} == {f"Bearer {KEY}"}
