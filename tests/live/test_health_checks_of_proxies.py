"""The path at which proxies say whether they take requests."""

from __future__ import annotations

import pytest

from tests.live.listener_policies import apply, problem
from tests.live.objects import gateway, listener_policy, route, rule, traffic_policy
from tests.live.processor import Processor
from tests.live.proxy import Proxy
from tests.live.test_listener_filters import filtered
from tests.live.upstream import Upstream


@pytest.mark.parametrize("filters", [False, True])
async def test_the_proxy_answers(proxy: Proxy, one: Processor, upstreams: dict[str, Upstream], filters: bool) -> None:
    """A path gets 200 from the proxy, of any host and whatever policies and filters there are; only that path does."""
    denied = {"defaultAction": "Deny", "rules": [{"action": "Deny", "cidrs": ["0.0.0.0/0"]}]}
    await apply(
        proxy,
        gateway(filtered(proxy.port, *(["one"] if filters else []))),
        listener_policy(httpSettings={"healthCheck": {"path": "/health.z"}}),
        traffic_policy("gateway", acl=denied),
        route(rule("alpha")),
    )
    for path in ("/health.z", "/health.z?from=lb"):
        for method in ("GET", "HEAD"):
            assert (await proxy.request(path, method=method, host="10.0.0.1")).status == 200
    for path in ("/healthxz", "/health.z/", "/health.zz", "/"):
        assert (await proxy.request(path)).status == 403
    assert not upstreams["alpha"].seen


async def test_a_proxy_that_drains(proxy: Proxy) -> None:
    """A proxy that is about to end says so, and goes on serving requests."""
    await apply(proxy, listener_policy(httpSettings={"healthCheck": {"path": "/healthz"}}), route(rule("alpha")))
    await proxy.admin("/healthcheck/fail", "POST")
    try:
        assert (await proxy.request("/healthz")).status == 503
        assert (await proxy.request("/")).status == 200
    finally:
        await proxy.admin("/healthcheck/ok", "POST")
    assert (await proxy.request("/healthz")).status == 200


async def test_switched_off(proxy: Proxy) -> None:
    """A listener without the path of its Gateway leaves it to routes; a policy without a path says so."""
    await apply(
        proxy,
        listener_policy(httpSettings={"healthCheck": {"path": "/healthz"}}),
        listener_policy(section="http", name="off", httpSettings={"healthCheck": {"disable": {}}}),
        route(rule("alpha")),
    )
    assert (await proxy.request("/healthz")).backend == "alpha"
    await apply(proxy, listener_policy(section="http", name="off", httpSettings={"healthCheck": {}}))
    await apply(proxy, listener_policy(httpSettings={"healthCheck": {}}))
    assert "httpSettings.healthCheck: has no path" in problem(proxy, "Accepted")["message"]
