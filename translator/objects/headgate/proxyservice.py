"""The Service of proxies in GatewayParameters."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.scalars import Annotations, Boolean, Labels, PortNumber, QualifiedName


class ServicePortParameters(Fields):
    """The settings of one port of the Service, in addition to those of the Gateway's listeners."""

    port: PortNumber
    """The port of a listener."""
    node_port: PortNumber | None = None
    """The port of the nodes that leads to it. By default Kubernetes chooses one."""


class ServiceParameters(CheckedFields):
    """The Service of the proxies, with fields of Kubernetes; its ports are those of the Gateway's listeners."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.loadBalancerClass) || !has(self.type) || self.type == 'LoadBalancer'",
            "loadBalancerClass must not be set where type is not LoadBalancer: remove it",
        ),
        CelRule(
            "!has(self.loadBalancerSourceRanges) || size(self.loadBalancerSourceRanges) == 0"
            " || !has(self.type) || self.type == 'LoadBalancer'",
            "loadBalancerSourceRanges must not be set where type is not LoadBalancer: remove it",
        ),
        CelRule(
            "!has(self.allocateLoadBalancerNodePorts) || !has(self.type) || self.type == 'LoadBalancer'",
            "allocateLoadBalancerNodePorts must not be set where type is not LoadBalancer: remove it",
        ),
        CelRule(
            "!has(self.externalTrafficPolicy) || !has(self.type) || self.type != 'ClusterIP'",
            "externalTrafficPolicy must not be set where type is ClusterIP: remove it",
        ),
        CelRule(
            "!has(self.type) || self.type != 'ClusterIP' || !has(self.ports) || self.ports.all(p, !has(p.nodePort))",
            "ports must not have a nodePort where type is ClusterIP: remove it",
        ),
    )

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "LoadBalancer"
    """With NodePort, the Gateway's addresses are those of the nodes that run proxies, at their node ports."""
    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the Service, by which many load balancers are configured."""
    labels: Labels = Field(default_factory=dict)
    """Labels of the Service."""
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    """Whether nodes lead clients to proxies of other nodes, too (Cluster). With Local they keep clients' addresses."""
    load_balancer_class: QualifiedName | None = None
    """The kind of load balancer, as its implementation calls it. By default that of the cluster."""
    load_balancer_source_ranges: Annotated[tuple[str, ...], Field(max_length=256)] = ()
    """Ranges of addresses (CIDR) that the load balancer lets in. By default all."""
    allocate_load_balancer_node_ports: Boolean | None = None
    """Whether a load balancer gets ports of the nodes, which those that send straight to pods do not need."""
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    """Whether the Service has one IP family, both if the cluster has both, or both in any case."""
    ip_families: Annotated[tuple[Literal["IPv4", "IPv6"], ...], Field(max_length=2)] = ()
    """Proxies listen on the IP families that the Service has."""
    ports: Annotated[
        tuple[ServicePortParameters, ...],
        Field(max_length=64),
        unique("port", "has the port of an earlier entry: remove one of them"),
    ] = ()
    """Settings of single ports."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield fields that the type of the Service does not have."""
        if self.type != "LoadBalancer":
            for name, value in (
                ("loadBalancerClass", self.load_balancer_class),
                ("loadBalancerSourceRanges", self.load_balancer_source_ranges or None),
                ("allocateLoadBalancerNodePorts", self.allocate_load_balancer_node_ports),
            ):
                if value is not None:
                    yield FieldViolation((name,), f"must not be set where type is {self.type}: remove it")
        if self.type == "ClusterIP" and self.external_traffic_policy is not None:
            yield FieldViolation(("externalTrafficPolicy",), "must not be set where type is ClusterIP: remove it")
        if self.type == "ClusterIP" and any(each.node_port is not None for each in self.ports):
            yield FieldViolation(("ports",), "must not have a nodePort where type is ClusterIP: remove it")
