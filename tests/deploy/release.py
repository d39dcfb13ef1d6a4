"""A second release of the Helm chart, and its Gateways."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.deploy.tools import CHART, helm
from tests.e2e.kube import GATEWAY_API, HEADGATE_API, Kube, Object, until
from tests.e2e.objects import GATEWAY, HTTP
from tests.e2e.traffic import answers

SECONDS: Final = 240.0
"""The timeout of a command, in seconds."""


class Failed(Exception):
    """A command has failed; the text is its output."""


async def run(*command: str) -> str:
    """Run a command; return its output.

    Raises:
        Failed: its exit status is not 0.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    if process.returncode:
        raise Failed(output.decode())
    return output.decode()


class Release:
    """A release in a namespace, with its own controller name and GatewayClass.

    Attributes:
        kube: its namespace, the only one that it watches.
        name: the name of the release and the GatewayClass, and the controller name after "example.com/".
        values: the values of the chart.
    """

    def __init__(self, kube: Kube, name: str = "") -> None:
        self.kube = kube
        self.name = name or f"r-{kube.namespace}"
        self.values = {
            "gatewayClass.name": self.name,
            "controllerName": f"example.com/{self.name}",
            "watch.namespaces": f"{{{kube.namespace}}}",
            "crds.enabled": "false",
            "replicas": "1",
        }
        if image := os.environ.get("HEADGATE_IMAGE"):
            self.values["image.repository"], _, self.values["image.tag"] = image.rpartition(":")

    @property
    def deployment(self) -> str:
        """The name of the release's objects."""
        return f"{self.name}-headgate"

    async def helm(self, verb: str, *arguments: str) -> str:
        """Run helm for this release; return its output."""
        return await run(helm(), *verb.split(), self.name, "--namespace", self.kube.namespace, *arguments)

    async def install(self, values: Mapping[str, str] | None = None, *arguments: str, chart: Path = CHART) -> str:
        """Install or upgrade the release, and wait until it is ready; the values are for this call only."""
        settings = [f"{name}={value}" for name, value in {**self.values, **(values or {})}.items()]
        words = [word for each in settings for word in ("--set", each)]
        return await self.helm("upgrade --install", str(chart), *words, "--wait", "--timeout", "180s", *arguments)

    async def uninstall(self) -> str:
        """Uninstall the release, and wait until it is deleted."""
        return await self.helm("uninstall", "--wait", "--timeout", "60s")

    async def clear(self) -> None:
        """Uninstall the release if it exists; its namespaced objects are deleted with the namespace."""
        if self.name in await run(helm(), "list", "--namespace", self.kube.namespace, "--short"):
            await self.uninstall()

    async def pods(self) -> list[Object]:
        """Return the release's pods, without those that are terminating."""
        found = await self.kube.list("Pod", f"app.kubernetes.io/instance={self.name}")
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    async def log(self) -> str:
        """Return the log of its pods."""
        return await run("kubectl", "logs", "-n", self.kube.namespace, f"deployment/{self.deployment}", "--tail=-1")

    def site(self, name: str = GATEWAY) -> list[Object]:
        """Return a Gateway of the release's class, and a route with a direct response 200 for example.com."""
        return [self.gateway(name), *hello("hello", "example.com", name)]

    def gateway(self, name: str = GATEWAY, **infrastructure: Any) -> Object:
        """Return a Gateway of the release's class that listens at port 80."""
        spec = {"gatewayClassName": self.name, "listeners": [HTTP], "infrastructure": infrastructure}
        return {"apiVersion": GATEWAY_API, "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


def hello(name: str, host: str, *gateways: str) -> list[Object]:
    """Return a route of a host with a direct response 200, which needs no other pods."""
    group = HEADGATE_API.partition("/")[0]
    reference = {"group": group, "kind": "DirectResponse", "name": name}
    spec = {
        "parentRefs": [{"name": each} for each in gateways or (GATEWAY,)],
        "hostnames": [host],
        "rules": [{"filters": [{"type": "ExtensionRef", "extensionRef": reference}]}],
    }
    response = {"status": 200, "body": "hello"}
    return [
        {"apiVersion": HEADGATE_API, "kind": "DirectResponse", "metadata": {"name": name}, "spec": response},
        {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec},
    ]


async def address(kube: Kube, gateway: str = GATEWAY, host: str = "example.com") -> str:
    """Wait until a Gateway is programmed and responds for a host; return its address."""
    await kube.condition("Gateway", gateway, "Programmed", "True")
    found: str = (await kube.get("Gateway", gateway))["status"]["addresses"][0]["value"]
    await answers(found, host)
    return found


async def gone(kube: Kube, kind: str, name: str) -> None:
    """Wait until an object does not exist."""

    async def read() -> bool:
        return await kube.find(kind, name) is None

    await until(f"end of {kind} {name}", read)
