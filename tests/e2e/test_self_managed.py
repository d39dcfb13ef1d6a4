"""Self-managed proxies: Headgate deploys nothing for them, and serves them."""

from __future__ import annotations

import asyncio
import sys

import orjson

from tests.e2e.installation import NAMESPACE, Installation
from tests.e2e.kube import Kube, until
from tests.e2e.objects import CLASS, GATEWAY, PROXIES, gateway, parameters, route
from tests.e2e.test_serving import kubectl
from tests.e2e.traffic import answers

NAME = {"type": "Hostname", "value": "example.com"}


async def headgate_bootstrap(kube: Kube) -> str:
    """Return what the command prints for the Gateway."""
    controller = (await kube.get("GatewayClass", CLASS))["spec"]["controllerName"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headgate", "bootstrap", "--gateway", f"{kube.namespace}/{GATEWAY}"),
        *("--cluster", "--namespace", NAMESPACE, "--controller-name", controller, "-o", "json"),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def test_an_envoy_of_ones_own(kube: Kube, headgate: Installation) -> None:
    """What `headgate bootstrap --cluster` prints makes a proxy that Headgate serves and leaves alone."""
    asked = gateway(parameters="p")
    asked["spec"]["addresses"] = [NAME]
    await kube.apply(parameters("p", selfManaged=True, drainSeconds=1), asked, route())
    found = await kube.condition("Gateway", GATEWAY, "Programmed", "False", "Pending")
    assert found["message"] == "No proxy is connected."
    assert (await kube.get("Gateway", GATEWAY))["status"]["addresses"] == [NAME]
    assert await kube.find("Deployment", PROXIES) is None
    assert await kube.find("Service", PROXIES) is None
    await kubectl(kube, "apply", "-f", "-", manifests=[orjson.loads(await headgate_bootstrap(kube))])
    spec = {"selector": {"gateway.networking.k8s.io/gateway-name": GATEWAY}, "ports": [{"port": 80}]}
    await kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mine"}, "spec": spec})
    await kube.condition("Gateway", GATEWAY, "Programmed", "True")
    await answers((await kube.get("Service", "mine"))["spec"]["clusterIP"], "example.com")
    uid = (await kube.get("Deployment", PROXIES))["metadata"]["uid"]
    await kube.delete("Gateway", GATEWAY)

    async def alone() -> bool:
        pods = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
        return bool(pods) and (await kube.get("Deployment", PROXIES))["metadata"]["uid"] == uid

    await until("the proxy, left where it is", alone)
