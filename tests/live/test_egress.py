"""A Gateway in front of what is outside: the forward proxy with policies, as docs/policies/egress.md shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live.backends import backend, to_backend
from tests.live.name_server import name_server
from tests.live.objects import gateway, traffic_policy
from tests.live.proxy import Proxy, running_proxy
from tests.live.upstream import Upstream
from translator.inputs import Settings

PARTNER = "api.partner.test"
RULES = {"action": "Allow", "policy": {"matchExpressions": ["request.method in ['GET', 'HEAD']"]}}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def outward(envoy_path: Path) -> AsyncIterator[Proxy]:
    """Run a proxy for which a partner is on this machine."""
    async with (
        name_server({PARTNER: ["127.0.0.1"], "evil.test": ["127.0.0.1"]}) as dns,
        running_proxy(envoy_path, Settings(local_backends=True), dns=dns) as (proxy, _),
    ):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy


@pytest.fixture
def egress(outward: Proxy, upstreams: dict[str, Upstream]) -> Proxy:
    """Return that proxy, with no route."""
    for each in upstreams.values():
        each.reset()
    outward.restore()
    return outward


async def test_policies_hold_for_what_goes_out(egress: Proxy, alpha: Upstream) -> None:
    """A partner is reached as rbac permits; another method, and another host, get 403 and are not sent."""
    hosts = {"allowedHosts": [PARTNER], "allowPrivate": ["127.0.0.0/8"]}
    await egress.apply(
        to_backend("proxy"), backend("proxy", dynamicForwardProxy=hosts), traffic_policy("route", rbac=RULES)
    )
    partner = f"{PARTNER}:{alpha.port}"
    assert (await egress.request(host=partner)).backend == "alpha"
    assert (await egress.request(host=partner, method="POST")).status == 403
    assert (await egress.request(host=f"evil.test:{alpha.port}")).status == 403
    assert len(alpha.seen) == 1


async def test_keys_that_applications_do_not_know(egress: Proxy, alpha: Upstream) -> None:
    """Requests get a credential on their way to allowed hosts, and none is sent to others."""
    hosts = {"allowedHosts": [PARTNER], "allowPrivate": ["127.0.0.0/8"]}
    key = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key"},
        "data": {"credential": "b3Blbi1zZXNhbWU="},
    }
    policy = traffic_policy("route", credentialInjection={"secretRef": {"name": "key"}, "prefix": "Bearer "})
    await egress.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=hosts), key, policy)
    found = await egress.request(host=f"{PARTNER}:{alpha.port}")
    assert found.sent("authorization") == ["Bearer open-sesame"]
    assert (await egress.request(host=f"evil.test:{alpha.port}")).status == 403
    assert len(alpha.seen) == 1


async def test_an_edit_of_the_hosts(egress: Proxy, alpha: Upstream) -> None:
    """Another list of hosts holds for the next request."""
    first = {"allowedHosts": [PARTNER], "allowPrivate": ["127.0.0.0/8"]}
    await egress.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=first))
    assert (await egress.request(host=f"{PARTNER}:{alpha.port}")).backend == "alpha"
    await egress.apply(backend("proxy", dynamicForwardProxy={**first, "allowedHosts": ["other.test"]}))
    assert (await egress.request(host=f"{PARTNER}:{alpha.port}")).status == 403
    await egress.apply(backend("proxy", dynamicForwardProxy=first))
    assert (await egress.request(host=f"{PARTNER}:{alpha.port}")).backend == "alpha"
