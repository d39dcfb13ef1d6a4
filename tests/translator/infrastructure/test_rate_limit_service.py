"""The rate limit service of a Gateway: when it is deployed, how proxies find it, and what its pod runs."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from deploy.generate import tool
from tests.live.rate_limit_service import Redis, accepting, end
from tests.ports import free_port
from tests.translator.infrastructure.gateways import GATEWAY, Cluster, gateway, parameters, service, with_parameters
from translator.backends.rate_limit_service import DEPLOYED
from translator.envoy.names import cluster_name
from translator.infrastructure.names import owned_by, rate_limit_name, resource_name
from translator.infrastructure.rate_limit import CONFIGURATION, FILE, environment
from translator.refs import Ref
from xds import ENDPOINT, Reference

NAME = "ratelimit-headgate-shop"
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
POLICY = Ref("TrafficPolicy", "web", "p")


def policy(limits: str, target: str = "{group: gateway.networking.k8s.io, kind: Gateway, name: shop}") -> str:
    """Return a policy with global limits."""
    return f"""
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: p, namespace: web}}
spec: {{targetRefs: [{target}], rateLimit: {{global: {limits}}}}}
"""


RULES = "{rules: [{name: a, limit: {requests: 1, unit: Hour}}]}"


def own(cluster: Cluster) -> list[tuple[str, str]]:
    """Return the kinds and names of the manifests that are none of the proxies'."""
    assert cluster.proxies is not None
    refs = [each.ref for each in cluster.proxies.manifests]
    return [(each.kind, each.name) for each in refs if each.name != resource_name(GATEWAY)]


@pytest.mark.parametrize("kind", ["Gateway", "HTTPRoute"])
def test_it_is_deployed_where_a_policy_needs_it(kind: str) -> None:
    """It comes with the first limit that names no service, behind the proxies' objects, and goes with the last."""
    name = "shop" if kind == "Gateway" else "r"
    target = f"{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}"
    cluster = Cluster(gateway(), ROUTE, BACKEND)
    assert own(cluster) == []
    cluster.apply(policy(RULES, target))
    assert own(cluster) == [("ConfigMap", NAME), ("Service", NAME), ("Deployment", NAME)]
    cluster.apply(policy("{disable: {}}", target))
    assert own(cluster) == []
    cluster.apply(policy(RULES, target))
    cluster.remove(POLICY)
    assert own(cluster) == []


def test_its_pods_are_none_of_the_proxies() -> None:
    """No Service, budget or controller of the proxies selects its pods, which are as unprivileged as these."""
    cluster = Cluster(gateway(), ROUTE, BACKEND, policy(RULES))
    assert cluster.proxies is not None
    found = {(each.ref.kind, each.ref.name): each.body for each in cluster.proxies.manifests}
    proxies = found["Service", resource_name(GATEWAY)]["spec"]["selector"]
    deployment = found["Deployment", NAME]
    pod = deployment["spec"]["template"]
    assert not proxies.items() <= pod["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"] == found["Service", NAME]["spec"]["selector"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert deployment["metadata"]["ownerReferences"][0]["name"] == "shop"
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert [each["name"] for each in spec["containers"]] == ["ratelimit", "redis"]
    assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in spec["containers"])
    redis = spec["containers"][1]
    assert redis["args"][:2] == ["--bind", "127.0.0.1"]
    assert "ports" not in redis


def test_proxies_find_their_own() -> None:
    """The endpoints of its cluster are those of the Gateway's own service."""
    cluster = Cluster(gateway(), ROUTE, BACKEND, policy(RULES))
    name = Reference(ENDPOINT, cluster_name(DEPLOYED))

    def assignment() -> bytes:
        found = cluster.translator.snapshots[GATEWAY].get(name)
        assert found is not None
        return found.body

    assert b"10.1.2.3" not in assignment()
    cluster.apply(SERVICE, SLICE)
    assert b"10.1.2.3" in assignment()


def test_parameters() -> None:
    """Images, a Redis of the user's own, pods and their template are as the parameters say."""
    spec = """{rateLimitService: {image: "mine:1", redisAddress: "redis.infra:6379", replicas: 3, podTemplate: {spec: {
      nodeSelector: {disk: ssd}, containers: [{name: ratelimit, env: [{name: REDIS_AUTH, value: x}]}]}}}}"""
    cluster = Cluster(parameters(spec), with_parameters(), ROUTE, BACKEND, policy(RULES))
    assert cluster.proxies is not None
    found = next(each.body for each in cluster.proxies.manifests if each.ref == Ref("Deployment", "web", NAME))
    assert found["spec"]["replicas"] == 3
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert (container["image"], variables["REDIS_URL"], variables["REDIS_AUTH"]) == ("mine:1", "redis.infra:6379", "x")
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
    cluster = Cluster(gateway(), ROUTE, BACKEND, policy(RULES), load_balancer, slices, deployment)
    cluster.deliver()
    status, _, message = cluster.condition("Programmed")
    assert status == "True", message
    assert f"The rate limit service is not available (Deployment web/{NAME}: MinimumReplicasUnavailable" in message


def test_it_is_told_why_a_pod_fails() -> None:
    """Its pods have the labels of those that are watched, and their failures are told like those of proxies."""
    load_balancer = service("status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}")
    slices = SLICE.replace(NAME, resource_name(GATEWAY)).replace("name: x,", "name: y,")
    cluster = Cluster(gateway(), ROUTE, BACKEND, policy(RULES), load_balancer, slices)
    cluster.deliver()
    usual = cluster.condition("Programmed")
    assert cluster.proxies is not None
    found = next(each.body for each in cluster.proxies.manifests if each.ref == Ref("Deployment", "web", NAME))
    labels = found["spec"]["template"]["metadata"]["labels"]
    watched = dict(each.split("=") for each in owned_by("gateway.headgate.dev/controller").split(","))
    assert watched.items() <= labels.items()
    waiting = "{waiting: {reason: ImagePullBackOff, message: 'ErrImagePull: not found'}}"
    pod = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {NAME}-x, namespace: web, labels: {{{", ".join(f"{key}: {labels[key]}" for key in labels)}}}}}
status: {{containerStatuses: [{{name: redis, state: {waiting}}}]}}
"""
    cluster.apply(pod)
    text = f"Pod {NAME}-x: the image of container redis cannot be pulled (not found)."
    assert cluster.condition("Programmed") == (*usual[:2], f"{usual[2]} {text}")
    cluster.apply(pod.replace(f"state: {waiting}", "ready: true"))
    assert cluster.condition("Programmed") == usual


def test_no_other_gateway_has_the_name() -> None:
    """The objects of proxies begin otherwise, and names that are too long end in a hash."""
    for name in ("shop", "ratelimit-headgate-shop", "headgate-shop", "a" * 63):
        found = rate_limit_name(Ref("Gateway", "web", name))
        assert found.startswith("ratelimit-headgate-")
        assert len(found) <= 63


async def test_what_the_pod_runs(tmp_path: Path) -> None:
    """The real service starts with the environment of the pod, and its file as the kubelet lays out a volume."""
    redis, binary = shutil.which("redis-server"), tool("ratelimit")
    if redis is None:
        pytest.skip("there is no redis-server: install Debian's package of that name")
    if binary is None:
        pytest.skip("there is no ratelimit: `make tools` builds it")
    config = tmp_path / "config"
    (config / "..2026").mkdir(parents=True)
    (config / "..2026" / FILE).write_text(CONFIGURATION)
    (config / "..data").symlink_to("..2026")
    (config / FILE).symlink_to(f"..data/{FILE}")
    counts = Redis(redis)
    await counts.start()
    ports = {name: str(free_port()) for name in ("GRPC_PORT", "PORT", "DEBUG_PORT")}
    bound = dict.fromkeys(("HOST", "GRPC_HOST"), "127.0.0.1")
    variables = environment(f"127.0.0.1:{counts.port}") | ports | bound | {"RUNTIME_ROOT": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        binary, env=os.environ | variables, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await accepting(int(ports["GRPC_PORT"]), process)
        await accepting(int(ports["PORT"]), process)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ports["PORT"]))
        writer.write(b"GET /healthcheck HTTP/1.0\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ports["DEBUG_PORT"]))
        writer.write(b"GET /rlconfig HTTP/1.0\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
    finally:
        await end(process)
        await counts.stop()
