"""Values of the chart: another valid value of each, its effect, and an invalid one."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Value(NamedTuple):
    """A value of the chart.

    Attributes:
        path: its path in values.yaml.
        other: a valid value that differs from the default.
        changes: the kinds of the objects that it changes.
        wrong: an invalid value.
        besides: other values to set with `other`, in the form of `--set`.
    """

    path: str
    other: Any
    changes: frozenset[str]
    wrong: Any
    besides: str = ""


_BINDINGS: Final = ("ClusterRoleBinding", "RoleBinding")
_NAMED: Final = (
    "Deployment",
    "Service",
    "ServiceAccount",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ClusterRole",
    "Role",
    *_BINDINGS,
)


def _value(path: str, other: Any, *changes: str, wrong: Any, besides: str = "") -> Value:
    return Value(path, other, frozenset(changes or ("Deployment",)), wrong, besides)


VALUES: Final = (
    _value("image.repository", "registry.example/headgate", wrong=""),
    _value("image.tag", "v9@sha256:12", wrong=9),
    _value("image.pullPolicy", "Always", wrong="Sometimes"),
    _value("imagePullSecrets", [{"name": "pull"}], wrong=["pull"]),
    _value("replicas", 3, wrong=-1),
    _value("controllerName", "example.com/blue", "Deployment", "GatewayClass", wrong="nobody"),
    _value("gatewayClass.create", False, "GatewayClass", wrong="no"),
    _value("gatewayClass.name", "blue", "GatewayClass", wrong="Blue"),
    _value("gatewayClass.finalizer", True, wrong="yes"),
    _value("gatewayClass.parametersRef", {"name": "p", "namespace": "n"}, "GatewayClass", wrong={"name": "p"}),
    _value("crds.enabled", False, "CustomResourceDefinition", wrong="no"),
    _value("watch.namespaces", ["a", "b"], "Deployment", *_BINDINGS, wrong=["A_B"]),
    _value("watch.namespaceLabels", "team=web", wrong=["team=web"]),
    _value("proxy.image", "registry.example/envoy:1", wrong=1),
    _value("waf.image", "registry.example/headgate:1", wrong=1),
    _value("externalNames", True, wrong="yes"),
    _value("allowHttpIssuers", True, wrong="yes"),
    _value("templateEnv", ["POD_NAME", "TEAM"], wrong=["A-B"]),
    _value("allowLua", True, wrong="yes"),
    _value("allowWasm", True, wrong="yes"),
    _value("dynamicModules", {"a": "/m/liba.so"}, wrong={"a": "liba.so"}),
    _value("localBackends", True, wrong="yes"),
    _value("scopedHostnames", 0, wrong=-1),
    _value("accessLogFolder", "/var/log/proxy", wrong="logs"),
    _value("gcpMetadataServer", "169.254.169.254:80", wrong="metadata"),
    _value("gcpAudiences", ["https://a.example"], wrong=["a b"]),
    _value("policyNamespaces", ["a", "b"], wrong=["A_B"]),
    _value("policyAffected", True, wrong="yes"),
    _value("delegationWithoutGrants", True, wrong="yes"),
    _value("log.level", "debug", wrong="loud"),
    _value("log.format", "console", wrong="xml"),
    _value(
        *("serviceAccount.create", False, "ServiceAccount", "Deployment", *_BINDINGS),
        wrong="no",
        besides="serviceAccount.name=mine",
    ),
    _value("serviceAccount.name", "mine", "ServiceAccount", "Deployment", *_BINDINGS, wrong="A_B"),
    _value("serviceAccount.annotations", {"a": "b"}, "ServiceAccount", wrong={"a": 1}),
    _value("service.annotations", {"a": "b"}, "Service", wrong={"a": 1}),
    _value("podDisruptionBudget.enabled", False, "PodDisruptionBudget", wrong="no"),
    _value("podDisruptionBudget.minAvailable", "50%", "PodDisruptionBudget", wrong="half"),
    _value("networkPolicy.enabled", False, "NetworkPolicy", wrong="no"),
    _value("networkPolicy.xdsFrom", [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "NetworkPolicy", wrong=["10.0.0.0/8"]),
    _value("networkPolicy.adminFrom", [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "NetworkPolicy", wrong="all"),
    _value(
        *("monitoring.labels", {"a": "b"}, "PodMonitor", "PrometheusRule"),
        wrong={"a": 1},
        besides="monitoring.podMonitors.enabled=true,monitoring.prometheusRule.enabled=true",
    ),
    _value("monitoring.podMonitors.enabled", True, "PodMonitor", wrong="yes"),
    _value(
        *("monitoring.podMonitors.interval", "1m30s", "PodMonitor"),
        wrong="often",
        besides="monitoring.podMonitors.enabled=true",
    ),
    _value("monitoring.prometheusRule.enabled", True, "PrometheusRule", wrong="yes"),
    _value("monitoring.dashboards.enabled", True, "ConfigMap", wrong="yes"),
    _value(
        *("monitoring.dashboards.labels", {"a": "b"}, "ConfigMap"),
        wrong={"a": 1},
        besides="monitoring.dashboards.enabled=true",
    ),
    _value(
        *("monitoring.dashboards.annotations", {"grafana_folder": "b"}, "ConfigMap"),
        wrong={"a": 1},
        besides="monitoring.dashboards.enabled=true",
    ),
    _value("resources", {"limits": {"memory": "1Gi"}}, wrong="1Gi"),
    _value("podAnnotations", {"a": "b"}, wrong={"a": 1}),
    _value("podLabels", {"a": "b"}, wrong={"a": 1}),
    _value("fullnameOverride", "blue", *_NAMED, wrong="Blue"),
    _value("nodeSelector", {"a": "b"}, wrong={"a": 1}),
    _value("tolerations", [{"operator": "Exists"}], wrong=["Exists"]),
    _value("affinity", {"podAntiAffinity": {}}, wrong=[]),
    _value("priorityClassName", "system-cluster-critical", wrong=1),
    _value("extraEnv", [{"name": "A", "value": "b"}], wrong=[{"value": "b"}]),
)
