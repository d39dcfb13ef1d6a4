"""Policies with limits that all proxies hold together, for tests."""

from __future__ import annotations

from typing import Any

from tests.live.objects import Manifest, traffic_policy
from tests.live.proxy import Proxy

HEADGATE = "gateway.headgate.dev/v1alpha1"


def limits(*rules: Manifest, level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with global limits."""
    return traffic_policy(level, name, rateLimit={"global": {**({"rules": list(rules)} if rules else {}), **fields}})


def year(requests: int, name: str = "all", **fields: Any) -> Manifest:
    """Return a rule for so many requests in a time that does not end during a test."""
    return {"name": name, "limit": {"requests": requests, "unit": "Year"}, **fields}


def extension(name: str = "limiter", **member: Any) -> Manifest:
    """Return a GatewayExtension."""
    return {"apiVersion": HEADGATE, "kind": "GatewayExtension", "metadata": {"name": name}, "spec": member}


async def statuses(proxy: Proxy, count: int, path: str = "/", **options: Any) -> list[int]:
    """Return the statuses of so many requests, one after the other."""
    return [(await proxy.request(path, **options)).status for _ in range(count)]
