"""ModelRoutes for tests, and requests for models."""

from __future__ import annotations

import json
from typing import Any

from tests.live.objects import GATEWAY, Manifest, traffic_policy
from tests.live.proxy import Proxy, Response

OWN_GROUP = "gateway.headgate.dev"


def model_route(*rules: Manifest, name: str = "llm", created: str = "2026-03-01T10:00:00Z", **spec: Any) -> Manifest:
    """Return a ModelRoute of the Gateway."""
    return {
        "apiVersion": f"{OWN_GROUP}/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": name, "creationTimestamp": created},
        "spec": {"parentRefs": [{"name": GATEWAY}], **spec, "rules": list(rules)},
    }


def models(*names: str, to: str, **fields: Any) -> Manifest:
    """Return a rule for models, all of whose requests go to one Service."""
    return {**({"models": list(names)} if names else {}), "backendRefs": [{"name": to, "port": 80}], **fields}


def at_models(rule: str = "", name: str = "policy", route: str = "llm", **spec: Any) -> Manifest:
    """Return a TrafficPolicy for a ModelRoute, or for a rule of it."""
    made = traffic_policy("route", name, **spec)
    target = {"group": OWN_GROUP, "kind": "ModelRoute", "name": route}
    made["spec"]["targetRefs"] = [{**target, **({"sectionName": rule} if rule else {})}]
    return made


async def ask(proxy: Proxy, model: object, path: str = "/v1/chat/completions", **fields: Any) -> Response:
    """Ask a model for something."""
    return await post(
        proxy, json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}).encode(), path, **fields
    )


async def post(proxy: Proxy, body: bytes, path: str = "/v1/chat/completions", **headers: str) -> Response:
    """Send a body."""
    fields = {"Content-Type": "application/json", **{name.replace("_", "-"): each for name, each in headers.items()}}
    return await proxy.request(path, method="POST", headers=fields, body=body)
