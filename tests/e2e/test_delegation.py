"""HTTPRoutes that delegate to others, in a cluster."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import Site
from tests.e2e.kube import Kube, until
from tests.e2e.objects import route
from tests.e2e.traffic import answers

HOST = "delegation.example.com"
PARENT = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "parent"}


def child(name: str, path: str, **spec: Any) -> dict[str, Any]:
    """Return a route to the echo server at a path, for no Gateway."""
    made = route(name)
    rules = [{**made["spec"]["rules"][0], "matches": [{"path": {"type": "PathPrefix", "value": path}}]}]
    return {**made, "spec": {"rules": rules, **spec}}


def parent(*rules: dict[str, Any]) -> dict[str, Any]:
    """Return a route of the Gateway that delegates."""
    made = route("parent", hostnames=[HOST])
    made["spec"]["rules"] = list(rules)
    return made


def delegating(path: str, child: str) -> dict[str, Any]:
    """Return a rule that delegates what is below a path."""
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": [{**PARENT, "name": child}]}


async def told(kube: Kube, name: str, reason: str) -> dict[str, Any]:
    """Wait until a child has an entry for its parent with a reason for Accepted; give its conditions by type."""

    async def read() -> dict[str, Any] | None:
        entries = (await kube.get("HTTPRoute", name)).get("status", {}).get("parents", [])
        for each in entries:
            found = {one["type"]: one for one in each["conditions"]}
            if each["parentRef"]["kind"] == "HTTPRoute" and found["Accepted"]["reason"] == reason:
                return found
        return None

    return await until(f"HTTPRoute {name} with {reason}", read)


async def test_children_are_served_and_told(site: Site) -> None:
    """A child answers below its parent's prefix and has the parent in its status; others are told why they do not."""
    kube = site.kube
    by_name = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/a"}}],
        "backendRefs": [PARENT | {"name": "child"}],
    }
    all_here = {"matches": [{"path": {"type": "PathPrefix", "value": "/b"}}], "backendRefs": [PARENT | {"name": "*"}]}
    await kube.apply(parent(by_name, all_here))
    await kube.condition("HTTPRoute", "parent", "ResolvedRefs", "False", "ChildNotFound")
    await kube.apply(child("child", "/a/x"), child("named", "/b/x", parentRefs=[PARENT]), child("outside", "/c"))
    assert (await told(kube, "child", "Accepted"))["ResolvedRefs"]["status"] == "True"
    await told(kube, "named", "Accepted")
    await told(kube, "outside", "NoMatchingParentMatcher")
    for path, status in (("/a/x", 200), ("/b/x/y", 200), ("/a/y", 404), ("/c", 404)):
        await answers(site.address, HOST, status, path=path)
    await kube.delete("HTTPRoute", "child")
    await kube.condition("HTTPRoute", "parent", "ResolvedRefs", "False", "ChildNotFound")
    await answers(site.address, HOST, 500, path="/a/x")
