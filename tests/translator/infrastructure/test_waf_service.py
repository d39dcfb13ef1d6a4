"""The web application firewall of a Gateway: when it is deployed, how proxies find it, and what its pod runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.translator.infrastructure.gateways import (
    GATEWAY,
    IN_CLUSTER,
    Cluster,
    gateway,
    parameters,
    service,
    with_parameters,
)
from translator.backends.waf_service import DEPLOYED
from translator.envoy.names import cluster_name
from translator.infrastructure.names import owned_by, resource_name, waf_name
from translator.refs import Ref
from xds import ENDPOINT, Reference

IMAGE = "headgate:test"
NAME = "waf-headgate-shop"
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: web}
spec: {parentRefs: [{name: shop}], rules: [{backendRefs: [{name: a, port: 80}]}]}
"""
BACKEND = """
apiVersion: v1
kind: Service
metadata: {name: a, namespace: web}
spec: {ports: [{port: 80}]}
"""
SLICE = f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: x, namespace: web, labels: {{kubernetes.io/service-name: {NAME}}}}}
addressType: IPv4
endpoints: [{{addresses: [10.1.2.3], conditions: {{ready: true}}}}]
ports: [{{name: grpc, port: 8081, protocol: TCP}}]
"""
SERVICE = f"""
apiVersion: v1
kind: Service
metadata: {{name: {NAME}, namespace: web}}
spec: {{ports: [{{name: grpc, port: 8081, appProtocol: kubernetes.io/h2c}}]}}
"""


def policy(fields: str = "{}", target: str = "{group: gateway.networking.k8s.io, kind: Gateway, name: shop}") -> str:
    """Return a policy with a firewall."""
    return f"""
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: p, namespace: web}}
spec: {{targetRefs: [{target}], waf: {fields}}}
"""


def cluster(*objects: str, image: str = IMAGE) -> Cluster:
    """Return a cluster whose operator says the image of the firewall."""
    return Cluster(*objects, settings=replace(IN_CLUSTER, waf_image=image))


def own(found: Cluster) -> list[tuple[str, str]]:
    """Return the kinds and names of the manifests that are none of the proxies'."""
    assert found.proxies is not None
    refs = [each.ref for each in found.proxies.manifests]
    return [(each.kind, each.name) for each in refs if each.name != resource_name(GATEWAY)]


@pytest.mark.parametrize("kind", ["Gateway", "HTTPRoute"])
def test_it_is_deployed_where_a_policy_needs_it(kind: str) -> None:
    """It comes with the first policy that names no service, behind the proxies' objects, and goes with the last."""
    name = "shop" if kind == "Gateway" else "r"
    target = f"{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}"
    found = cluster(gateway(), ROUTE, BACKEND)
    assert own(found) == []
    found.apply(policy(target=target))
    assert own(found) == [("Service", NAME), ("Deployment", NAME)]
    found.apply(policy("{disable: {}}", target))
    assert own(found) == []
    found.apply(policy(target=target))
    found.remove(Ref("TrafficPolicy", "web", "p"))
    assert own(found) == []


def test_without_an_image_nothing_is_deployed() -> None:
    """Where the operator says no image, the policy closes, and its status says the option."""
    found = cluster(gateway(), ROUTE, BACKEND, policy(), image="")
    assert own(found) == []
    status = found.translator.statuses[Ref("TrafficPolicy", "web", "p")]
    assert "--waf-image" in str(status)


def test_its_pods_are_none_of_the_proxies() -> None:
    """No Service of the proxies selects its pods, which are as unprivileged as these, and run Headgate's own image."""
    found = cluster(gateway(), ROUTE, BACKEND, policy())
    assert found.proxies is not None
    bodies = {(each.ref.kind, each.ref.name): each.body for each in found.proxies.manifests}
    proxies = bodies["Service", resource_name(GATEWAY)]["spec"]["selector"]
    deployment = bodies["Deployment", NAME]
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert not proxies.items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"] == bodies["Service", NAME]["spec"]["selector"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert deployment["metadata"]["ownerReferences"][0]["name"] == "shop"
    watched = dict(each.split("=") for each in owned_by("gateway.headgate.dev/controller").split(","))
    assert watched.items() <= labels.items()
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    (container,) = spec["containers"]
    assert (container["image"], container["args"][0]) == (IMAGE, "waf")
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_proxies_find_their_own() -> None:
    """The endpoints of its cluster are those of the Gateway's own service."""
    found = cluster(gateway(), ROUTE, BACKEND, policy())
    name = Reference(ENDPOINT, cluster_name(DEPLOYED))

    def assignment() -> bytes:
        resource = found.translator.snapshots[GATEWAY].get(name)
        assert resource is not None
        return resource.body

    assert b"10.1.2.3" not in assignment()
    found.apply(SERVICE, SLICE)
    assert b"10.1.2.3" in assignment()


def test_parameters() -> None:
    """The image, the pods and their template are as the parameters say."""
    spec = """{wafService: {image: "mine:1", replicas: 3, podTemplate: {spec: {nodeSelector: {disk: ssd}, containers: [
      {name: waf, env: [{name: HEADGATE_WAF_PROCESSES, value: "4"}]}]}}}}"""
    found = cluster(parameters(spec), with_parameters(), ROUTE, BACKEND, policy())
    assert found.proxies is not None
    body = next(each.body for each in found.proxies.manifests if each.ref == Ref("Deployment", "web", NAME))
    assert body["spec"]["replicas"] == 3
    pod = body["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["env"]) == ("mine:1", [{"name": "HEADGATE_WAF_PROCESSES", "value": "4"}])
    assert pod["nodeSelector"] == {"disk": "ssd"}


def test_it_is_told_that_it_is_not_available() -> None:
    """The condition Programmed of the Gateway says so, and stays True."""
    deployment = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {NAME}, namespace: web}}
status:
  conditions:
  - {{type: Available, status: "False", reason: MinimumReplicasUnavailable, message: Too few.}}
"""
    slices = SLICE.replace(NAME, resource_name(GATEWAY)).replace("name: x,", "name: y,")
    load_balancer = service("status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}")
    found = cluster(gateway(), ROUTE, BACKEND, policy(), load_balancer, slices, deployment)
    found.deliver()
    status, _, message = found.condition("Programmed")
    assert status == "True", message
    assert f"The web application firewall is not available (Deployment web/{NAME}: MinimumReplicas" in message


def test_no_other_object_has_the_name() -> None:
    """The objects of proxies begin otherwise, and names that are too long end in a hash."""
    for name in ("shop", "waf-headgate-shop", "headgate-shop", "a" * 63):
        found = waf_name(Ref("Gateway", "web", name))
        assert found.startswith("waf-headgate-")
        assert len(found) <= 63
