"""The listeners of Gateways and ListenerSets (Gateway API, `apis/v1/gateway_types.go`, `listenerset_types.go`)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, GetPydanticSchema, StringConstraints

from translator.objects.gateway_api.filters import ExternalAuthFilter, member_violations
from translator.objects.gateway_api.references import GATEWAY_GROUP, LocalObjectReference, SecretObjectReference
from translator.objects.kubernetes.selector import LabelSelector
from translator.objects.schema.base import CheckedFields, Fields, FieldViolation, NamespacedObject, repeated
from translator.objects.schema.scalars import PROTOCOL, AnnotationValue, Group, Hostname, Kind, PortNumber, SectionName

Options = Annotated[
    Mapping[str, str], GetPydanticSchema(lambda _, handler: handler(dict[str, AnnotationValue])), Field(max_length=16)
]


class ListenerTLSConfig(CheckedFields):
    """How TLS is ended or passed through."""

    mode: Literal["Terminate", "Passthrough"] = "Terminate"
    certificate_refs: Annotated[tuple[SecretObjectReference, ...], Field(max_length=64)] = ()
    options: Options = Field(default_factory=dict)

    def violations(self) -> Iterator[FieldViolation]:
        """To end TLS takes a certificate."""
        if self.mode == "Terminate" and not self.certificate_refs and not self.options:
            yield FieldViolation(
                ("certificateRefs",), "is required when mode is Terminate: name the Secret of a certificate"
            )


class RouteGroupKind(Fields):
    """A kind of routes."""

    group: Group = GATEWAY_GROUP
    kind: Kind


class RouteNamespaces(Fields):
    """The namespaces whose routes may attach; `selector` counts only where `from_` is Selector."""

    from_: Annotated[Literal["All", "Selector", "Same"], Field(alias="from")] = "Same"
    selector: LabelSelector | None = None


class AllowedRoutes(Fields):
    """The routes that may attach; no kinds stands for those that the protocol implies."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: Annotated[tuple[RouteGroupKind, ...], Field(max_length=8)] = ()


class ListenerRequestFilter(CheckedFields):
    """Something done to every request of a listener (experimental)."""

    type: Literal["ExternalAuth", "ExtensionRef"]
    external_auth: ExternalAuthFilter | None = None
    extension_ref: LocalObjectReference | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Return violations unless the member that is set is the one that `type` names."""
        return member_violations(self, self.type)


class ListenerFilters(Fields):
    """What is done to everything that comes in at a listener (experimental)."""

    requests: Annotated[tuple[ListenerRequestFilter, ...], Field(max_length=16)] = ()


class Listener(CheckedFields):
    """A port of a Gateway, for the names that match its hostname; None stands for every name."""

    name: SectionName
    hostname: Hostname | None = None
    port: PortNumber
    protocol: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PROTOCOL)]
    tls: ListenerTLSConfig | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()
    filters: ListenerFilters | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield what the protocol asks for and what it has no use for."""
        if self.tls:
            yield from self._tls_violations(self.tls)
        elif self.protocol == "TLS":
            yield FieldViolation(("tls",), "is required for protocol TLS: add it, with the mode")
        if self.hostname and self.protocol in ("TCP", "UDP"):
            yield FieldViolation(("hostname",), f"must not be set for protocol {self.protocol}: remove it")
        if self.filters and self.protocol not in ("HTTP", "HTTPS"):
            yield FieldViolation(("filters",), "must not be set unless protocol is HTTP or HTTPS: remove it")

    def _tls_violations(self, tls: ListenerTLSConfig) -> Iterator[FieldViolation]:
        if self.protocol in ("HTTP", "TCP", "UDP"):
            yield FieldViolation(
                ("tls",), f"must not be set for protocol {self.protocol}: remove it, or change the protocol"
            )
        if self.protocol == "HTTPS" and tls.mode != "Terminate":
            yield FieldViolation(
                ("tls", "mode"), "must be Terminate for protocol HTTPS; to pass TLS through, use protocol TLS"
            )


def listener_violations(listeners: tuple[Listener, ...]) -> Iterator[FieldViolation]:
    """Yield what keeps listeners from being told apart, within one list."""
    for index in repeated(listener.name for listener in listeners):
        yield FieldViolation((index, "name"), "is the name of an earlier listener: choose another")
    for index in repeated((listener.port, listener.protocol, listener.hostname) for listener in listeners):
        yield FieldViolation((index,), "has the port, protocol and hostname of an earlier listener: change one of them")


class ListenerOwnerSpec(CheckedFields):
    """The listeners of an object."""

    listeners: Annotated[tuple[Listener, ...], Field(min_length=1, max_length=64)]

    def violations(self) -> Iterator[FieldViolation]:
        """Yield what keeps the listeners from being told apart."""
        for path, message in listener_violations(self.listeners):
            yield FieldViolation(("listeners", *path), message)


class ListenerOwner(NamespacedObject):
    """An object with listeners, which a Gateway serves: the Gateway itself, or a ListenerSet."""

    group = GATEWAY_GROUP

    spec: ListenerOwnerSpec
