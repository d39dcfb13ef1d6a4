"""Service of the core group."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from translator.objects.schema.base import (
    CheckedFields,
    Fields,
    FieldViolation,
    NamespacedMeta,
    NamespacedObject,
    repeated,
    shared,
)
from translator.objects.schema.scalars import (
    DnsLabel,
    ExternalName,
    PortName,
    PortNumber,
    PortNumberOrName,
    QualifiedName,
    Text,
    is_ip_address,
)

Protocol = Literal["TCP", "UDP", "SCTP"]
HEADLESS: Final = "None"
"""The clusterIP of a Service that has none, and whose name resolves to its endpoints."""


class ServicePort(Fields):
    """A port of a Service, and what is behind it."""

    ignored_fields = frozenset({"nodePort"})

    name: PortName = ""
    port: PortNumber
    protocol: Protocol = "TCP"
    target_port: PortNumberOrName | None = None
    """A number, or the name of a container's port; None stands for `port`."""
    app_protocol: QualifiedName | None = None


class ServiceSpec(CheckedFields):
    """How the Service is reached. `type` ExternalName needs `external_name`; the others need ports, unless headless."""

    ignored_fields = frozenset(
        {
            "allocateLoadBalancerNodePorts",
            "externalTrafficPolicy",
            "healthCheckNodePort",
            "internalTrafficPolicy",
            "ipFamilyPolicy",
            "loadBalancerClass",
            "loadBalancerIP",
            "loadBalancerSourceRanges",
            "publishNotReadyAddresses",
            "selector",
            "sessionAffinity",
            "sessionAffinityConfig",
            "trafficDistribution",
        }
    )

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: Annotated[Text, Field(alias="clusterIP")] = ""
    cluster_ips: Annotated[tuple[Text, ...], Field(alias="clusterIPs", max_length=2)] = ()
    external_ips: Annotated[tuple[Text, ...], Field(alias="externalIPs")] = ()
    ip_families: tuple[Text, ...] = ()
    """Those that the API server has given it, the first of them by preference: IPv4, IPv6."""
    external_name: ExternalName = ""
    ports: Annotated[tuple[ServicePort, ...], shared()] = ()

    @property
    def headless(self) -> bool:
        """Whether it has no address of its own, on purpose."""
        return self.cluster_ip == HEADLESS

    def violations(self) -> Iterator[FieldViolation]:
        """Yield what a Service of its type must have, and what tells its ports apart."""
        if self.type == "ExternalName":
            if not self.external_name:
                yield FieldViolation(
                    ("externalName",), "is required when type is ExternalName: add the DNS name to send to"
                )
        elif not self.ports and not self.headless:
            yield FieldViolation(("ports",), "is required: add at least one port")
        if self.cluster_ip not in ("", HEADLESS) and not is_ip_address(self.cluster_ip):
            yield FieldViolation(("clusterIP",), "must be an IPv4 or IPv6 address, or None for a headless Service")
        yield from _port_violations(self.ports)


def _port_violations(ports: tuple[ServicePort, ...]) -> Iterator[FieldViolation]:
    if len(ports) < 2:
        return
    for index, port in enumerate(ports):
        if not port.name:
            yield FieldViolation(("ports", index, "name"), "is required when there are several ports: add one")
    named = [index for index, port in enumerate(ports) if port.name]
    for position in repeated(ports[index].name for index in named):
        yield FieldViolation(("ports", named[position], "name"), "is the name of an earlier port: choose another")
    for index in repeated((port.port, port.protocol) for port in ports):
        yield FieldViolation(("ports", index), "has the port and protocol of an earlier one: change one of them")


class ServiceMeta(NamespacedMeta):
    """The metadata of a Service, whose name is part of a DNS name."""

    name: DnsLabel


class LoadBalancerIngress(Fields):
    """An address at which a load balancer takes what is for the Service."""

    ignored_fields = frozenset({"ipMode", "ports"})

    ip: Text = ""
    hostname: Text = ""


class LoadBalancerStatus(Fields):
    """What a load balancer has given."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Fields):
    """What has become of the Service; files leave it out."""

    ignored_fields = frozenset({"conditions"})

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(NamespacedObject):
    """What requests are sent to: a name for a set of endpoints."""

    kind = "Service"
    group = ""
    versions = ("v1",)
    plural = "services"
    rbac_reason = "Resolve backendRefs, and read the addresses of Gateways."

    metadata: ServiceMeta
    spec: ServiceSpec
    status: ServiceStatus = ServiceStatus()
