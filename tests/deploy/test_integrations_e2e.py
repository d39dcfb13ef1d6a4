"""The examples of integrations, and the chart's monitoring, judged by an API server that has their kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import yaml

from tests.deploy.test_integrations import DOCUMENTS
from tests.deploy.tools import ROOT, render
from tests.e2e.kube import until
from watchers.kubernetes.client import SERVER_SIDE_APPLY, ApiClient
from watchers.kubernetes.errors import ApiError

pytestmark = pytest.mark.e2e

DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GENERATED: Final = ROOT / ".e2e" / "integrations" / "definitions"
DRY: Final = {"fieldManager": "test", "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
APPLY: Final = {"fieldManager": "test", "force": "true"}
CORE: Final = {
    "ConfigMap": "configmaps",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "Deployment": "deployments",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Gateway": "gateways",
    "HTTPRoute": "httproutes",
    "GatewayParameters": "gatewayparameters",
    "ListenerPolicy": "listenerpolicies",
}
KINDS: Final = (
    "argoproj.io_analysistemplates",
    "argoproj.io_rollouts",
    "autoscaling.k8s.io_verticalpodautoscalers",
    "cert-manager.io_issuers",
    "flagger.app_canaries",
    "flagger.app_metrictemplates",
    "monitoring.coreos.com_podmonitors",
    "monitoring.coreos.com_prometheusrules",
)


def without_transitions(schema: Any) -> Any:
    """Return a schema without rules about former values: those of Kubernetes' types must not be in lists of others'."""
    if isinstance(schema, list):
        return [without_transitions(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    rules = "x-kubernetes-validations"
    found = {name: without_transitions(each) for name, each in schema.items() if name != rules}
    kept = [each for each in schema.get(rules, ()) if "oldSelf" not in each["rule"]]
    return {**found, rules: kept} if kept else found


@pytest.fixture
async def plurals(client: ApiClient) -> AsyncIterator[dict[str, str]]:
    """Install the definitions of the integrations; yield the plurals of all kinds; remove them again."""
    if not GENERATED.is_dir():
        pytest.skip("there are no definitions of other projects: `make integrations` generates them")
    found: dict[str, str] = dict(CORE)
    for name in KINDS:
        body = without_transitions(yaml.safe_load((GENERATED / f"{name}.yaml").read_text()))
        for version in body["spec"]["versions"]:  # users never write a status, whatever its type in Go says
            schema = version["schema"]["openAPIV3Schema"]
            schema["required"] = [each for each in schema.get("required", ()) if each != "status"]
        path = f"{DEFINITIONS}/{body['metadata']['name']}"
        # A group of Kubernetes' own asks for a sign that its owners know of the kind.
        annotations = {"api-approved.kubernetes.io": "unapproved, for tests"}
        body["metadata"].setdefault("annotations", {}).update(annotations)
        await client.request("PATCH", path, body=body, query=APPLY, content_type=SERVER_SIDE_APPLY)
        found[body["spec"]["names"]["kind"]] = body["spec"]["names"]["plural"]

        async def established(path: str = path) -> bool:
            conditions = (await client.get(path)).get("status", {}).get("conditions") or ()
            return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)

        await until(f"definition {name}", established)
    yield found
    for name in KINDS:
        group, _, plural = name.partition("_")
        path = f"{DEFINITIONS}/{plural}.{group}"
        await client.request("DELETE", path)

        async def gone(path: str = path) -> bool:
            try:
                await client.get(path)
            except ApiError as error:
                return error.status == 404
            return False

        await until(f"{name} to be deleted", gone)


async def dry_run(client: ApiClient, plurals: dict[str, str], body: dict[str, Any]) -> None:
    """Have the API server validate an object, in the namespace default."""
    version, kind = body["apiVersion"], body["kind"]
    metadata = dict(body["metadata"])
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = ""
    if "namespace" in metadata:
        metadata["namespace"] = "default"
        place = "/namespaces/default"
    path = f"{root}{place}/{plurals[kind]}/{metadata['name']}"
    found = {**body, "metadata": metadata}
    await client.request("PATCH", path, query=DRY, body=found, content_type=SERVER_SIDE_APPLY)


async def test_examples_are_valid(client: ApiClient, plurals: dict[str, str]) -> None:
    """The API server accepts every object of every example, without a field that it does not know."""
    for name, documents in DOCUMENTS.items():
        for each in documents:
            try:
                await dry_run(client, plurals, each)
            except Exception as error:
                error.add_note(f"{name}: {each['kind']}")
                raise


async def test_monitoring_is_valid(client: ApiClient, plurals: dict[str, str]) -> None:
    """The API server accepts the PodMonitors, the alerts and the dashboards of the chart."""
    names = ("podMonitors", "prometheusRule", "dashboards")
    found = render("--set", ",".join(f"monitoring.{each}.enabled=true" for each in names))
    wanted = [each for each in found if each["kind"] in ("PodMonitor", "PrometheusRule", "ConfigMap")]
    assert len(wanted) == 5
    for each in wanted:
        await dry_run(client, plurals, each)


async def test_a_vertical_autoscaler_is_valid(client: ApiClient, plurals: dict[str, str]) -> None:
    """The API server accepts the VerticalPodAutoscaler of proxies, with all that GatewayParameters can say of it."""
    from tests.translator.infrastructure.test_manifests import configured

    spec = "{vpa: {updateMode: Initial, minReplicas: 2, minAllowed: {cpu: 50m}, maxAllowed: {memory: 1Gi}}}"
    await dry_run(client, plurals, configured(spec).body("VerticalPodAutoscaler"))
