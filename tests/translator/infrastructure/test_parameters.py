"""Invalid parameters, and the proxies that they leave unchanged."""

from __future__ import annotations

import pytest
import yaml

from tests.translator.infrastructure.gateways import (
    CLASS,
    CLASS_WITH_PARAMETERS,
    Cluster,
    gateway,
    parameters,
    with_parameters,
)
from tests.translator.objects.written import errors
from translator.infrastructure.manifest import PAUSED
from translator.inputs import ApplyResult, Edit, Settings
from translator.outcome import Problem
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator

MINE = Ref("GatewayParameters", "web", "mine")
CLASS_REF = Ref("GatewayClass", "", "headgate")


def invalid(cluster: Cluster) -> str:
    """Return the message of the Gateway's Accepted condition, which is False because of its parameters."""
    status, reason, message = cluster.condition("Accepted")
    assert (status, reason) == ("False", "InvalidParameters")
    assert cluster.condition("Programmed")[:2] == ("False", "Invalid")
    return message


def test_missing_parameters() -> None:
    """The message names them, and nothing is deployed until they exist."""
    cluster = Cluster(with_parameters())
    assert invalid(cluster) == "spec.infrastructure.parametersRef: there is no GatewayParameters web/mine; create it."
    assert cluster.proxies == PAUSED
    cluster.apply(parameters("{}"))
    assert cluster.condition("Accepted")[0] == "True"
    assert len(cluster.kinds) == 4


def test_parameters_of_another_kind() -> None:
    """The message names the existing kind."""
    cluster = Cluster(gateway("infrastructure: {parametersRef: {group: example.com, kind: Other, name: mine}}"))
    assert "use GatewayParameters of group gateway.headgate.dev" in invalid(cluster)


def test_parameters_of_the_class() -> None:
    """Their problems are reported by the class and its Gateways; they need a namespace."""
    cluster = Cluster(CLASS_WITH_PARAMETERS, gateway())
    assert cluster.condition("Accepted", CLASS_REF)[:2] == ("False", "InvalidParameters")
    assert "there is no GatewayParameters system/all" in invalid(cluster)
    cluster.apply(CLASS_WITH_PARAMETERS.replace(", namespace: system", ""))
    assert "spec.parametersRef.namespace: is required" in invalid(cluster)
    cluster.apply(CLASS_WITH_PARAMETERS, parameters("{}", "all", "system"))
    assert (
        cluster.condition("Accepted", MINE._replace(namespace="system", name="all"))[2] == "The parameters are valid."
    )
    assert cluster.condition("Accepted", CLASS_REF)[0] == "True"
    assert cluster.condition("Accepted")[0] == "True"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{replicas: -1}", "spec.replicas: must be at least 0"),
        ("{bootstrap: {nothing: 1}}", 'no field named "nothing"'),
        ("{bootstrap: {static_resources: {clusters: [{name: ''}]}}}", "clusters[4].name: value length"),
        ("{bootstrap: {stats_sinks: [{name: x, typed_config: {'@type': a/b.C}}]}}", "has no type a/b.C"),
        ("{podTemplate: {spec: []}}", "spec must be an object"),
        ("{podTemplate: {metadata: {labels: [a]}}}", ""),
        ("{podTemplate: {spec: {containers: [{image: x}]}}}", "must have a name"),
        ("{podTemplate: {spec: {containers: null}}}", "must be a list of containers"),
        ("{podTemplate: {spec: {serviceAccountName: other}}}", "spec.serviceAccountName is how a proxy proves"),
        ("{podTemplate: {spec: {volumes: null}}}", "spec.volumes: config is how"),
        ("{podTemplate: {spec: {volumes: [{name: token, emptyDir: {}}]}}}", "spec.volumes: token is how"),
        ("{podTemplate: {spec: {containers: [{name: envoy, volumeMounts: null}]}}}", "envoy: /etc/headgate is how"),
        (
            "{podTemplate: {spec: {containers: [{name: envoy, "
            "volumeMounts: [{mountPath: /var/run/secrets/headgate, name: config}]}]}}}",
            "envoy: /var/run/secrets/headgate is how",
        ),
        (
            "{podTemplate: " + "{a: " * 120 + "1" + "}" * 120 + "}",
            "podTemplate of the GatewayParameters has more",
        ),
        ("{bootstrap: " + "{a: " * 120 + "1" + "}" * 120 + "}", "levels"),
    ],
)
def test_invalid_parameters_keep_the_last_manifests(spec: str, words: str) -> None:
    """The Gateway reports the problem, and the last manifests stay."""
    cluster = Cluster(parameters("{replicas: 2}"), with_parameters())
    before = cluster.proxies
    cluster.apply(parameters(spec))
    if words:
        assert words in invalid(cluster)
        assert cluster.proxies == before
        assert cluster.changes.deployments == {}
    cluster.apply(parameters("{replicas: 3}"))
    assert cluster.condition("Accepted")[0] == "True"
    assert cluster.body("Deployment")["spec"]["replicas"] == 3


def test_parameters_that_are_invalid_together() -> None:
    """Parameters that are valid alone, but not merged, are reported at the Gateway."""
    cluster = Cluster(
        CLASS_WITH_PARAMETERS,
        parameters("{hpa: {maxReplicas: 3}}", "all", "system"),
        parameters("{kind: DaemonSet}"),
        with_parameters(),
    )
    assert "do not go together: hpa must not be set where kind is DaemonSet" in invalid(cluster)
    assert cluster.condition("Accepted", MINE)[0] == "True"


def test_a_null_of_the_gateway_reaches_the_pod() -> None:
    """A field that the Gateway's parameters set to null is removed, even if those of the class set it."""
    cluster = Cluster(
        CLASS_WITH_PARAMETERS,
        parameters("{podTemplate: {spec: {nodeSelector: {a: b}}}}", "all", "system"),
        parameters("{podTemplate: {spec: {nodeSelector: null, securityContext: null}}}"),
        with_parameters(),
    )
    spec = cluster.body("Deployment")["spec"]["template"]["spec"]
    assert "nodeSelector" not in spec
    assert "securityContext" not in spec


def test_parameters_have_a_status() -> None:
    """It reports whether they are valid alone, used or not."""
    cluster = Cluster(parameters("{replicas: 2}"))
    assert cluster.condition("Accepted", MINE)[:2] == ("True", "Accepted")
    assert cluster.condition("Accepted", MINE)[2].endswith("No Gateway of Headgate's uses them.")
    cluster.apply(with_parameters())
    assert cluster.condition("Accepted", MINE)[2] == "The parameters are valid."
    for spec, words in (
        ("{bootstrap: {nothing: 1}}", 'no field named "nothing"'),
        ("{podTemplate: {spec: {serviceAccountName: other}}}", "spec.serviceAccountName is how a proxy proves"),
        ("{podTemplate: " + "{a: " * 120 + "1" + "}" * 120 + "}", "levels"),
    ):
        cluster.apply(parameters(spec))
        assert cluster.condition("Accepted", MINE)[:2] == ("False", "Invalid")
        assert words in cluster.condition("Accepted", MINE)[2]
    cluster.apply(parameters("{replicas: x}"))
    assert "spec.replicas" in cluster.condition("Accepted", MINE)[2]


def test_an_invalid_gateway_keeps_its_objects() -> None:
    """Whether it was valid before or not, none of its objects is deleted."""
    bad = gateway("addresses: nonsense")
    assert Cluster(bad).proxies == PAUSED
    cluster = Cluster(gateway())
    before = cluster.proxies
    cluster.apply(bad)
    assert cluster.proxies == before


@pytest.mark.parametrize(("condition", "reason"), [("Accepted", "InvalidParameters"), ("Programmed", "NoResources")])
def test_rejections_by_the_api_server(condition: str, reason: str) -> None:
    """They are in the Gateway's condition while they last; the manifests stay the same."""
    cluster = Cluster(gateway())
    before = cluster.proxies
    cluster.deployed(ApplyResult((Problem(condition, reason, "No."),)))
    assert cluster.condition(condition)[:2] == ("False", reason)
    assert cluster.proxies == before
    cluster.deployed(None)
    assert cluster.condition("Accepted")[0] == "True"


def test_standalone_there_are_no_manifests() -> None:
    """Without a cluster, there are no manifests, and parameters are reported as unused."""
    translator = Translator(Settings())
    for text in (CLASS, with_parameters()):
        found = KINDS.parse(yaml.safe_load(text)).object
        assert found is not None
        translator.edit([Edit(found.ref, found)])
    assert translator.evaluate().deployments == {}


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("{kind: StatefulSet}", "spec.kind: must be Deployment or DaemonSet, not 'StatefulSet'"),
        ("{service: {type: ExternalName}}", "spec.service.type: must be ClusterIP, NodePort or LoadBalancer"),
        ("{service: {type: ClusterIP, loadBalancerClass: a/b}}", "spec.service.loadBalancerClass: must not be set"),
        ("{service: {type: ClusterIP, externalTrafficPolicy: Local}}", "spec.service.externalTrafficPolicy: must not"),
        (
            "{service: {type: NodePort, loadBalancerSourceRanges: [10.0.0.0/8]}}",
            "spec.service.loadBalancerSourceRanges: must",
        ),
        ("{service: {type: NodePort, allocateLoadBalancerNodePorts: true}}", "spec.service.allocateLoadBalancerNodeP"),
        ("{service: {ipFamilies: [IPv5]}}", "spec.service.ipFamilies[0]: must be IPv4 or IPv6"),
        ("{service: {type: ClusterIP, ports: [{port: 1, nodePort: 2}]}}", "spec.service.ports: must not have a nodeP"),
        ("{service: {ports: [{port: 1}, {port: 1}]}}", "spec.service.ports[1]: has the port of an earlier entry"),
        ("{hpa: {minReplicas: 3, maxReplicas: 2}}", "spec.hpa.maxReplicas: must be at least minReplicas"),
        ("{hpa: {}}", "spec.hpa.maxReplicas: is required"),
        ("{pdb: {}}", "spec.pdb: must have either minAvailable or maxUnavailable"),
        ("{pdb: {minAvailable: half}}", "spec.pdb.minAvailable: must be a number of pods, or a percentage, like 50%"),
        ("{pdb: {minAvailable: true}}", "spec.pdb.minAvailable: must be a number of pods"),
        ("{stats: {includePrefixes: [a], excludePrefixes: [b]}}", "spec.stats.excludePrefixes: must not be set"),
        ("{logLevel: loud}", "spec.logLevel: must be"),
        ("{concurrency: 0}", "spec.concurrency: must be at least 1"),
        ("{drainSeconds: 1h}", "spec.drainSeconds: must be a whole number, not a string"),
        ("{extraArgs: ['']}", "spec.extraArgs[0]: must not be empty"),
        ("{kind: DaemonSet, hpa: {maxReplicas: 2}}", "spec.hpa: must not be set where kind is DaemonSet"),
    ],
)
def test_mistakes_name_the_field(spec: str, error: str) -> None:
    """Each message names the field and a valid value."""
    found = errors(parameters(spec))
    assert any(each.startswith(error) for each in found), found
