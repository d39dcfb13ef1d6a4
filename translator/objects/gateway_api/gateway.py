"""Gateway (Gateway API, `apis/v1/gateway_types.go`), without its listeners."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, GetPydanticSchema, StringConstraints

from translator.objects.gateway_api.listener import ListenerOwner, ListenerOwnerSpec
from translator.objects.gateway_api.references import (
    LocalParametersReference,
    ObjectReference,
    SecretObjectReference,
)
from translator.objects.kubernetes.selector import LabelSelector
from translator.objects.schema.base import CheckedFields, Fields, FieldViolation, repeated, unique
from translator.objects.schema.scalars import (
    ADDRESS_TYPE,
    HOSTNAME,
    AnnotationValue,
    LabelValue,
    ObjectName,
    PortNumber,
    QualifiedName,
    is_domain_name,
    is_ip_address,
)
from translator.refs import Ref

_HOSTNAME: Final = re.compile(HOSTNAME)

InfrastructureLabels = Annotated[
    Mapping[str, str],
    GetPydanticSchema(lambda _, handler: handler(dict[QualifiedName, LabelValue])),
    Field(max_length=8),
]
InfrastructureAnnotations = Annotated[
    Mapping[str, str],
    GetPydanticSchema(lambda _, handler: handler(dict[QualifiedName, AnnotationValue])),
    Field(max_length=16),
]


IN_CLUSTER: Final = "Cluster"
"""The routability of an address that is reached in the cluster only (`GatewayAddressRoutabilityCluster`)."""


class GatewayAddress(CheckedFields):
    """An address asked for; without a value, any of that type."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=ADDRESS_TYPE)] = "IPAddress"
    value: Annotated[str, StringConstraints(max_length=253)] | None = None
    routability: Annotated[str, StringConstraints(max_length=253)] | None = None

    @property
    def in_cluster(self) -> bool:
        """Whether it is to be an IP address of a Service, which is reached in the cluster only (GEP-1651)."""
        return self.type == "IPAddress" and self.routability == IN_CLUSTER

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if the value is not of the type given."""
        if self.value is not None:
            if self.type == "IPAddress" and not is_ip_address(self.value):
                yield FieldViolation(("value",), "must be an IPv4 or IPv6 address, because type is IPAddress")
            if self.type == "Hostname" and not _HOSTNAME.fullmatch(self.value):
                yield FieldViolation(("value",), "must be a lower-case DNS name, because type is Hostname")
        if self.routability and not _routability(self.routability):
            yield FieldViolation(
                ("routability",), "must be Cluster, or a domain of your own and a path, like example.com/public"
            )


def _routability(text: str) -> bool:
    domain, slash, path = text.partition("/")
    if not slash:
        return text == IN_CLUSTER
    reserved = domain == "k8s.io" or domain.endswith(".k8s.io")
    return bool(path) and not reserved and is_domain_name(domain)


class ListenerNamespaces(Fields):
    """The namespaces whose ListenerSets may attach; `selector` counts only where `from_` is Selector."""

    from_: Annotated[Literal["All", "Selector", "Same", "None"], Field(alias="from")] = "None"
    selector: LabelSelector | None = None


class AllowedListeners(Fields):
    """The ListenerSets that may attach."""

    namespaces: ListenerNamespaces = ListenerNamespaces()


class GatewayInfrastructure(Fields):
    """What is to be put on everything that is made for the Gateway."""

    labels: InfrastructureLabels = Field(default_factory=dict)
    annotations: InfrastructureAnnotations = Field(default_factory=dict)
    parameters_ref: LocalParametersReference | None = None


class GatewayBackendTLS(Fields):
    """The certificate that the Gateway shows to backends."""

    client_certificate_ref: SecretObjectReference | None = None


class FrontendTLSValidation(CheckedFields):
    """How the certificates that clients show are checked."""

    ca_certificate_refs: Annotated[tuple[ObjectReference, ...], Field(min_length=1, max_length=16)]
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"] = "AllowValidOnly"

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if a ClusterTrustBundle, which is cluster-scoped, has a namespace."""
        for index, ref in enumerate(self.ca_certificate_refs):
            if ref.kind == "ClusterTrustBundle" and ref.group == "certificates.k8s.io" and ref.namespace:
                path = ("caCertificateRefs", index, "namespace")
                yield FieldViolation(
                    path, "must not be set for a ClusterTrustBundle, which is in no namespace: remove it"
                )


class TLSConfig(Fields):
    """How TLS with clients is done beyond the listener's own certificate."""

    validation: FrontendTLSValidation | None = None


class TLSPortConfig(Fields):
    """The `tls` of one port, in place of the default."""

    port: PortNumber
    tls: TLSConfig


class FrontendTLSConfig(Fields):
    """How TLS with clients is done."""

    default: TLSConfig
    per_port: Annotated[
        tuple[TLSPortConfig, ...],
        Field(max_length=64),
        unique("port", "has the port of an earlier entry: remove one of them"),
    ] = ()

    def validation(self, port: int) -> tuple[FrontendTLSValidation | None, str]:
        """Return the validation of a port, and its path in this; an entry of `perPort` overrides the default."""
        place, tls = next(((n, each.tls) for n, each in enumerate(self.per_port) if each.port == port), (None, None))
        if tls is None:
            return self.default.validation, "default.validation"
        return tls.validation, f"perPort[{place}].tls.validation"


class GatewayTLSConfig(Fields):
    """What holds for all TLS of the Gateway."""

    backend: GatewayBackendTLS | None = None
    frontend: FrontendTLSConfig | None = None


class GatewaySpec(ListenerOwnerSpec):
    """The listeners of a Gateway, its addresses and what surrounds them."""

    gateway_class_name: ObjectName
    addresses: Annotated[tuple[GatewayAddress, ...], Field(max_length=16)] = ()
    infrastructure: GatewayInfrastructure | None = None
    allowed_listeners: AllowedListeners | None = None
    tls: GatewayTLSConfig | None = None
    default_scope: Literal["All", "None"] | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of listeners and addresses that cannot be told apart."""
        yield from super().violations()
        valued = [
            index
            for index, address in enumerate(self.addresses)
            if address.value is not None and address.type in ("IPAddress", "Hostname")
        ]
        for position in repeated((self.addresses[index].type, self.addresses[index].value) for index in valued):
            yield FieldViolation(("addresses", valued[position], "value"), "is in the list already: remove it")


class Gateway(ListenerOwner):
    """A proxy, or a group of equal ones, and what it listens on."""

    kind = "Gateway"
    versions = ("v1", "v1beta1")
    plural = "gateways"

    spec: GatewaySpec


def key_of(gateway: Ref) -> str:
    """Return the key of a Gateway: "namespace/name", which names its snapshot too."""
    return f"{gateway.namespace}/{gateway.name}"


def gateway_of(key: str) -> Ref:
    """Return the Gateway that has this key."""
    namespace, _, name = key.partition("/")
    return Ref(Gateway.kind, namespace, name)


def is_gateway_key(key: str) -> bool:
    """Return whether a key is one of a Gateway; that of the gRPC clients of a namespace is the namespace's name."""
    return "/" in key
