"""Secrets of other namespaces that policies refer to, and services there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.credentials import KEY, PASSWORD, TOKEN, basic, condition, line, secret
from tests.live.objects import ROUTES, Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream
from translator.refs import Ref

ELSEWHERE = {"name": "held", "namespace": "infra"}
GRANT = Ref("ReferenceGrant", "infra", "held")


def held(texts: dict[str, str]) -> Manifest:
    """Return a Secret of the namespace `infra`."""
    found = secret("held", texts)
    found["metadata"]["namespace"] = "infra"
    return found


def grant(*kinds: str, namespace: str = "default") -> Manifest:
    """Return a ReferenceGrant in `infra` from policies of a namespace to these kinds."""
    giver = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "namespace": namespace}
    return {
        "apiVersion": f"{ROUTES.partition('/')[0]}/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": GRANT.name, "namespace": GRANT.namespace},
        "spec": {"from": [giver], "to": [{"group": "", "kind": each} for each in kinds]},
    }


UNITS: list[tuple[Manifest, Manifest, dict[str, str]]] = [
    (
        {"basicAuth": {"secretRef": {**ELSEWHERE, "key": "users"}}},
        {"users": line("alice")},
        {"Authorization": basic("alice")},
    ),
    ({"apiKeyAuth": {"secretRef": ELSEWHERE}}, {"mobile": KEY}, {"api-key": KEY}),
    ({"credentialInjection": {"secretRef": {**ELSEWHERE, "key": "token"}}}, {"token": TOKEN}, {}),
]


@pytest.mark.parametrize(("unit", "texts", "headers"), UNITS, ids=lambda each: next(iter(each), ""))
async def test_only_with_a_grant(proxy: Proxy, unit: Manifest, texts: dict[str, str], headers: dict[str, str]) -> None:
    """A Secret of another namespace is of use while a ReferenceGrant there permits it; until then routes are closed."""

    async def status() -> int:
        return (await proxy.request(headers=headers)).status

    await proxy.apply(held(texts), traffic_policy("route", **unit), route(rule("alpha")))
    assert await status() == 500
    assert condition(proxy, "ResolvedRefs")[:2] == ("False", "RefNotPermitted")
    await proxy.apply(grant("Secret", namespace="other"))
    assert await status() == 500
    await proxy.apply(grant("ConfigMap"))
    assert await status() == 500
    await proxy.apply(grant("Secret"))
    assert await status() == 200
    await proxy.delete(GRANT)
    assert await status() == 500


async def test_a_service_of_tokens(proxy: Proxy, beta: Upstream) -> None:
    """The service that gives tokens, and the password for it, may be elsewhere too."""
    fields: dict[str, Any] = {
        "tokenEndpoint": "http://idp.test/elsewhere",
        "backendRef": {"group": "", "kind": "Service", "name": "idp", "namespace": "infra", "port": 80},
        "clientID": "shop",
        "clientSecretRef": {**ELSEWHERE, "key": "client-secret"},
    }
    policy = traffic_policy("route", credentialInjection={"oauth2ClientCredentials": fields})
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "idp", "namespace": "infra"},
        "spec": {"ports": [{"port": 80}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "idp", "namespace": "infra", "labels": {"kubernetes.io/service-name": "idp"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"]}],
        "ports": [{"port": beta.port}],
    }
    await proxy.apply(held({"client-secret": PASSWORD}), service, endpoints, policy, route(rule("alpha")))
    assert (await proxy.request()).status == 500
    await proxy.apply(grant("Secret"))
    assert (await proxy.request()).status == 500
    await proxy.apply(grant("Secret", "Service"))
    # What is not asked for a token correctly answers otherwise, so no request goes on.
    assert (await proxy.request()).status == 401
    assert (await beta.saw(1))[0].path == "/elsewhere"
