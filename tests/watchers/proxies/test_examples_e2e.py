"""The examples of GatewayParameters are valid for a real API server."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml

from tests.translator.infrastructure.gateways import Cluster
from tests.translator.infrastructure.test_manifests import EXAMPLES
from translator.objects.kubernetes.workloads import VerticalPodAutoscaler
from watchers.kubernetes.client import SERVER_SIDE_APPLY, ApiClient

pytestmark = pytest.mark.e2e

PLURALS: Final = {"GatewayParameters": "gatewayparameters", "Ingress": "ingresses"}
DRY: Final = {"fieldManager": "test", "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
DOCUMENTS: Final = {path.name: list(yaml.safe_load_all(path.read_text())) for path in sorted(EXAMPLES.glob("*.yaml"))}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_an_example(client: ApiClient, namespace: str, name: str) -> None:
    """The API server accepts an example, and all manifests that it causes."""
    documents = [each for each in DOCUMENTS[name] if each["kind"] != "GatewayClass"]
    cluster = Cluster(*(yaml.safe_dump(each) for each in DOCUMENTS[name] if each["kind"] != "Ingress"))
    # The API server has no vertical autoscaler: tests/deploy/test_integrations_e2e.py installs and judges it.
    deployed = [each for found in cluster.translator.deployments.values() for each in found.manifests]
    manifests = [each.body for each in deployed if each.ref.kind != VerticalPodAutoscaler.kind]
    assert manifests or name == "self-managed.yaml"
    for each in (*documents, *manifests):
        await dry_run(client, {**each, "metadata": {**each["metadata"], "namespace": namespace}})


async def dry_run(client: ApiClient, body: Any) -> None:
    """Have the API server validate an object."""
    version, metadata = body["apiVersion"], body["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = PLURALS.get(body["kind"], f"{body['kind'].lower()}s")
    path = f"{root}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"
    await client.request("PATCH", path, query=DRY, body=body, content_type=SERVER_SIDE_APPLY)
