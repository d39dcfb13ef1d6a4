"""What is in deploy/, in a real cluster: definitions that judge, a chart that is installed, upgraded and taken away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from deploy.definitions import definition, own_kinds
from tests.deploy.examples import EXAMPLES, Example, document, label
from tests.deploy.tools import CHART, helm
from tests.e2e.kube import Kube, until
from tests.e2e.objects import echo, gateway, route
from watchers.kubernetes.client import SERVER_SIDE_APPLY, Client
from watchers.kubernetes.errors import ApiError

pytestmark = pytest.mark.e2e


@pytest.fixture
async def kube(client: Client) -> AsyncIterator[Kube]:
    """A new namespace."""
    found = Kube(client).of(f"deploy-{uuid4().hex[:8]}")
    await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}})
    yield found
    await found.delete("Namespace", found.namespace)


@pytest.fixture
async def judges(client: Client) -> Client:
    """The definitions of this checkout are in force."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for model in own_kinds():
        found = definition(model)
        query = {"fieldManager": "test", "force": "true"}
        name = found["metadata"]["name"]
        await client.request("PATCH", f"{path}/{name}", body=found, query=query, content_type=SERVER_SIDE_APPLY)

        async def established(name: str = name) -> bool:
            conditions = (await client.get(f"{path}/{name}")).get("status", {}).get("conditions", ())
            told = {each["type"]: each["status"] for each in conditions}
            assert told.get("NonStructuralSchema") != "True", conditions
            return told.get("Established") == "True"

        await until(f"definition {name}", established)
    return client


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
async def test_definitions_judge_as_the_models(judges: Client, example: Example) -> None:
    """The API server takes what the model takes, and names the field of what it refuses."""
    (model,) = (each for each in own_kinds() if each.kind == example.kind)
    path = f"/apis/{model.group}/v1alpha1/namespaces/default/{model.plural}"
    refused = ""
    try:
        await judges.request("POST", path, body=document(example), query={"dryRun": "All"})
    except ApiError as error:
        refused = str(error) if error.status == 422 else "not for what it says"
    assert bool(refused) == bool(example.wrong), refused
    assert example.wrong in refused


async def test_parameters_are_not_filled_in(judges: Client) -> None:
    """What a user did not set stays unset, so that merging can tell; DirectResponses get their defaults."""
    path = "/apis/gateway.headgate.dev/v1alpha1/namespaces/default"
    dry = {"dryRun": "All"}
    body = document(Example("GatewayParameters", {"service": {}}))
    assert (await judges.request("POST", f"{path}/gatewayparameters", body=body, query=dry))["spec"] == {"service": {}}
    body = document(Example("DirectResponse", {"status": 204}))
    found = await judges.request("POST", f"{path}/directresponses", body=body, query=dry)
    assert found["spec"] == {"status": 204, "body": ""}


class Release:
    """A release of the chart, in a namespace of its own, that watches this alone."""

    def __init__(self, kube: Kube) -> None:
        self.kube, self.name = kube, f"r-{kube.namespace}"
        self.deployment = f"{self.name}-headgate"
        self.values = {
            "gatewayClass.name": self.name,
            "controllerName": f"example.com/{self.name}",
            "watch.namespaces": f"{{{kube.namespace}}}",
            "crds.enabled": "false",
            "replicas": "1",
        }
        if image := os.environ.get("HEADGATE_IMAGE"):
            self.values["image.repository"], _, self.values["image.tag"] = image.rpartition(":")

    async def run(self, verb: str, *arguments: str) -> str:
        """Runs helm."""
        command = [helm(), *verb.split(), self.name, "--namespace", self.kube.namespace, *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await asyncio.wait_for(process.communicate(), 180)
        assert process.returncode == 0, out.decode()
        return out.decode()

    async def install(self, **more: str) -> str:
        """Installs or upgrades, and waits until it is ready."""
        settings = [f"{name}={value}" for name, value in {**self.values, **more}.items()]
        words = [word for each in settings for word in ("--set", each)]
        return await self.run("upgrade --install", str(CHART), *words, "--wait", "--timeout", "150s")

    async def log(self) -> str:
        """What its pods log."""
        command = ["kubectl", "logs", "-n", self.kube.namespace, f"deployment/{self.deployment}"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0].decode()

    async def may(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether Headgate's service account may do so, as the API server says."""
        group, _, plural = resource.rpartition("/")
        spec = {
            "user": f"system:serviceaccount:{self.kube.namespace}:{self.deployment}",
            "resourceAttributes": {"verb": verb, "group": group, "resource": plural, "namespace": namespace},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool((await self.kube.client.request("POST", path, body={"spec": spec}))["status"]["allowed"])


async def test_the_chart_is_installed_upgraded_and_taken_away(kube: Kube) -> None:
    """It takes no more rights than the chart grants to serve a Gateway; an upgrade keeps it; nothing is left behind."""
    release = Release(kube)
    assert release.name in await release.install()
    await kube.condition("GatewayClass", release.name, "Accepted", "True")
    made: dict[str, Any] = gateway()
    made["spec"]["gatewayClassName"] = release.name
    await kube.apply(*echo(), made, route())
    await kube.condition("Gateway", made["metadata"]["name"], "Programmed", "True")
    text = await release.log()
    assert "may not" not in text, text
    assert "orbidden" not in text, text
    assert await release.may("list", "secrets", kube.namespace)
    assert not await release.may("list", "secrets", "default")
    assert not await release.may("create", "apps/deployments", "default")
    assert not await release.may("update", "gateway.networking.k8s.io/gateways", kube.namespace)
    before = (await kube.get("Deployment", release.deployment))["metadata"]["generation"]
    await release.install(**{"log.level": "debug"})
    assert (await kube.get("Deployment", release.deployment))["metadata"]["generation"] > before
    await kube.condition("Gateway", made["metadata"]["name"], "Programmed", "True")
    await kube.delete("Gateway", made["metadata"]["name"])
    await release.run("uninstall", "--wait")
    assert await kube.find("Deployment", release.deployment) is None
    assert await kube.find("GatewayClass", release.name) is None
    assert await kube.find("ClusterRole", release.deployment) is None
