"""Limits that are enforced at a Gateway, and policies of routes that would be rid of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.live.objects import Manifest, gateway_extension, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.rate_limits import limits, statuses, year

SELECTOR: Manifest = {"clientSelectors": [{"headers": [{"name": "x-a", "regex": "("}]}]}
LOCAL: Manifest = {"rules": [{"name": "all", "limit": {"requests": 1, "unit": "Hour"}}]}
NEAR: dict[str, dict[str, Any]] = {
    "switched off": {"global": {"disable": {}}, "local": {"disable": {}}},
    "a higher limit of the same name": {"global": {"rules": [year(1000)]}},
    "a wrong rule beside it": {"global": {"rules": [year(5, "own", **SELECTOR)]}},
    "more rules than there may be": {"global": {"rules": [year(1000, f"own-{each}") for each in range(16)]}},
    "descriptors that the service does not know": {
        "global": {"descriptors": [{"entries": [{"type": "Generic", "generic": {"key": "a", "value": "b"}}]}]}
    },
    "another service": {"global": {"extensionRef": {"name": "own"}}},
    "a service that is missing": {"global": {"extensionRef": {"name": "missing"}}},
}


@pytest.mark.parametrize("near", NEAR)
async def test_policies_of_routes_do_not_end_what_is_enforced(proxies: list[Proxy], near: str) -> None:
    """Of four requests no more pass than the Gateway's limit, whatever a route says, also what is wrong."""
    proxy = proxies[0]
    # It answers nothing that is an answer of a rate limit service, and requests pass then.
    own = gateway_extension("own", rateLimit={"grpcService": {"backendRef": {"name": "beta", "port": 80}}})
    wide = limits(year(1), name="wide")
    wide["spec"]["enforced"] = True
    await proxy.apply(own, wide, traffic_policy("route", "near", rateLimit=NEAR[near]), route(rule("alpha")))
    assert Counter(await statuses(proxy, 4))[200] <= 1


@pytest.mark.parametrize("near", ["switched off", "a wrong rule beside it", "more rules than there may be"])
async def test_local_limits_too(proxies: list[Proxy], near: str) -> None:
    """An enforced limit of each proxy holds as well."""
    proxy = proxies[0]
    wide = traffic_policy("gateway", "wide", enforced=True, rateLimit={"local": LOCAL})
    await proxy.apply(wide, traffic_policy("route", "near", rateLimit=NEAR[near]), route(rule("alpha")))
    assert Counter(await statuses(proxy, 4))[200] <= 1
