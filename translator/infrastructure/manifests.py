"""The manifests of a Gateway's proxies, from parameters, listeners and addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from translator.backends.own_service import OwnService
from translator.backends.rate_limit_service import RATE_LIMIT_SERVICE
from translator.backends.waf_service import WAF_SERVICE
from translator.db import Db
from translator.engine.query import query
from translator.gateway.gateways import is_managed
from translator.gateway.ports import gateway_ports, has_listener
from translator.infrastructure import bootstrap, own_service, rate_limit, waf
from translator.infrastructure.addresses import IP, bind_addresses, in_cluster, requested
from translator.infrastructure.manifest import DEPLOYED_KINDS, PAUSED, Manifest, ProxyManifests
from translator.infrastructure.names import identity, own_service_name, selector
from translator.infrastructure.parameters import parameters
from translator.infrastructure.pod_disruption_budget import budget
from translator.infrastructure.pod_template import strategy, template
from translator.infrastructure.render_input import InvalidParameters, RenderInput
from translator.infrastructure.vertical_pod_autoscaler import vertical
from translator.ir.listener import SocketPort
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.headgate.proxyscaling import HpaParameters
from translator.objects.kubernetes.service import Service
from translator.objects.kubernetes.workloads import Deployment
from translator.outcome import Outcome, Problem
from translator.refs import Ref

CPU_PERCENT: Final = 80
"""Target share of the requested CPU of an autoscaler without configured metrics, in percent."""


@query
def proxy_manifests(db: Db, gateway: Ref) -> Outcome[ProxyManifests] | None:
    """Return the manifests of a Gateway's proxies, with the problems of the Gateway; None if it is not managed.

    A Gateway whose class was deleted may have been managed: its manifests are paused, and its objects stay.
    """
    found = db.get(Gateway, gateway)
    if found is None or db.settings.standalone:
        return None
    if not is_managed(db, gateway):
        of_class = db.get(GatewayClass, Ref(GatewayClass.kind, "", found.spec.gateway_class_name))
        return Outcome(PAUSED) if of_class is None else None
    chosen = parameters(db, gateway)
    if chosen.value is None:
        return Outcome(PAUSED, chosen.problems)
    if chosen.value.self_managed:
        return Outcome(ProxyManifests())
    wanted = requested(db, gateway)
    ports = served_ports(db, gateway)
    if not ports or any(each.condition == "Accepted" for each in wanted.problems):
        return Outcome(PAUSED)
    proxies = replace(db.proxy_defaults, addresses=bind_addresses(db, gateway))
    addresses = tuple(each.value for each in wanted.value if each.type == IP and not each.in_cluster)
    cluster_ip = next((each.value for each in wanted.value if each.in_cluster), "")
    _, only = in_cluster(db, gateway)
    controller = db.settings.controller_name
    plan = RenderInput(found, chosen.value, proxies, controller, ports, addresses, cluster_ip, only)
    try:
        services = tuple(service_manifests(plan, db.settings.waf_image))
        return Outcome(ProxyManifests(tuple(manifests(plan)), services=services))
    except InvalidParameters as error:
        return Outcome(PAUSED, (Problem("Accepted", "InvalidParameters", str(error)),))


@query
def served_ports(db: Db, gateway: Ref) -> tuple[SocketPort, ...]:
    """Return the ports of a Gateway's valid listeners, in order."""
    return tuple(each for each in gateway_ports(db, gateway) if has_listener(db, gateway, each))


def manifests(plan: RenderInput) -> Iterator[Manifest]:
    """Yield the manifests of a Gateway's proxies, in the order in which they are applied.

    Raises:
        InvalidParameters: no proxy could run with these parameters.
    """
    drain_path = bootstrap.drain_path(plan.gateway.metadata.uid or plan.key, plan.proxies.drain_key)
    files = bootstrap.files(plan.proxies, plan.parameters, drain_path)
    if isinstance(files, str):
        raise InvalidParameters(f"bootstrap of the GatewayParameters: {files.rstrip('.')}.")
    account = plan.parameters.service_account
    body = {"automountServiceAccountToken": False}
    yield _manifest(plan, "ServiceAccount", body, account.annotations, account.labels)
    yield _manifest(plan, "ConfigMap", {"data": dict(files)})
    yield _service(plan)
    yield _workload(plan, drain_path, files)
    if plan.parameters.hpa is not None:
        yield _manifest(plan, "HorizontalPodAutoscaler", {"spec": _hpa(plan.name, plan.parameters.hpa)})
    if plan.parameters.pdb is not None:
        yield _manifest(plan, "PodDisruptionBudget", {"spec": budget(plan, plan.parameters.pdb)})
    if plan.parameters.vpa is not None:
        yield _manifest(plan, "VerticalPodAutoscaler", {"spec": vertical(plan, plan.parameters.vpa)})


def service_manifests(plan: RenderInput, waf_image: str) -> Iterator[tuple[OwnService, tuple[Manifest, ...]]]:
    """Yield Headgate's own services with their manifests, in the order in which these are applied.

    Args:
        plan: the inputs of the Gateway's manifests.
        waf_image: the image of the web application firewall; "" for none.

    Raises:
        InvalidParameters: one could not run with these parameters.
    """
    made = [(RATE_LIMIT_SERVICE, rate_limit.objects(plan))]
    if waf_image:
        made.append((WAF_SERVICE, waf.objects(plan, waf_image)))
    gateway = plan.gateway.ref
    for service, objects in made:
        name = own_service_name(service.prefix, gateway)
        labels = {**plan.labels, **own_service.identity(service, gateway, plan.controller)}
        yield service, tuple(_named(plan, kind, name, each, plan.annotations, labels) for kind, each in objects)


def _manifest(
    plan: RenderInput,
    kind: str,
    content: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    own = {**plan.labels, **(labels or {}), **identity(plan.gateway.ref, plan.controller)}
    return _named(plan, kind, plan.name, content, {**plan.annotations, **(annotations or {})}, own)


def _named(
    plan: RenderInput,
    kind: str,
    name: str,
    content: Mapping[str, Any],
    annotations: Mapping[str, str],
    labels: Mapping[str, str],
) -> Manifest:
    meta = plan.gateway.metadata
    metadata: dict[str, Any] = {"name": name, "namespace": meta.namespace, "labels": labels}
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
    model = DEPLOYED_KINDS[kind]
    version = f"{model.group}/{model.versions[0]}" if model.group else model.versions[0]
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
    return Manifest(Ref(kind, meta.namespace, name), body)


def _service(plan: RenderInput) -> Manifest:
    wanted = plan.service
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
    if wanted.allocate_load_balancer_node_ports is not None:
        spec["allocateLoadBalancerNodePorts"] = wanted.allocate_load_balancer_node_ports
    if wanted.ip_family_policy is not None:
        spec["ipFamilyPolicy"] = wanted.ip_family_policy
    if wanted.ip_families:
        spec["ipFamilies"] = list(wanted.ip_families)
    spec |= _addresses(plan, wanted.type)
    return _manifest(plan, "Service", {"spec": spec}, wanted.annotations, wanted.labels)


def with_udp_ports(made: tuple[Manifest, ...], ports: Collection[int]) -> tuple[Manifest, ...]:
    """Return manifests of which Services have ports of UDP with the numbers of some of their ports of TCP."""
    return tuple(_with_udp(each, ports) if ports and each.ref.kind == Service.kind else each for each in made)


def _with_udp(service: Manifest, ports: Collection[int]) -> Manifest:
    spec = service.body["spec"]
    added = [
        {**each, "name": f"udp-{each['port']}", "protocol": "UDP"}
        for each in spec["ports"]
        if each["port"] in ports and each["protocol"] == "TCP"
    ]
    return replace(service, body={**service.body, "spec": {**spec, "ports": [*spec["ports"], *added]}})


def _addresses(plan: RenderInput, type_: str) -> dict[str, Any]:
    """Return the fields of a Service of a type by which it asks for addresses."""
    spec: dict[str, Any] = {"clusterIP": plan.cluster_ip} if plan.cluster_ip else {}
    if plan.addresses and type_ == "LoadBalancer":
        spec["loadBalancerIP"] = plan.addresses[0]
    elif plan.addresses:
        spec["externalIPs"] = list(plan.addresses)
    return spec


def _workload(plan: RenderInput, drain_path: str, files: Mapping[str, str]) -> Manifest:
    wanted = plan.parameters
    is_deployment = wanted.kind == Deployment.kind
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector(plan.gateway.ref)},
        "template": template(plan, drain_path, files),
        "strategy" if is_deployment else "updateStrategy": strategy(wanted),
    }
    # With an autoscaler, the autoscaler owns the field, and a DaemonSet does not have it.
    if is_deployment and wanted.hpa is None and wanted.replicas is not None:
        spec["replicas"] = wanted.replicas
    return _manifest(plan, wanted.kind, {"spec": spec})


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
