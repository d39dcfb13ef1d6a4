"""The field `httpSettings.forwardClientCertDetails` of ListenerPolicies: the header X-Forwarded-Client-Cert."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import Boolean

WRITING: Final = frozenset({"AppendForward", "SanitizeSet"})
"""The modes in which the proxy writes the header."""
_UNUSED: Final = "must not be set unless mode is AppendForward or SanitizeSet: the proxy writes nothing; remove it"


class CertificateDetails(Fields):
    """What the header says of a client's certificate, beside its hash."""

    subject: Annotated[Boolean | None, Doc(envoy="SetCurrentClientCertDetails.subject")] = None
    """The subject. By default false."""
    cert: Annotated[Boolean | None, Doc(envoy="SetCurrentClientCertDetails.cert")] = None
    """The whole certificate, as PEM. By default false."""
    chain: Annotated[Boolean | None, Doc(envoy="SetCurrentClientCertDetails.chain")] = None
    """The whole chain, as PEM. By default false."""
    dns: Annotated[Boolean | None, Doc(envoy="SetCurrentClientCertDetails.dns")] = None
    """The DNS names. By default false."""
    uri: Annotated[Boolean | None, Doc(envoy="SetCurrentClientCertDetails.uri")] = None
    """The URIs, such as an identity of SPIFFE. By default false."""


class ForwardClientCertDetails(CheckedFields):
    """What becomes of the header X-Forwarded-Client-Cert, by which backends know the certificate of a client."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.details) || (has(self.mode) && self.mode in ['AppendForward', 'SanitizeSet'])",
            _UNUSED,
            "details",
        ),
    )

    mode: Annotated[
        Literal["Sanitize", "ForwardOnly", "AppendForward", "SanitizeSet", "AlwaysForwardOnly"] | None,
        Doc(envoy="HttpConnectionManager.forward_client_cert_details"),
    ] = None
    """Sanitize removes what clients send. SanitizeSet puts the certificate of the connection in its place.
    AppendForward adds that to what clients with a certificate send, and ForwardOnly leaves what they send; of other
    clients both remove it. AlwaysForwardOnly leaves what anyone sends: only behind a proxy that has cleaned it. By
    default Sanitize."""
    details: Annotated[
        CertificateDetails | None, Doc(envoy="HttpConnectionManager.set_current_client_cert_details")
    ] = None
    """What the header says beside the hash of the certificate. By default nothing."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of details that nothing writes."""
        if self.details is not None and self.mode not in WRITING:
            yield FieldViolation(("details",), _UNUSED)


ClientCertDetails = Annotated[ForwardClientCertDetails | None, ATOMIC]
