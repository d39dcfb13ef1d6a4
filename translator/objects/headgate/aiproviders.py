"""Providers of AI: who answers, by which key, and how they are connected to."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.backendtlspolicy import SubjectAltName
from translator.objects.gateway_api.references import BackendObjectReference, LocalObjectReference
from translator.objects.headgate.references import SecretReference
from translator.objects.headgate.staticbackend import HostName
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import (
    AUTHORIZER_PATH,
    PRINTABLE,
    VISIBLE,
    HeaderName,
    PortNumber,
    PreciseHostname,
    SectionName,
)

MOST_AI_WEIGHT: Final = 1_000_000
"""The highest weight of a provider."""
MOST_AI_PRIORITY: Final = 15
"""The highest number of a priority."""

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=VISIBLE)]
"""The name of a model, as a provider knows it."""
PathPrefix = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=AUTHORIZER_PATH)]
"""What stands before the operation in a provider's paths."""
KeyPrefix = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)]


class NoFields(Fields):
    """A member without fields: that it is there says all."""


class OpenAi(Fields):
    """OpenAI, at api.openai.com unless `host` says otherwise."""


class CustomProvider(Fields):
    """Anything else that speaks OpenAI's API: vLLM, Ollama, or another provider."""

    backend_ref: Annotated[BackendObjectReference | None, Doc(envoy="PriorityGroup.clusters")] = None
    """A Service that answers, in place of `host`. Whether connections are encrypted, its own policies say."""


class ProviderAuth(CheckedFields):
    """By which credential requests are sent: exactly one member says where it is from.

    What clients send as theirs is removed, whatever is set here.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.secretRef) != has(self.none)", "exactly one of secretRef and none must be set"),
        CelRule(
            "has(self.secretRef) || !(has(self.headerName) || has(self.prefix))",
            "must be set beside secretRef only: remove it",
            "headerName",
        ),
    )

    secret_ref: Annotated[SecretReference | None, Doc(envoy="Generic.credential")] = None
    """A key in a Secret, by default under `apiKey`. A new value needs no new cluster."""
    header_name: Annotated[HeaderName | None, Doc(envoy="Generic.header", default="the provider's")] = None
    """The header that has the key."""
    prefix: Annotated[
        KeyPrefix | None, Doc(envoy="Generic.header_value_prefix", default="`Bearer ` in Authorization")
    ] = None
    """What stands before the key."""
    none: NoFields | None = None
    """The provider needs no credential."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set, and headers have a key."""
        if (self.secret_ref is None) == (self.none is None):
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the other")
        elif self.secret_ref is None and (self.header_name is not None or self.prefix is not None):
            yield FieldViolation(("headerName",), self.rules[1].message)


class ProviderTls(CheckedFields):
    """How connections to a provider are encrypted, and whom they trust."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.disable) || !(has(self.hostname) || has(self.caCertificateRefs) || has(self.subjectAltNames))",
            "must be set alone: remove the other fields, or this one",
            "disable",
        ),
    )

    disable: Annotated[NoFields | None, Doc(envoy="Cluster.transport_socket")] = None
    """Connections are not encrypted: whoever is on their way reads prompts and keys."""
    hostname: Annotated[PreciseHostname | None, Doc(envoy="UpstreamTlsContext.sni", default="the host")] = None
    """The server name of the handshake, which the certificate must have unless `subjectAltNames` are given."""
    ca_certificate_refs: Annotated[
        tuple[LocalObjectReference, ...] | None,
        Field(min_length=1, max_length=8),
        Doc(envoy="CommonTlsContext.combined_validation_context", default="the authorities of the proxy's system"),
    ] = None
    """ConfigMaps, or other objects, with the CA certificates to trust."""
    subject_alt_names: Annotated[
        tuple[SubjectAltName, ...] | None,
        Field(min_length=1, max_length=5),
        Doc(envoy="CertificateValidationContext.match_typed_subject_alt_names"),
    ] = None
    """Names of which the certificate must have one."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if connections are not encrypted and something says how they are."""
        if self.disable is not None and (self.hostname or self.ca_certificate_refs or self.subject_alt_names):
            yield FieldViolation(("disable",), self.rules[0].message)


KINDS: Final[tuple[str, ...]] = ("openai", "custom")
"""The members of which exactly one says whose API it is."""
_KINDS: Final = ", ".join(KINDS)
_SET: Final = "[" + ", ".join(f"has(self.{each})" for each in KINDS) + "].filter(x, x).size()"


class AiProvider(CheckedFields):
    """A provider: whose API it is, where it is, and what it is asked for."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(f"{_SET} == 1", f"exactly one of {_KINDS} must be set"),
        CelRule(
            "!has(self.custom) || has(self.host) != has(self.custom.backendRef)",
            "must be set for custom, or custom.backendRef in its place: add one of both, or remove the other",
            "host",
        ),
        CelRule(
            "!(has(self.custom) && has(self.custom.backendRef)) || !(has(self.port) || has(self.tls))",
            "must not be set beside custom.backendRef, whose Service says it: remove it",
            "port",
        ),
        CelRule(
            "has(self.custom) || has(self.auth)", "is required: add a secretRef, or none if it needs no key", "auth"
        ),
    )

    name: Annotated[SectionName, Doc(envoy="Cluster.metadata")]
    """Its name in conditions, logs and metrics."""
    priority: Annotated[
        int | None,
        Field(strict=True, ge=0, le=MOST_AI_PRIORITY),
        Doc(envoy="PriorityGroupClusterSpecifier.priority_groups", default="its place in the list"),
    ] = None
    """Requests go to the lowest number, and where they fail to the next higher one; equal ones share by `weight`."""
    weight: Annotated[
        int | None,
        Field(strict=True, ge=0, le=MOST_AI_WEIGHT),
        Doc(envoy="PriorityGroupClusterSpecifier.ClusterWeight.weight", default="1"),
    ] = None
    """Its share of the requests of its priority; with 0 it gets none."""
    openai: Annotated[OpenAi | None, Doc(envoy="Cluster.load_assignment")] = None
    """OpenAI."""
    custom: CustomProvider | None = None
    """Another server of OpenAI's API, at `host` or of a Service."""
    model: Annotated[ModelName | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters")] = None
    """The model that it is asked for. By default that of the request."""
    host: Annotated[HostName | None, Doc(envoy="Endpoint.address.socket_address.address")] = None
    """Its DNS name or IP address, where it is not the usual one."""
    port: Annotated[PortNumber | None, Doc(envoy="Endpoint.address.socket_address.port_value", default="443")] = None
    """The port to connect to."""
    path_prefix: Annotated[PathPrefix | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters")] = None
    """What stands before the operation in its paths, such as `/v1` in `/v1/chat/completions`."""
    auth: ProviderAuth | None = None
    """By which credential requests are sent. By default, for `custom`, without any."""
    tls: ProviderTls | None = None
    """How connections are encrypted. By default the certificate must be of the host, by an authority of the system."""

    @property
    def member(self) -> str:
        """The member that is set, by its name in the model."""
        return next(each for each in KINDS if getattr(self, each) is not None)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless one member is set, and it is said where requests go and by which key."""
        if sum(getattr(self, each) is not None for each in KINDS) != 1:
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the others")
            return
        service = self.custom is not None and self.custom.backend_ref is not None
        if self.custom is not None and (self.host is not None) == service:
            yield FieldViolation(("host",), self.rules[1].message)
        if service and (self.port is not None or self.tls is not None):
            yield FieldViolation(("port" if self.port is not None else "tls",), self.rules[2].message)
        if self.custom is None and self.auth is None:
            yield FieldViolation(("auth",), self.rules[3].message)
