"""XBackend (Gateway API, `apisx/v1alpha1/xbackend_types.go`; GEP-4894): what is connected to, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from translator.objects.gateway_api.backend import BackendObject
from translator.objects.gateway_api.backendtlspolicy import BackendTLSPolicyValidation
from translator.objects.gateway_api.experimental_policies import EXPERIMENTAL_GROUP
from translator.objects.gateway_api.references import SecretObjectReference
from translator.objects.schema.base import CheckedFields, Fields, FieldViolation, presence_violations
from translator.objects.schema.scalars import Labels, PortNumber, PreciseHostname, is_ip_address

EXTERNAL_HOSTNAME: Final = "ExternalHostname"
ENDPOINT_SELECTOR: Final = "EndpointSelector"
TLS_ONLY: Final = ("HTTP2", "WSS")
"""The protocols that need TLS."""


class BackendPort(Fields):
    """The port to connect to."""

    number: PortNumber


class ExternalHostnameBackend(CheckedFields):
    """A backend outside of the cluster, by its DNS name."""

    hostname: PreciseHostname

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if it is an IP address, or the name of a Service."""
        if is_ip_address(self.hostname) or self.hostname.endswith(".cluster.local"):
            text = "must be a DNS name, and must not end with .cluster.local: refer to a Service for what is there"
            yield FieldViolation(("hostname",), text)


class EndpointSelectorBackend(Fields):
    """Pods, by their labels."""

    match_labels: Annotated[Labels, Field(min_length=1, max_length=64)]


class BackendSessionPersistence(Fields):
    """How clients are kept at an endpoint; none of its fields is read."""

    ignored_fields = frozenset({"absoluteTimeout", "cookie", "header", "type"})


class BackendTLS(CheckedFields):
    """TLS of the connections to a backend: none, with its certificate validated, or with a client certificate too."""

    mode: Literal["None", "ServerOnly", "ClientAndServer"]
    client_certificate_ref: SecretObjectReference | None = None
    validation: BackendTLSPolicyValidation | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation for a field that the mode requires, or does not have."""
        yield from presence_violations(
            f"mode is {self.mode}",
            ("validation", self.validation is not None, self.mode != "None"),
            ("clientCertificateRef", self.client_certificate_ref is not None, self.mode == "ClientAndServer"),
        )


PLAIN: Final = BackendTLS(mode="None")
"""The default: no TLS."""


class BackendSpec(CheckedFields):
    """What is connected to, and how."""

    type: Literal["ExternalHostname", "EndpointSelector"]
    port: BackendPort
    external_hostname: ExternalHostnameBackend | None = None
    endpoint_selector: EndpointSelectorBackend | None = None
    session_persistence: BackendSessionPersistence | None = None
    protocol: Literal["TCP", "HTTP", "HTTP2", "HTTP11", "H2C", "MCP", "GRPC", "WSS"] | None = None
    tls: BackendTLS = PLAIN

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation for a field that the type requires or does not have, or that does not suit the protocol."""
        yield from presence_violations(
            f"type is {self.type}",
            ("externalHostname", self.external_hostname is not None, self.type == EXTERNAL_HOSTNAME),
            ("endpointSelector", self.endpoint_selector is not None, self.type == ENDPOINT_SELECTOR),
        )
        if self.session_persistence is not None and self.type != ENDPOINT_SELECTOR:
            yield FieldViolation(("sessionPersistence",), f"must not be set where type is {self.type}: remove it")
        if self.protocol == "H2C" and self.tls.mode != "None":
            yield FieldViolation(("protocol",), "must be HTTP2 with TLS: H2C is HTTP/2 without")
        if self.protocol in TLS_ONLY and self.tls.mode == "None":
            instead = "H2C is HTTP/2 without" if self.protocol == "HTTP2" else "HTTP11 takes WebSockets without"
            yield FieldViolation(("tls", "mode"), f"must not be None where protocol is {self.protocol}: {instead}")


class XBackend(BackendObject):
    """A backend, and how Gateways connect to it."""

    kind = "XBackend"
    group = EXPERIMENTAL_GROUP
    versions = ("v1alpha1",)
    plural = "xbackends"
    rbac_reason = "Where backends outside of the cluster are, and how proxies connect to them."

    spec: BackendSpec
