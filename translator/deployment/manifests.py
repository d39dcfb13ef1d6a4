"""The manifests of a Gateway's proxies, from parameters, listeners and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from translator.db import Db, ProxyDefaults
from translator.deployment import bootstrap
from translator.deployment.addresses import requested
from translator.deployment.manifest import HELD, KINDS, Manifest, Proxies
from translator.deployment.merge import TooDeep, merge, without_nulls
from translator.deployment.names import GATEWAY_CLASS_NAME, identity, label_value, resource_name, selector
from translator.deployment.parameters import parameters
from translator.deployment.pod import BOOTSTRAP_HASH, CONTAINER, metrics_annotations, pod_spec
from translator.gateway.gateways import managed
from translator.gateway.listeners import listeners
from translator.objects.gateway import Gateway
from translator.objects.gatewayclass import GatewayClass
from translator.objects.gatewayparameters import GatewayParametersSpec, HpaParameters
from translator.outcome import Outcome, Problem
from translator.query import query
from translator.refs import Ref

CPU_PERCENT: Final = 80
"""At how much of the requested CPU an autoscaler without metrics of its own aims."""


class Unfit(ValueError):
    """Parameters with which no proxies can be deployed; the text goes into the Gateway's condition."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the manifests of a Gateway follow from.

    Attributes:
        controller: the name of the controller, for the labels.
        ports: the ports that are served, with their transport protocol.
        addresses: the IP addresses that were asked for.
    """

    gateway: Gateway
    parameters: GatewayParametersSpec
    proxies: ProxyDefaults
    controller: str
    ports: tuple[tuple[int, str], ...]
    addresses: tuple[str, ...]

    @property
    def name(self) -> str:
        """What everything is called."""
        return resource_name(self.gateway.ref)

    @property
    def key(self) -> str:
        """The Gateway as "namespace/name"."""
        return f"{self.gateway.metadata.namespace}/{self.gateway.metadata.name}"


@query
def deployment(db: Db, gateway: Ref) -> Outcome[Proxies] | None:
    """What is to be deployed for a Gateway; None if it is none of ours. The problems are the Gateway's.

    A Gateway whose class is gone may still have been ours: what runs for it is not taken down for that.
    """
    found = db.get(Gateway, gateway)
    if found is None or db.settings.standalone:
        return None
    if not managed(db, gateway):
        of_class = db.get(GatewayClass, Ref(GatewayClass.kind, "", found.spec.gateway_class_name))
        return Outcome(HELD) if of_class is None else None
    chosen = parameters(db, gateway)
    if chosen.value is None:
        return Outcome(HELD, chosen.problems)
    if chosen.value.self_managed:
        return Outcome(Proxies())
    wanted = requested(db, gateway)
    ports = served_ports(db, gateway)
    if not ports or any(each.condition == "Accepted" for each in wanted.problems):
        return Outcome(HELD)
    plan = Plan(found, chosen.value, db.proxies, db.settings.controller_name, ports, wanted.value)
    try:
        return Outcome(Proxies(tuple(_manifests(plan))))
    except (Unfit, TooDeep) as error:
        return Outcome(HELD, (Problem("Accepted", "InvalidParameters", str(error)),))


@query
def served_ports(db: Db, gateway: Ref) -> tuple[tuple[int, str], ...]:
    """The ports of a Gateway's valid listeners, in order, with TCP or UDP."""
    states = (each for each in listeners(db, gateway) if each.accepted)
    return tuple(sorted({(each.port, "UDP" if each.protocol == "UDP" else "TCP") for each in states}))


def _manifests(plan: Plan) -> Iterator[Manifest]:
    drain_path = bootstrap.drain_path(plan.gateway.metadata.uid or plan.key)
    files = bootstrap.files(plan.proxies, plan.parameters, drain_path)
    if isinstance(files, str):
        raise Unfit(f"bootstrap of the GatewayParameters: {files}.")
    yield _manifest(plan, "ServiceAccount", {"automountServiceAccountToken": False}, _annotations(plan))
    yield _manifest(plan, "ConfigMap", {"data": dict(files)})
    yield _service(plan)
    yield _workload(plan, drain_path, files)
    if plan.parameters.hpa is not None:
        yield _manifest(plan, "HorizontalPodAutoscaler", {"spec": _hpa(plan.name, plan.parameters.hpa)})
    if plan.parameters.pdb is not None:
        budget = plan.parameters.pdb.model_dump(by_alias=True, exclude_none=True)
        spec = {**budget, "selector": {"matchLabels": selector(plan.gateway.ref)}}
        yield _manifest(plan, "PodDisruptionBudget", {"spec": spec})


def _manifest(
    plan: Plan,
    kind: str,
    content: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    meta = plan.gateway.metadata
    metadata: dict[str, Any] = {
        "name": plan.name,
        "namespace": meta.namespace,
        "labels": {**_labels(plan), **(labels or {}), **identity(plan.gateway.ref, plan.controller)},
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    if meta.uid:
        metadata["ownerReferences"] = [
            {
                "apiVersion": f"{Gateway.group}/{Gateway.versions[0]}",
                "kind": Gateway.kind,
                "name": meta.name,
                "uid": meta.uid,
                "controller": True,
            }
        ]
    model = KINDS[kind]
    version = f"{model.group}/{model.versions[0]}" if model.group else model.versions[0]
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
    return Manifest(Ref(kind, meta.namespace, plan.name), body)


def _labels(plan: Plan) -> dict[str, str]:
    """The labels of everything: the Gateway's own wishes first, then those that nobody may change."""
    infrastructure = plan.gateway.spec.infrastructure
    asked = dict(infrastructure.labels) if infrastructure is not None else {}
    class_name = label_value(plan.gateway.spec.gateway_class_name)
    return {**asked, GATEWAY_CLASS_NAME: class_name, **identity(plan.gateway.ref, plan.controller)}


def _annotations(plan: Plan) -> dict[str, str]:
    infrastructure = plan.gateway.spec.infrastructure
    return dict(infrastructure.annotations) if infrastructure is not None else {}


def _service(plan: Plan) -> Manifest:
    wanted = plan.parameters.service
    node_ports = {each.port: each.node_port for each in wanted.ports if each.node_port is not None}
    spec: dict[str, Any] = {
        "type": wanted.type,
        "selector": selector(plan.gateway.ref),
        "ports": [
            {
                "name": f"{protocol.lower()}-{port}",
                "port": port,
                "targetPort": port,
                "protocol": protocol,
                **({"nodePort": node_ports[port]} if port in node_ports else {}),
            }
            for port, protocol in plan.ports
        ],
    }
    if wanted.external_traffic_policy is not None:
        spec["externalTrafficPolicy"] = wanted.external_traffic_policy
    if wanted.load_balancer_class is not None:
        spec["loadBalancerClass"] = wanted.load_balancer_class
    if wanted.load_balancer_source_ranges:
        spec["loadBalancerSourceRanges"] = list(wanted.load_balancer_source_ranges)
    if plan.addresses and wanted.type == "LoadBalancer":
        spec["loadBalancerIP"] = plan.addresses[0]
    elif plan.addresses:
        spec["externalIPs"] = list(plan.addresses)
    annotations = {**_annotations(plan), **wanted.annotations}
    return _manifest(plan, "Service", {"spec": spec}, annotations, wanted.labels)


def _workload(plan: Plan, drain_path: str, files: Mapping[str, str]) -> Manifest:
    wanted = plan.parameters
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector(plan.gateway.ref)},
        "template": _template(plan, drain_path, files),
    }
    # An autoscaler has the say over the number otherwise, and a DaemonSet has none.
    if wanted.kind == "Deployment" and wanted.hpa is None:
        spec["replicas"] = 1 if wanted.replicas is None else wanted.replicas
    return _manifest(plan, wanted.kind, {"spec": spec})


def _template(plan: Plan, drain_path: str, files: Mapping[str, str]) -> dict[str, Any]:
    # Certificates are read again while the proxy runs; the rest takes a new one.
    lasting = repr(sorted(item for item in files.items() if item[0] != bootstrap.CA_FILE))
    made = {
        "metadata": {
            "labels": _labels(plan),
            "annotations": {**metrics_annotations(plan.parameters), **_annotations(plan)},
        },
        "spec": pod_spec(plan.name, plan.key, plan.proxies, plan.parameters, drain_path),
    }
    merged = without_nulls(merge(made, plan.parameters.pod_template or {}))
    template = merge(merged, _fixed(plan, blake2b(lasting.encode(), digest_size=8).hexdigest()))
    _check(template)
    fitted: dict[str, Any] = template
    return fitted


def _fixed(plan: Plan, digest: str) -> dict[str, Any]:
    """What no template may change, or the pods would not be found, or not be replaced in time."""
    return {
        "metadata": {
            "labels": identity(plan.gateway.ref, plan.controller),
            "annotations": {BOOTSTRAP_HASH: digest},
        }
    }


def _check(template: Any) -> None:
    """Raise what the API server would say of a template in words that nobody understands."""
    field = "podTemplate of the GatewayParameters"
    for name in ("metadata", "spec"):
        if not isinstance(template.get(name), Mapping):
            raise Unfit(f"{field}: {name} must be an object.")
    containers = template["spec"].get("containers")
    if not isinstance(containers, list) or not all(isinstance(each, Mapping) for each in containers):
        raise Unfit(f"{field}: spec.containers must be a list of containers.")
    if CONTAINER not in [each.get("name") for each in containers]:
        raise Unfit(f"{field}: every container of spec.containers must have a name, so that {CONTAINER} can be kept.")


def _hpa(name: str, wanted: HpaParameters) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    default = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": wanted.min_replicas,
        "maxReplicas": wanted.max_replicas,
        "metrics": list(wanted.metrics) or [default],
        **({} if wanted.behavior is None else {"behavior": dict(wanted.behavior)}),
    }
