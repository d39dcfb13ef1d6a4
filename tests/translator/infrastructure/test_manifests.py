"""Manifests of a Gateway's proxies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tests.translator.infrastructure.gateways import (
    CLASS,
    CLASS_WITH_PARAMETERS,
    GATEWAY,
    NAME,
    Cluster,
    gateway,
    parameters,
    with_parameters,
)
from translator.infrastructure.bootstrap import drain_path
from translator.infrastructure.manifest import PAUSED
from translator.infrastructure.names import resource_name
from translator.inputs import ProxyDefaults
from translator.refs import Ref

EXAMPLES = Path(__file__).parents[3] / "examples" / "parameters"


LISTENER_SET = """
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: team}
spec:
  parentRef: {name: shop, namespace: web}
  listeners:
  - {name: same, port: 80, protocol: HTTP, hostname: more.example.com}
  - {name: tcp, port: 8443, protocol: TCP}
  - {name: udp, port: 8443, protocol: UDP}
  - {name: odd, port: 9443, protocol: example.com/odd}
"""


def configured(spec: str) -> Cluster:
    """Return a cluster with a Gateway and its parameters."""
    return Cluster(parameters(spec), with_parameters())


def container(cluster: Cluster, kind: str = "Deployment") -> Any:
    """Return Envoy's container."""
    containers = cluster.body(kind)["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == "envoy")


def test_manifests_without_parameters() -> None:
    """A Deployment behind a load balancer, with one port of the Service for each port of the listeners."""
    cluster = Cluster(gateway(ports=(8080, 80)))
    assert cluster.kinds == ["ServiceAccount", "ConfigMap", "Service", "Deployment"]
    assert cluster.body("Service")["spec"] == {
        "type": "LoadBalancer",
        "selector": cluster.body("Deployment")["spec"]["selector"]["matchLabels"],
        "ports": [
            {"name": "tcp-80", "port": 80, "targetPort": 80, "protocol": "TCP"},
            {"name": "tcp-8080", "port": 8080, "targetPort": 8080, "protocol": "TCP"},
        ],
    }


def test_the_pod_is_unprivileged() -> None:
    """It satisfies the Pod Security Standard "restricted", and may bind low ports nevertheless."""
    spec = Cluster(gateway()).body("Deployment")["spec"]["template"]["spec"]
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    of_container = spec["containers"][0]["securityContext"]
    assert of_container["capabilities"] == {"drop": ["ALL"]}
    assert of_container["readOnlyRootFilesystem"] is True
    assert of_container["allowPrivilegeEscalation"] is False
    assert spec["automountServiceAccountToken"] is False


def test_all_objects_belong_to_the_gateway() -> None:
    """Each object has the Gateway as its owner, the identifying labels, and those of the Gateway's infrastructure."""
    wishes = "labels: {team: web, app.kubernetes.io/managed-by: me}, annotations: {note: here}, "
    cluster = Cluster(parameters("{pdb: {minAvailable: 1}, hpa: {maxReplicas: 3}}"), with_parameters(wishes))
    assert cluster.proxies is not None
    owner = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "shop", "uid": "1234"}
    for each in cluster.proxies.manifests:
        metadata = each.body["metadata"]
        assert (metadata["name"], metadata["namespace"], each.ref.name) == (NAME, "web", NAME)
        assert metadata["ownerReferences"] == [{**owner, "controller": True}]
        assert metadata["labels"]["gateway.networking.k8s.io/gateway-name"] == "shop"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "headgate"
        assert (metadata["labels"]["team"], metadata["annotations"]["note"]) == ("web", "here")
    assert len(cluster.proxies.manifests) == 6
    pod = cluster.body("Deployment")["spec"]["template"]["metadata"]
    assert (pod["labels"]["team"], pod["annotations"]["note"]) == ("web", "here")


@pytest.mark.parametrize("name", ["a" * 253, "9.to.5", "a.b", "x" * 63])
def test_names_are_valid(name: str) -> None:
    """For any name of a Gateway, names are DNS labels and label values are valid."""
    cluster = Cluster(gateway(name=name))
    (ref,) = cluster.translator.deployments
    manifests = cluster.translator.deployments[ref].manifests
    for each in manifests:
        assert re.fullmatch("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", each.ref.name)
        for value in each.body["metadata"]["labels"].values():
            assert re.fullmatch("([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value)


NAME_OF_GATEWAY = st.from_regex(
    r"[a-z0-9]([-a-z0-9]{0,3}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,3}[a-z0-9])?)*", fullmatch=True
)


@given(NAME_OF_GATEWAY | NAME_OF_GATEWAY.map(lambda name: name * 20), NAME_OF_GATEWAY)
@example("a.b", "a-b")
@example("a.b", resource_name(GATEWAY._replace(name="a.b")).removeprefix("headgate-"))
@example("x" * 63 + "1", "x" * 63 + "2")
def test_names_are_unique(one: str, other: str) -> None:
    """Gateways whose names would have the same DNS label have different ones, which no other name can take."""
    names = {resource_name(GATEWAY._replace(name=each)) for each in (one, other)}
    assert len(names) == len({one, other})
    assert all(re.fullmatch("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", each) for each in names)


def test_parameters_of_the_gateway_take_precedence() -> None:
    """They are merged over those of the class, field by field."""
    cluster = Cluster(
        CLASS_WITH_PARAMETERS,
        parameters("{replicas: 2, service: {type: NodePort, annotations: {a: '1', b: '1'}}}", "all", "system"),
        parameters("{service: {annotations: {b: '2'}}, logLevel: debug}"),
        with_parameters(),
    )
    service = cluster.body("Service")
    assert cluster.body("Deployment")["spec"]["replicas"] == 2
    assert (service["spec"]["type"], service["metadata"]["annotations"]) == ("NodePort", {"a": "1", "b": "2"})
    assert "debug" in container(cluster)["args"]


def test_a_daemonset() -> None:
    """It replaces the Deployment, and has no number of replicas."""
    cluster = configured("{kind: DaemonSet, replicas: 3}")
    assert cluster.kinds[-1] == "DaemonSet"
    assert "replicas" not in cluster.body("DaemonSet")["spec"]


def test_replicas() -> None:
    """The configured number; without one the field is left out, so that another controller may set it."""
    assert configured("{replicas: 3}").body("Deployment")["spec"]["replicas"] == 3
    assert "replicas" not in Cluster(gateway()).body("Deployment")["spec"]


@pytest.mark.parametrize(("kind", "field"), [("Deployment", "strategy"), ("DaemonSet", "updateStrategy")])
def test_the_update_strategy(kind: str, field: str) -> None:
    """No pod stops before its successor is ready, unless both need the same ports of a node, or it is configured."""

    def rolling(more: str) -> Any:
        return configured(f"{{kind: {kind}, {more}}}").body(kind)["spec"][field].get("rollingUpdate")

    assert rolling("") == {"maxUnavailable": 0, "maxSurge": "25%"}
    assert rolling("podTemplate: {spec: {hostNetwork: true}}") == {"maxUnavailable": 1, "maxSurge": 0}
    assert rolling("strategy: {type: Recreate, rollingUpdate: null}") is None


def test_an_autoscaler_sets_the_replicas() -> None:
    """With an autoscaler, the Deployment has no number of replicas."""
    cluster = configured("{replicas: 3, hpa: {minReplicas: 2, maxReplicas: 5}}")
    assert "replicas" not in cluster.body("Deployment")["spec"]
    spec = cluster.body("HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (2, 5, NAME)
    assert spec["metrics"][0]["resource"]["name"] == "cpu"


def test_a_disruption_budget() -> None:
    """It is for the same pods, and pods that are not ready do not count."""
    cluster = configured("{pdb: {maxUnavailable: 50%}}")
    assert cluster.body("PodDisruptionBudget")["spec"] == {
        "maxUnavailable": "50%",
        "selector": cluster.body("Deployment")["spec"]["selector"],
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def test_a_service_with_parameters() -> None:
    """The Service has the fields of the parameters, and its ports the configured node ports."""
    asked = {
        "type": "LoadBalancer",
        "loadBalancerClass": "example.com/lb",
        "externalTrafficPolicy": "Local",
        "loadBalancerSourceRanges": ["10.0.0.0/8"],
        "allocateLoadBalancerNodePorts": False,
        "ipFamilyPolicy": "RequireDualStack",
        "ipFamilies": ["IPv6", "IPv4"],
    }
    ports = [{"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 30081}]
    spec = configured(json.dumps({"service": {**asked, "ports": ports}})).body("Service")["spec"]
    assert {name: spec[name] for name in asked} == asked
    assert [each.get("nodePort") for each in spec["ports"]] == [30080]


def test_envoy_s_container() -> None:
    """Image, resources, log level, concurrency and further arguments; the node identifies Gateway and pod."""
    cluster = configured(
        "{image: example.com/envoy:1, concurrency: 2, logLevel: info, extraArgs: [--cpuset-threads], "
        "resources: {limits: {memory: 1Gi}}}"
    )
    found = container(cluster)
    assert (found["image"], found["resources"]) == ("example.com/envoy:1", {"limits": {"memory": "1Gi"}})
    arguments = " ".join(found["args"])
    assert "--service-cluster web/shop --service-node web/shop/$(POD_NAME) --service-zone $(POD_ZONE)" in arguments
    assert "--log-level info --disable-hot-restart --concurrency 2 --cpuset-threads" in arguments
    zone = next(each for each in found["env"] if each["name"] == "POD_ZONE")
    assert zone["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.labels['topology.kubernetes.io/zone']"}}
    assert found["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_a_pod_template_is_merged() -> None:
    """Containers and volumes are merged by name, others are added, and null removes a default."""
    cluster = configured("""
      podTemplate:
        metadata: {annotations: {mine: 'yes'}, labels: {gateway.networking.k8s.io/gateway-name: other}}
        spec:
          priorityClassName: high
          securityContext: {sysctls: null}
          tolerations: [{key: edge}]
          volumes: [{name: extra, emptyDir: {}}]
          containers:
          - {name: envoy, env: [{name: MORE, value: x}], volumeMounts: [{name: extra, mountPath: /extra}]}
          - {name: sidecar, image: example.com/sidecar}
    """)
    template = cluster.body("Deployment")["spec"]["template"]
    spec = template["spec"]
    assert [each["name"] for each in spec["containers"]] == ["envoy", "sidecar"]
    assert [each["name"] for each in spec["volumes"]] == ["config", "token", "extra"]
    assert [each["mountPath"] for each in container(cluster)["volumeMounts"]][-1] == "/extra"
    assert [each["name"] for each in container(cluster)["env"]] == ["POD_NAME", "POD_ZONE", "MORE"]
    assert "sysctls" not in spec["securityContext"]
    assert (spec["priorityClassName"], spec["tolerations"]) == ("high", [{"key": "edge"}])
    assert template["metadata"]["annotations"]["mine"] == "yes"
    assert template["metadata"]["labels"]["gateway.networking.k8s.io/gateway-name"] == "shop"


def test_the_host_network_has_no_sysctls() -> None:
    """In the host network, Kubernetes rejects network sysctls, so they are left out."""
    spec = configured("{podTemplate: {spec: {hostNetwork: true}}}").body("Deployment")["spec"]["template"]["spec"]
    assert "sysctls" not in spec["securityContext"]


def bootstrap_of(cluster: Cluster) -> Any:
    """Return Envoy's bootstrap."""
    return json.loads(cluster.body("ConfigMap")["data"]["bootstrap.json"])


def test_a_bootstrap_is_merged() -> None:
    """Clusters and listeners are merged by name; pods are replaced when it changes."""
    before = Cluster(gateway())
    after = configured("""
      bootstrap:
        stats_flush_interval: 10s
        static_resources: {clusters: [{name: xds, connect_timeout: 3s}]}
    """)
    made = bootstrap_of(after)
    xds = next(each for each in made["static_resources"]["clusters"] if each["name"] == "xds")
    assert (made["stats_flush_interval"], xds["connect_timeout"], xds["type"]) == ("10s", "3s", "STRICT_DNS")
    assert _hash(before) != _hash(after)


def _hash(cluster: Cluster) -> str:
    annotations = cluster.body("Deployment")["spec"]["template"]["metadata"]["annotations"]
    return str(annotations["gateway.headgate.dev/bootstrap-hash"])


def test_a_new_authority_replaces_no_pods() -> None:
    """Its certificate is in the ConfigMap, which running proxies reread."""
    cluster = Cluster(gateway())
    before = cluster.body("Deployment")
    cluster.translator.set_proxy_defaults(ProxyDefaults(ca="new"))
    cluster.evaluate()
    assert cluster.body("ConfigMap")["data"]["ca.crt"] == "new"
    assert cluster.body("Deployment") == before


def test_statistics() -> None:
    """Prometheus discovers the pods, unless disabled; statistics can be selected by prefix."""
    annotations = Cluster(gateway()).body("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "9091"
    cluster = configured("{stats: {prometheus: false, includePrefixes: [http]}}")
    made = bootstrap_of(cluster)
    assert [each["name"] for each in made["static_resources"]["listeners"]] == ["readiness"]
    assert made["stats_config"]["stats_matcher"] == {"inclusion_list": {"patterns": [{"prefix": "http"}]}}
    assert "prometheus.io/port" not in cluster.body("Deployment")["spec"]["template"]["metadata"]["annotations"]


def test_the_drain() -> None:
    """Before it stops, a pod drains at a path that cannot be guessed, with enough time."""
    cluster = configured("{drainSeconds: 30}")
    spec = cluster.body("Deployment")["spec"]["template"]["spec"]
    path = container(cluster)["lifecycle"]["preStop"]["httpGet"]["path"]
    assert path in cluster.body("ConfigMap")["data"]["bootstrap.json"]
    assert spec["terminationGracePeriodSeconds"] > 30
    assert drain_path("uid", b"one") != drain_path("uid", b"two") != drain_path("other", b"two")
    none = configured("{drainSeconds: 0}")
    assert "lifecycle" not in container(none)
    assert "/drain/" not in none.body("ConfigMap")["data"]["bootstrap.json"]


def test_self_managed_proxies() -> None:
    """With selfManaged nothing is deployed, and the Gateway is served nevertheless."""
    cluster = configured("{selfManaged: true}")
    assert cluster.proxies is not None
    assert (cluster.proxies.manifests, cluster.proxies.paused) == ((), False)
    assert GATEWAY in cluster.translator.snapshots
    cluster.deliver()
    assert cluster.condition("Programmed")[0] == "True"


def test_an_added_listener_replaces_no_pods() -> None:
    """It changes the Service and nothing else."""
    cluster = Cluster(gateway())
    before = {each.ref.kind: each for each in cluster.translator.deployments[GATEWAY].manifests}
    cluster.apply(gateway(ports=(80, 8443)))
    after = {each.ref.kind: each for each in cluster.translator.deployments[GATEWAY].manifests}
    assert [kind for kind in after if after[kind] != before[kind]] == ["Service"]


def test_listener_sets_add_ports() -> None:
    """The Service has the ports of a ListenerSet's valid listeners too, and no longer once the set is gone."""
    cluster = Cluster(gateway("allowedListeners: {namespaces: {from: All}}"))

    def ports() -> list[str]:
        return [each["name"] for each in cluster.body("Service")["spec"]["ports"]]

    cluster.apply(LISTENER_SET)
    assert ports() == ["tcp-80", "tcp-8443", "udp-8443"]
    assert cluster.translator.statuses[GATEWAY]["attachedListenerSets"] == 1
    cluster.remove(Ref("ListenerSet", "team", "more"))
    assert ports() == ["tcp-80"]


def test_a_deleted_gateway_has_no_manifests() -> None:
    """Nothing is deployed for it any more."""
    cluster = Cluster(gateway())
    cluster.remove(GATEWAY)
    assert cluster.changes.deployments == {GATEWAY: None}
    assert cluster.proxies is None


def test_a_deleted_class_keeps_the_proxies() -> None:
    """A Gateway whose class is deleted keeps its proxies; one whose class becomes another controller's does not."""
    cluster = Cluster(gateway())
    before = cluster.proxies
    cluster.remove(Ref("GatewayClass", "", "headgate"))
    assert cluster.proxies == before
    cluster.apply(CLASS.replace("gateway.headgate.dev/controller", "example.com/other"))
    assert cluster.proxies is None


def test_a_gateway_without_a_valid_listener() -> None:
    """Deployed objects stay; for a new Gateway, nothing is deployed."""
    assert Cluster(gateway(ports=(19000,))).proxies == PAUSED
    cluster = Cluster(gateway())
    before = cluster.proxies
    cluster.apply(gateway(ports=(19000,)))
    assert cluster.proxies == before


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples(path: Path) -> None:
    """The examples are valid, and can be deployed."""
    documents = [yaml.safe_dump(each) for each in yaml.safe_load_all(path.read_text()) if each["kind"] != "Ingress"]
    cluster = Cluster(*documents)
    assert cluster.translator.deployments
    for ref, proxies in cluster.translator.deployments.items():
        assert cluster.condition("Accepted", ref)[0] == "True"
        assert not proxies.paused
