"""Definitions of Headgate's own kinds in a real API server: they accept what the models accept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest
import yaml

from deploy.definitions import definition, own_kinds
from tests.deploy.example import Example, document, label
from tests.deploy.examples import EXAMPLES
from tests.deploy.release import Failed, Release
from tests.deploy.tools import CHART
from tests.e2e.kube import until
from tests.e2e.objects import parameters
from watchers.kubernetes.client import MERGE_PATCH, SERVER_SIDE_APPLY, ApiClient
from watchers.kubernetes.errors import ApiError

pytestmark = pytest.mark.e2e

DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def installed() -> set[str]:
    """Return the kinds of which these tests have installed the definitions."""
    return set()


@pytest.fixture
async def definitions_client(client: ApiClient, installed: set[str]) -> ApiClient:
    """Install the definitions of this checkout, once for all tests; return the client."""
    for model in own_kinds():
        if model.kind in installed:
            continue
        found = definition(model)
        query = {"fieldManager": "test", "force": "true"}
        name = found["metadata"]["name"]
        await client.request("PATCH", f"{DEFINITIONS}/{name}", body=found, query=query, content_type=SERVER_SIDE_APPLY)

        async def established(name: str = name) -> bool:
            conditions = (await client.get(f"{DEFINITIONS}/{name}")).get("status", {}).get("conditions") or ()
            status = {each["type"]: each["status"] for each in conditions}
            assert status.get("NonStructuralSchema") != "True", conditions
            return status.get("Established") == "True"

        await until(f"definition {name}", established)
        installed.add(model.kind)
    return client


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
async def test_definitions_judge_as_the_models(definitions_client: ApiClient, example: Example) -> None:
    """The API server accepts the objects that the models accept, and names the field of those that it rejects."""
    (model,) = (each for each in own_kinds() if each.kind == example.kind)
    path = f"/apis/{model.group}/v1alpha1/namespaces/default/{model.plural}"
    refused = ""
    try:
        await definitions_client.request("POST", path, body=document(example), query={"dryRun": "All"})
    except ApiError as error:
        refused = str(error) if error.status == 422 else "not for what it says"
    assert bool(refused) == bool(example.wrong), refused
    assert example.wrong in refused


async def test_parameters_get_no_defaults(definitions_client: ApiClient) -> None:
    """The API server sets no defaults of what is merged, or where a field that is not set means something."""
    path = "/apis/gateway.headgate.dev/v1alpha1/namespaces/default"
    dry = {"dryRun": "All"}
    body = document(Example("GatewayParameters", {"service": {}}))
    assert (await definitions_client.request("POST", f"{path}/gatewayparameters", body=body, query=dry))["spec"] == {
        "service": {}
    }
    body = document(Example("DirectResponse", {"status": 204}))
    found = await definitions_client.request("POST", f"{path}/directresponses", body=body, query=dry)
    assert found["spec"] == {"status": 204}


async def in_force(client: ApiClient) -> set[str]:
    """Return the fields of the spec of GatewayParameters in the served definition."""
    found = await client.get(f"{DEFINITIONS}/gatewayparameters.gateway.headgate.dev")
    (version,) = found["spec"]["versions"]
    return set(version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])


async def test_an_upgrade_of_the_chart_upgrades_definitions(
    definitions_client: ApiClient, release: Release, tmp_path: Path
) -> None:
    """An upgrade of the chart upgrades the definitions; an uninstallation leaves them and their objects."""
    older = shutil.copytree(CHART, tmp_path / "headgate")
    path = older / "files" / "crds" / "gatewayparameters.yaml"
    found = yaml.safe_load(path.read_text())
    del found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["logLevel"]
    path.write_text(yaml.safe_dump(found))
    values = {"crds.enabled": "true", "replicas": "0"}
    try:
        with pytest.raises(Failed, match="cannot be imported into the current release"):
            await release.install(values, chart=older)
        await release.install(values, "--take-ownership", "--force-conflicts", chart=older)
        assert "logLevel" not in await in_force(definitions_client)
        await release.kube.apply(parameters("mine", concurrency=3))
        await release.install(values)
        assert "logLevel" in await in_force(definitions_client)
        await release.kube.apply(parameters("mine", concurrency=3, logLevel="debug"))
        await release.uninstall()
        assert (await release.kube.get("GatewayParameters", "mine"))["spec"] == {"concurrency": 3, "logLevel": "debug"}
    finally:
        await disowned(definitions_client)


async def disowned(client: ApiClient) -> None:
    """Remove the release's ownership of the definitions."""
    of_helm = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace", "helm.sh/resource-policy")
    metadata = {"annotations": dict.fromkeys(of_helm), "labels": {"app.kubernetes.io/managed-by": None}}
    for model in own_kinds():
        name = f"{DEFINITIONS}/{model.plural}.{model.group}"
        await client.request("PATCH", name, body={"metadata": metadata}, content_type=MERGE_PATCH)
