"""The first steps of a user: a Gateway and a route, applied with kubectl."""

from __future__ import annotations

import asyncio

import orjson

from tests.e2e.conftest import serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, Object
from tests.e2e.objects import GATEWAY, gateway, route
from tests.e2e.traffic import answers, status


async def kubectl(kube: Kube, *words: str, manifests: list[Object] | None = None) -> str:
    """Run kubectl in the namespace; gives what it says."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "--namespace", kube.namespace, *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(b"\n".join(map(orjson.dumps, manifests or [])))
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_a_gateway_and_a_route_serve(kube: Kube, headgate: Installation) -> None:
    """Envoy is deployed and answers through the Gateway's address, as the conditions say; what is not routed is 404."""
    await kubectl(kube, "apply", "-f", "-", manifests=[gateway(), route()])
    site = await serving(kube)
    assert await status(site.address, "other.example.com") == 404
    accepted = await kube.condition("HTTPRoute", "r", "Accepted", "True")
    assert accepted["reason"] == "Accepted"
    assert (await kube.condition("Gateway", GATEWAY, "Programmed", "True"))["reason"] == "Programmed"
    assert "True" in await kubectl(kube, "get", "gateway", GATEWAY)


async def test_routes_change_and_go(kube: Kube, headgate: Installation) -> None:
    """An edited hostname moves the traffic; a deleted route is 404; a deleted Gateway takes its proxies with it."""
    await kube.apply(gateway(), route())
    site = await serving(kube)
    await kube.apply(route(hostnames=["moved.example.com"]))
    await answers(site.address, "moved.example.com")
    await answers(site.address, "example.com", 404)
    await kubectl(kube, "delete", "httproute", "r")
    await answers(site.address, "moved.example.com", 404)
    await kubectl(kube, "delete", "gateway", GATEWAY)
    await kubectl(
        kube,
        "wait",
        "--for=delete",
        "--timeout=60s",
        "deployment,service",
        "-l",
        f"gateway.networking.k8s.io/gateway-name={GATEWAY}",
    )
