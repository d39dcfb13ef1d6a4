"""The proxy reconciler with a real API server, its controllers, and pods that run a real Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.watchers.cluster_actions import kill_api_server, ready, service_account
from tests.watchers.proxies.deploying import Deploying
from tests.watchers.relay import kubeconfig
from translator.infrastructure.names import resource_name
from translator.refs import Ref
from watchers.kubernetes.client import MERGE_PATCH, SERVER_SIDE_APPLY, ApiClient, ResponseStream
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.kubeconfig import Access

pytestmark = pytest.mark.e2e

CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: headgate}
spec: {controllerName: $CONTROLLER}
---
"""
GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: $NS}
spec:
  gatewayClassName: headgate
  infrastructure:
    labels: {team: web}
    annotations: {note: here}
    parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: mine}
  listeners: [{name: http, port: 80, protocol: HTTP}]
"""
ALL = {"ServiceAccount", "ConfigMap", "Service", "Deployment"}


def parameters(spec: str = "{replicas: 0}") -> str:
    """Return GatewayParameters; with 0 replicas, no pod has to run."""
    return f"""
apiVersion: gateway.headgate.dev/v1alpha1
kind: GatewayParameters
metadata: {{name: mine, namespace: $NS}}
spec: {spec}
---
"""


@pytest.fixture
async def deploying(client: ApiClient, namespace: str) -> AsyncIterator[Deploying]:
    """Yield a translator and a reconciler for the test's namespace."""
    async with Deploying(client, namespace) as deploying:
        yield deploying


async def deployed(deploying: Deploying, spec: str = "{replicas: 0}") -> None:
    """Apply a Gateway and wait until all its objects exist."""
    deploying.apply(CLASS + parameters(spec) + GATEWAY)
    deploying.lead()
    await deploying.until(lambda: deploying.there() >= ALL)
    await until_idle(deploying)


async def until_idle(deploying: Deploying) -> None:
    """Wait until there are no more requests."""
    while True:
        before = len(deploying.api.requests)
        await asyncio.sleep(0.5)
        if len(deploying.api.requests) == before:
            return


async def patch(deploying: Deploying, kind: str, body: Any) -> None:
    """Change an object, as another client does."""
    await deploying.client.request("PATCH", deploying.path(kind), body=body, content_type=MERGE_PATCH)


async def test_a_gateway_is_deployed(deploying: Deploying) -> None:
    """All objects have labels, the load balancer's address is in the status, and no object is written twice."""
    await deployed(deploying)
    await deploying.until(lambda: bool(deploying.addresses))
    service = await deploying.get("Service")
    assert deploying.addresses == [
        {"type": "IPAddress", "value": service["status"]["loadBalancer"]["ingress"][0]["ip"]}
    ]
    for kind in ALL:
        labels = (await deploying.get(kind))["metadata"]["labels"]
        assert (labels["gateway.networking.k8s.io/gateway-name"], labels["team"]) == ("gw", "web")
    assert service["metadata"]["annotations"]["note"] == "here"
    assert sorted(deploying.api.writes()) == sorted(
        ("PATCH", each) for each in ("serviceaccounts", "configmaps", "services", "deployments")
    )


async def test_only_changed_objects_are_applied(deploying: Deploying) -> None:
    """A new listener changes only the Service, after a dry run."""
    await deployed(deploying)
    deploying.api.requests.clear()
    second = "- {name: http, port: 80, protocol: HTTP}\n  - {name: other, port: 8080, protocol: HTTP}"
    deploying.apply(GATEWAY.replace("[{name: http, port: 80, protocol: HTTP}]", f"\n  {second}"))
    await deploying.until(lambda: len(deploying.api.requests) >= 2)
    await until_idle(deploying)
    assert [(method, plural, dry_run) for method, plural, _, dry_run in deploying.api.requests] == [
        ("PATCH", "services", True),
        ("PATCH", "services", False),
    ]
    assert [each["port"] for each in (await deploying.get("Service"))["spec"]["ports"]] == [80, 8080]


async def test_drift_is_repaired(deploying: Deploying) -> None:
    """Changed and deleted objects are repaired soon; fields of others are unchanged."""
    await deployed(deploying)
    deploying.api.requests.clear()
    await patch(deploying, "Deployment", {"metadata": {"annotations": {"others": "own"}}})
    await until_idle(deploying)
    assert deploying.api.writes() == []
    await patch(deploying, "Deployment", {"spec": {"replicas": 3}})
    await deploying.until(lambda: deploying.api.writes() == [("PATCH", "deployments")])
    await until_idle(deploying)
    found = await deploying.get("Deployment")
    assert (found["spec"]["replicas"], found["metadata"]["annotations"]["others"]) == (0, "own")
    await deploying.client.request("DELETE", deploying.path("ConfigMap"))
    await deploying.until(lambda: ("PATCH", "configmaps") in deploying.api.writes())
    await deploying.until(lambda: "ConfigMap" in deploying.there())
    await until_idle(deploying)
    assert sorted(deploying.api.writes()) == [("PATCH", "configmaps"), ("PATCH", "deployments")]


async def test_repeated_drift_is_repaired_at_growing_pauses(deploying: Deploying) -> None:
    """A field that another client overwrites again and again is repaired at growing pauses."""
    await deployed(deploying)
    deploying.api.requests.clear()
    end = asyncio.get_running_loop().time() + 4
    while asyncio.get_running_loop().time() < end:
        await patch(deploying, "Service", {"metadata": {"labels": {"team": "theirs"}}})
        await asyncio.sleep(0.05)
    assert 1 <= len(deploying.api.writes()) <= 6


async def test_an_autoscaler_comes_and_goes(deploying: Deploying) -> None:
    """The number of replicas stays until the autoscaler acts, and after its deletion until it is set again."""
    nowhere = "podTemplate: {spec: {nodeSelector: {no: node}}}"
    await deployed(deploying, f"{{replicas: 3, {nowhere}}}")
    seen = await replicas_while(deploying, f"{{hpa: {{minReplicas: 4, maxReplicas: 5}}, {nowhere}}}", 4)
    assert seen == [3, 4]
    seen = await replicas_while(deploying, f"{{drainSeconds: 1, {nowhere}}}", 4)
    assert seen == [4]
    assert deploying.there() == ALL
    await patch(deploying, "Deployment", {"spec": {"replicas": 2}})
    await until_idle(deploying)
    assert (await deploying.get("Deployment"))["spec"]["replicas"] == 2
    assert (await replicas_while(deploying, f"{{replicas: 1, {nowhere}}}", 1))[-1] == 1


async def replicas_while(deploying: Deploying, spec: str, end: int) -> list[int]:
    """Apply parameters; return the Deployment's numbers of replicas until it is stable at `end`."""
    versions = deploying.client.watch(
        deploying.path("Deployment").rpartition("/")[0],
        {"fieldSelector": f"metadata.name={deploying.name}", "resourceVersion": "0"},
    )
    seen: list[int] = []
    async with versions as stream:
        following = asyncio.create_task(_replicas(stream, seen))
        deploying.apply(parameters(spec))
        await until_idle(deploying)
        await deploying.until(lambda: bool(seen) and seen[-1] == end)
        following.cancel()
    return seen


async def _replicas(stream: ResponseStream, seen: list[int]) -> None:
    async for lines in stream.lines():
        for line in lines:
            number = orjson.loads(line)["object"]["spec"]["replicas"]
            if not seen or seen[-1] != number:
                seen.append(number)


async def test_the_strategy_can_be_changed(deploying: Deploying) -> None:
    """A Deployment changes from one strategy to the other and back, without fields of the former."""
    await deployed(deploying)
    first = (await deploying.get("Deployment"))["spec"]["strategy"]
    assert first == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}
    for strategy, spec in (
        ({"type": "Recreate"}, "{replicas: 0, strategy: {type: Recreate}}"),
        (first, "{replicas: 0}"),
    ):
        deploying.apply(parameters(spec))
        await until_idle(deploying)
        assert (await deploying.get("Deployment"))["spec"]["strategy"] == strategy


async def test_names_of_all_kinds(deploying: Deploying) -> None:
    """Gateways of any name are deployed: long, with dots, with a leading digit, similar to another one."""
    names = ["1gw", "a.b.c", "a-b-c", "9" * 63, "x" * 63 + "1", "x" * 63 + "2", ".".join(["y" * 63] * 3 + ["z" * 61])]
    assert len(names[-1]) == 253
    gateways = (GATEWAY.replace("name: gw,", f"name: '{each}',") for each in names)
    deploying.apply(CLASS + parameters() + "---".join(gateways))
    deploying.lead()
    refs = [Ref("Gateway", deploying.gateway.namespace, each) for each in names]
    there = [Ref(kind, each.namespace, resource_name(each)) for each in refs for kind in ALL]
    await deploying.until(lambda: all(deploying.inventory.get(each) for each in there))
    await until_idle(deploying)
    assert len(deploying.api.writes()) == len(set(there)) == len(names) * len(ALL)
    for each in refs:
        assert deploying.translator.statuses[each]["conditions"][0]["status"] == "True"


async def test_unwanted_objects_are_deleted(deploying: Deploying) -> None:
    """Unwanted objects are deleted: an autoscaler, and all objects of a deleted Gateway."""
    nowhere = "podTemplate: {spec: {nodeSelector: {no: node}}}"
    await deployed(deploying, f"{{hpa: {{maxReplicas: 3}}, pdb: {{minAvailable: 0}}, {nowhere}}}")
    await deploying.until(lambda: len(deploying.there()) == 6)
    deploying.apply(parameters("{replicas: 0}"))
    await deploying.until(lambda: deploying.there() == ALL)
    deploying.remove(deploying.gateway)
    await deploying.until(lambda: not deploying.there())


async def test_objects_of_an_earlier_controller_are_deleted(client: ApiClient, namespace: str) -> None:
    """Objects of a Gateway that was deleted while no controller ran are deleted at the start."""
    async with Deploying(client, namespace) as earlier:
        await deployed(earlier)
    async with Deploying(client, namespace) as later:
        assert later.there() == ALL
        later.lead()
        await later.until(lambda: not later.there())


async def test_objects_of_unknown_manifests_stay(client: ApiClient, namespace: str) -> None:
    """A Gateway with missing parameters keeps the objects that an earlier controller deployed."""
    async with Deploying(client, namespace) as earlier:
        await deployed(earlier)
    async with Deploying(client, namespace) as later:
        later.apply(CLASS + GATEWAY)
        assert later.condition("Accepted")[:2] == ("False", "InvalidParameters")
        later.lead()
        await until_idle(later)
        assert (later.there(), later.api.requests) == (ALL, [])


async def test_an_invalid_manifest_changes_nothing(deploying: Deploying) -> None:
    """An invalid pod template changes no running proxy, and the Gateway's condition says why until it is corrected."""
    await deployed(deploying)
    before = {kind: (await deploying.get(kind))["metadata"]["resourceVersion"] for kind in ALL}
    bad = "{replicas: 0, service: {type: ClusterIP}, podTemplate: {spec: {tolerations: [{operator: Never}]}}}"
    deploying.apply(parameters(bad))
    await deploying.until(lambda: deploying.condition("Accepted")[0] == "False")
    _, reason, message = deploying.condition("Accepted")
    assert reason == "InvalidParameters"
    assert "tolerations[0].operator" in message
    assert {kind: (await deploying.get(kind))["metadata"]["resourceVersion"] for kind in ALL} == before
    deploying.apply(parameters("{replicas: 0}"))
    await deploying.until(lambda: deploying.condition("Accepted")[0] == "True")


async def test_a_field_that_does_not_exist(deploying: Deploying) -> None:
    """A misspelt field of the pod template is rejected too, with its name."""
    await deployed(deploying)
    deploying.apply(parameters("{replicas: 0, podTemplate: {spec: {tolerationz: []}}}"))
    await deploying.until(lambda: deploying.condition("Accepted")[0] == "False")
    assert "tolerationz" in deploying.condition("Accepted")[2]


async def test_a_quota(deploying: Deploying) -> None:
    """The Gateway's condition names a quota that denies the Deployment, and one that denies its pods."""
    await quota(deploying, {"count/deployments.apps": "0"})
    deploying.apply(CLASS + parameters("{replicas: 1}") + GATEWAY)
    deploying.lead()
    await deploying.until(lambda: "quota" in deploying.condition("Programmed")[2])
    assert deploying.condition("Programmed")[:2] == ("False", "NoResources")
    await quota(deploying, {"pods": "0"})
    await deploying.until(lambda: "Deployment" in deploying.there())
    await deploying.until(lambda: "FailedCreate" in deploying.condition("Programmed")[2])
    assert "exceeded quota: q" in deploying.condition("Programmed")[2]
    assert deploying.condition("Programmed")[1] == "NoResources"


async def test_a_kind_that_is_not_installed(deploying: Deploying) -> None:
    """Without the vertical autoscaler's definition all else is deployed, and the condition tells the way out."""
    await deployed(deploying, "{drainSeconds: 1, vpa: {}}")
    await deploying.until(lambda: "install its definition" in deploying.condition("Programmed")[2])
    assert deploying.there() >= {"ServiceAccount", "ConfigMap", "Service", "Deployment"}
    deploying.apply(parameters("{drainSeconds: 1}"))
    await deploying.until(lambda: "VerticalPodAutoscaler" not in deploying.condition("Programmed")[2])


async def test_the_strictest_pod_security(deploying: Deploying) -> None:
    """Proxies conform to the level restricted; a pod template that does not is denied, as the condition says."""
    namespace = f"/api/v1/namespaces/{deploying.gateway.namespace}"
    body = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await deploying.client.request("PATCH", namespace, body=body, content_type=MERGE_PATCH)
    await deployed(deploying, "{podTemplate: {spec: {hostNetwork: true}}}")
    await deploying.until(lambda: "violates PodSecurity" in deploying.condition("Programmed")[2])
    assert (await deploying.client.get(f"{namespace}/pods"))["items"] == []
    deploying.apply(parameters("{drainSeconds: 1}"))
    async with asyncio.timeout(30):
        while not (await deploying.client.get(f"{namespace}/pods"))["items"]:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)


async def test_a_quota_denies_the_pods_of_a_daemonset(deploying: Deploying) -> None:
    """Only Events have the reason, so the Gateway's condition names the command that shows them."""
    await quota(deploying, {"pods": "0"})
    deploying.apply(CLASS + parameters("{kind: DaemonSet}") + GATEWAY)
    deploying.lead()
    await deploying.until(lambda: "DaemonSet headgate-gw: 0 of 1 pods" in deploying.condition("Programmed")[2])
    assert "kubectl describe daemonset headgate-gw" in deploying.condition("Programmed")[2]


async def quota(deploying: Deploying, hard: dict[str, str]) -> None:
    """Create a quota and its status, also in clusters without the controller of quotas."""
    path, client = f"/api/v1/namespaces/{deploying.gateway.namespace}/resourcequotas/q", deploying.client
    applied = {"fieldManager": "test", "force": "true"}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}}
    for part, content in (("", {"spec": {"hard": hard}}), ("/status", {"status": {"hard": hard, "used": hard}})):
        await client.request(
            "PATCH", path + part, query=applied, body={**body, **content}, content_type=SERVER_SIDE_APPLY
        )


async def test_admission_denies(deploying: Deploying) -> None:
    """The Gateway's condition has the message of an admission policy."""
    namespace, root = deploying.gateway.namespace, "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    match = {"namespaceSelector": selector, "resourceRules": [rule]}
    validation = {"expression": "false", "message": "nobody deploys on a Friday"}
    policy = {"metadata": {"name": namespace}, "spec": {"matchConstraints": match, "validations": [validation]}}
    binding = {"metadata": {"name": namespace}, "spec": {"policyName": namespace, "validationActions": ["Deny"]}}
    await deploying.client.request("POST", f"{root}/validatingadmissionpolicies", body=policy)
    await deploying.client.request("POST", f"{root}/validatingadmissionpolicybindings", body=binding)
    try:
        await denied(deploying)
        deploying.apply(CLASS + parameters() + GATEWAY)
        deploying.lead()
        await deploying.until(lambda: "on a Friday" in deploying.condition("Programmed")[2])
        assert deploying.condition("Programmed")[0] == "False"
    finally:
        await deploying.client.request("DELETE", f"{root}/validatingadmissionpolicybindings/{namespace}")
        await deploying.client.request("DELETE", f"{root}/validatingadmissionpolicies/{namespace}")


async def denied(deploying: Deploying) -> None:
    """Wait until the policy is enforced."""
    labels, container = {"a": "b"}, {"name": "a", "image": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    body = {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    path = deploying.path("Deployment").rpartition("/")[0]
    async with asyncio.timeout(30):
        while True:
            try:
                await deploying.client.request("POST", path, query={"dryRun": "All"}, body=body)
            except ApiError:
                return
            await asyncio.sleep(0.1)


async def test_objects_of_others_are_not_taken_over(deploying: Deploying) -> None:
    """An object of the same name without our labels is unchanged, and reported."""
    body = {"metadata": {"name": deploying.name}, "data": {"mine": "yes"}}
    await deploying.client.request("POST", deploying.path("ConfigMap").rpartition("/")[0], body=body)
    deploying.apply(CLASS + parameters() + GATEWAY)
    deploying.lead()
    await deploying.until(lambda: "not Headgate's" in deploying.condition("Programmed")[2])
    assert (await deploying.get("ConfigMap"))["data"] == {"mine": "yes"}


async def test_a_missing_permission_is_reported(
    access: Access, client: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """The Gateway's condition names a missing permission; once it is granted, the objects are deployed."""
    user = f"token: {await service_account(client, namespace)}"
    nobody = await kubeconfig(tmp_path, access.url, user, ", insecure-skip-tls-verify: true")
    async with ApiClient(nobody) as denied, Deploying(client, namespace, denied) as deploying:
        deploying.apply(CLASS + parameters() + GATEWAY)
        deploying.lead()
        await deploying.until(lambda: "Headgate may not deploy" in deploying.condition("Programmed")[2])
        text = deploying.condition("Programmed")[2]
        assert 'cannot get resource "serviceaccounts"' in text
        assert "ClusterRole" in text


async def test_an_api_server_that_is_killed(deploying: Deploying) -> None:
    """Objects that change during an outage are deployed afterwards, and no problem is reported."""
    await deployed(deploying)
    kill_api_server()
    deploying.apply(parameters("{replicas: 0, pdb: {maxUnavailable: 1}}"))
    await ready(deploying.client)
    await deploying.until(lambda: "PodDisruptionBudget" in deploying.there())
    assert deploying.condition("Accepted")[0] == "True"
