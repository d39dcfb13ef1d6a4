"""The services of a Gateway: when they are deployed, how proxies find them, and what is told of them."""

from __future__ import annotations

import pytest

from tests.translator.infrastructure.gateways import GATEWAY, gateway, service
from tests.translator.infrastructure.own_services import POLICY, RATE_LIMIT, WAF, Deployed, cluster, own
from translator.envoy.names import cluster_name
from translator.infrastructure.names import own_service_name, owned_by, resource_name
from translator.refs import Ref
from xds import ENDPOINT, Reference

EACH = pytest.mark.parametrize("deployed", [RATE_LIMIT, WAF], ids=lambda each: each.service.prefix)
LOAD_BALANCER = service("status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}")


def endpoint_slice(name: str) -> str:
    """Return the EndpointSlice of a Service."""
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-x, namespace: web, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{{addresses: [10.1.2.3], conditions: {{ready: true}}}}]
ports: [{{name: grpc, port: 8081, protocol: TCP}}]
"""


@EACH
@pytest.mark.parametrize("kind", ["Gateway", "HTTPRoute"])
def test_it_is_deployed_where_a_policy_needs_it(deployed: Deployed, kind: str) -> None:
    """It comes with the first policy that names no service, behind the proxies' objects, and goes with the last."""
    name = "shop" if kind == "Gateway" else "r"
    found = cluster(gateway())
    assert own(found) == []
    found.apply(deployed.policy(kind=kind, name=name))
    assert own(found) == [(each, deployed.name) for each in deployed.kinds]
    found.apply(deployed.policy(deployed.disabled, kind, name))
    assert own(found) == []
    found.apply(deployed.policy(kind=kind, name=name))
    found.remove(POLICY)
    assert own(found) == []


@EACH
def test_its_pods_are_none_of_the_proxies(deployed: Deployed) -> None:
    """No Service, budget or controller of the proxies selects its pods, which are as unprivileged as these."""
    found = cluster(gateway(), deployed.policy())
    assert found.proxies is not None
    bodies = {(each.ref.kind, each.ref.name): each.body for each in found.proxies.manifests}
    proxies = bodies["Service", resource_name(GATEWAY)]["spec"]["selector"]
    deployment = bodies["Deployment", deployed.name]
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert not proxies.items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"] == bodies["Service", deployed.name]["spec"]["selector"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert deployment["metadata"]["ownerReferences"][0]["name"] == "shop"
    watched = dict(each.split("=") for each in owned_by("gateway.headgate.dev/controller").split(","))
    assert watched.items() <= labels.items()
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert all(each["securityContext"]["readOnlyRootFilesystem"] is True for each in spec["containers"])


@EACH
def test_proxies_find_their_own(deployed: Deployed) -> None:
    """The endpoints of its cluster are those of the Gateway's own service."""
    found = cluster(gateway(), deployed.policy())
    name = Reference(ENDPOINT, cluster_name(deployed.service.deployed))

    def assignment() -> bytes:
        resource = found.translator.snapshots[GATEWAY].get(name)
        assert resource is not None
        return resource.body

    assert b"10.1.2.3" not in assignment()
    found.apply(
        f"""
apiVersion: v1
kind: Service
metadata: {{name: {deployed.name}, namespace: web}}
spec: {{ports: [{{name: grpc, port: 8081, appProtocol: kubernetes.io/h2c}}]}}
""",
        endpoint_slice(deployed.name),
    )
    assert b"10.1.2.3" in assignment()


@EACH
def test_it_is_told_that_it_is_not_available(deployed: Deployed) -> None:
    """The condition Programmed of the Gateway says so, and stays True."""
    deployment = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {deployed.name}, namespace: web}}
status:
  conditions:
  - {{type: Available, status: "False", reason: MinimumReplicasUnavailable, message: Too few.}}
"""
    proxies = endpoint_slice(resource_name(GATEWAY))
    found = cluster(gateway(), deployed.policy(), LOAD_BALANCER, proxies, deployment)
    found.deliver()
    status, _, message = found.condition("Programmed")
    assert status == "True", message
    where = f"(Deployment web/{deployed.name}: MinimumReplicasUnavailable"
    assert f"The {deployed.service.noun} is not available {where}" in message


@EACH
def test_it_is_told_why_a_pod_fails(deployed: Deployed) -> None:
    """Its pods have the labels of those that are watched, and their failures are told like those of proxies."""
    found = cluster(gateway(), deployed.policy(), LOAD_BALANCER, endpoint_slice(resource_name(GATEWAY)))
    found.deliver()
    usual = found.condition("Programmed")
    template = deployed.body(found)["spec"]["template"]
    labels = ", ".join(f"{key}: {value}" for key, value in template["metadata"]["labels"].items())
    container = template["spec"]["containers"][-1]["name"]
    waiting = "{waiting: {reason: ImagePullBackOff, message: 'ErrImagePull: not found'}}"
    pod = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {deployed.name}-x, namespace: web, labels: {{{labels}}}}}
status: {{containerStatuses: [{{name: {container}, state: {waiting}}}]}}
"""
    found.apply(pod)
    text = f"Pod {deployed.name}-x: the image of container {container} cannot be pulled (not found)."
    assert found.condition("Programmed") == (*usual[:2], f"{usual[2]} {text}")
    found.apply(pod.replace(f"state: {waiting}", "ready: true"))
    assert found.condition("Programmed") == usual


@EACH
def test_no_other_object_has_the_name(deployed: Deployed) -> None:
    """The objects of proxies begin otherwise, and names that are too long end in a hash."""
    prefix = deployed.service.prefix
    for name in ("shop", f"{prefix}-headgate-shop", "headgate-shop", "a" * 63):
        found = own_service_name(prefix, Ref("Gateway", "web", name))
        assert found.startswith(f"{prefix}-headgate-")
        assert len(found) <= 63
