"""EndpointSlice of discovery.k8s.io/v1."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Final, Literal

from pydantic import Field

from translator.objects.kubernetes.service import Protocol
from translator.objects.schema.base import CheckedFields, Fields, FieldViolation, NamespacedObject, shared
from translator.objects.schema.scalars import (
    Boolean,
    DnsLabel,
    PortName,
    PortNumber,
    QualifiedName,
    Text,
    is_address,
    is_domain_name,
)

SERVICE_LABEL: Final = "kubernetes.io/service-name"
"""The label that names the Service whose endpoints a slice holds."""


_IS_OF_TYPE: Final[Mapping[str, Callable[[str], bool]]] = {
    "IPv4": partial(is_address, IPv4Address),
    "IPv6": partial(is_address, IPv6Address),
    "FQDN": is_domain_name,
}


class EndpointConditions(Fields):
    """The state of an endpoint; None means that it is not known."""

    ready: Boolean | None = None
    serving: Boolean | None = None
    terminating: Boolean | None = None


class ForZone(Fields):
    """A zone that an endpoint should serve."""

    name: Text


class ForNode(Fields):
    """A node that an endpoint should serve."""

    name: Text


class EndpointHints(Fields):
    """Whom an endpoint should serve."""

    for_zones: Annotated[tuple[ForZone, ...], Field(max_length=8)] = ()
    for_nodes: Annotated[tuple[ForNode, ...], Field(max_length=8)] = ()


class Endpoint(Fields):
    """One place to send to. Its addresses are fungible: consumers use the first."""

    ignored_fields = frozenset({"deprecatedTopology", "targetRef"})

    addresses: Annotated[tuple[Text, ...], Field(min_length=1, max_length=100)]
    conditions: Annotated[EndpointConditions, shared()] = EndpointConditions()
    hostname: DnsLabel | None = None
    node_name: Text | None = None
    zone: Text | None = None
    hints: EndpointHints | None = None

    @property
    def ready(self) -> bool:
        """Whether it takes new requests: what is not known counts as ready, as the API says."""
        return self.conditions.ready is not False


class EndpointPort(Fields):
    """The port at which all endpoints of the slice serve the Service's port of the same name."""

    name: PortName = ""
    port: PortNumber | None = None
    """None stands for all ports, which no Service makes use of."""
    protocol: Protocol = "TCP"
    app_protocol: QualifiedName | None = None


class EndpointSlice(CheckedFields, NamespacedObject):
    """Some of the endpoints of a Service, all of one address family."""

    kind = "EndpointSlice"
    group = "discovery.k8s.io"
    versions = ("v1",)
    plural = "endpointslices"
    rbac_reason = "Read the endpoints of Services."

    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: Annotated[tuple[Endpoint, ...], Field(max_length=1000)] = ()
    ports: Annotated[tuple[EndpointPort, ...], Field(max_length=20000), shared()] = ()

    @property
    def service_name(self) -> str | None:
        """The Service, in the namespace of the slice, that the endpoints belong to; None if the slice does not say."""
        return self.metadata.labels.get(SERVICE_LABEL)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of addresses that are not of the type which the slice says."""
        is_right = _IS_OF_TYPE[self.address_type]
        for index, endpoint in enumerate(self.endpoints):
            for position, address in enumerate(endpoint.addresses):
                if not is_right(address):
                    path = ("endpoints", index, "addresses", position)
                    yield FieldViolation(path, f"must be of type {self.address_type}, because addressType says so")
