"""BackendTLSPolicy (Gateway API, `apis/v1/backendtlspolicy_types.go`; GEP-1897): TLS between Gateways and backends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.policy import Policy, PolicySpec
from translator.objects.gateway_api.references import GATEWAY_GROUP, LocalObjectReference
from translator.objects.schema.base import CheckedFields, FieldViolation, presence_violations
from translator.objects.schema.scalars import (
    WELL_KNOWN,
    AbsoluteUri,
    AnnotationKey,
    AnnotationValue,
    Hostname,
    PreciseHostname,
)

SYSTEM = "System"
"""The one set of well-known CA certificates that the specification defines."""

WellKnown = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=WELL_KNOWN)]


class SubjectAltName(CheckedFields):
    """A name, one of which the certificate of a backend must have."""

    type: Literal["Hostname", "URI"]
    hostname: Hostname | None = None
    uri: AbsoluteUri | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation for the member of the type that is not there, and one for that of the other type."""
        yield from presence_violations(
            f"type is {self.type}",
            ("hostname", bool(self.hostname), self.type == "Hostname"),
            ("uri", bool(self.uri), self.type == "URI"),
        )


class BackendTLSPolicyValidation(CheckedFields):
    """How the certificate of a backend is validated."""

    ca_certificate_refs: Annotated[tuple[LocalObjectReference, ...], Field(max_length=8)] = ()
    well_known_ca_certificates: WellKnown | None = Field(None, alias="wellKnownCACertificates")
    hostname: PreciseHostname
    subject_alt_names: Annotated[tuple[SubjectAltName, ...], Field(max_length=5)] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is exactly one of the two sources of CA certificates."""
        if self.ca_certificate_refs and self.well_known_ca_certificates:
            yield FieldViolation(
                ("wellKnownCACertificates",), "must not be set where caCertificateRefs is: remove one of them"
            )
        elif not self.ca_certificate_refs and not self.well_known_ca_certificates:
            yield FieldViolation(("caCertificateRefs",), "is required unless wellKnownCACertificates is set: add one")


class BackendTLSPolicySpec(PolicySpec):
    """The Services that are connected to by TLS, and how they prove who they are."""

    validation: BackendTLSPolicyValidation
    options: Annotated[dict[AnnotationKey, AnnotationValue], Field(max_length=16)] = Field(default_factory=dict)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield each target that is in the list already, or names all of an object that another names a section of."""
        yield from super().violations()
        sections: dict[tuple[str, str, str], bool] = {}
        for place, each in enumerate(self.target_refs):
            has = bool(each.section_name)
            if sections.setdefault((each.group, each.kind, each.name), has) != has:
                text = "must have a sectionName, like every reference to a target that is in the list twice: add it"
                yield FieldViolation(("targetRefs", place), text)


class BackendTLSPolicy(Policy):
    """How Gateways connect to the backends that it targets: by TLS."""

    kind = "BackendTLSPolicy"
    group = GATEWAY_GROUP
    versions = ("v1",)
    plural = "backendtlspolicies"
    rbac_reason = "How proxies connect to backends by TLS."

    spec: BackendTLSPolicySpec
