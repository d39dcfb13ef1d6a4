"""The field `clientCertificateValidation` of a ListenerPolicy: whether clients have to present a certificate."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import LocalObjectReference
from translator.objects.headgate.types import Disableable, StringMatch
from translator.objects.schema.base import CelRule, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import CERTIFICATE_HASH, KEY_HASH, Boolean, Group, Kind, Namespace, ObjectName

MAX_REFERENCES: Final = 8
"""Most objects with CA certificates, and most with revocation lists."""
MAX_HASHES: Final = 64
"""Most hashes of certificates, and of keys."""
MAX_NAMES: Final = 64
"""Most names of clients."""

_CONTEXT: Final = "CertificateValidationContext"
_AGAIN: Final = "is in the list already: remove it"
_NOBODY: Final = "must have caCertificateRefs, spkiHashes or certificateHashes: they say whose certificates are valid"
_NEEDS_CA: Final = "needs caCertificateRefs: add the authority of the certificates"
_NEEDS_LISTS: Final = "needs crlRefs: add a revocation list, or remove it"
_REFUSES_NOBODY: Final = "must not be set where mode is AllowInsecureFallback, which refuses nobody: remove it"
_RESTRICTIONS: Final = ("spkiHashes", "certificateHashes", "subjectAltNames", "crlRefs")


class CaCertificateReference(LocalObjectReference):
    """Names an object with CA certificates: a ConfigMap with the key `ca.crt`, or a ClusterTrustBundle."""

    group: Group = ""
    """The API group of the object."""
    kind: Kind = "ConfigMap"
    """Its kind: ConfigMap, or ClusterTrustBundle of the group certificates.k8s.io."""
    name: ObjectName
    """Its name."""
    namespace: Namespace | None = None
    """The namespace of a ConfigMap, by default that of the policy; in another one a ReferenceGrant has to permit it."""


class RevocationListReference(Fields):
    """Names a ConfigMap with certificate revocation lists, as PEM."""

    name: ObjectName
    """The name of the ConfigMap."""
    namespace: Namespace | None = None
    """Its namespace, by default that of the policy; in another one a ReferenceGrant has to permit it."""


class SubjectAltNameMatch(StringMatch):
    """Compares a name of a certificate: exactly one of exact, prefix, suffix, contains and regex."""

    type: Literal["DNS", "URI", "Email", "IPAddress"]
    """What the name is."""


class ClientCertificateValidation(Disableable):
    """Has clients present a certificate in the TLS handshake, and checks it; what is refused is no request yet.

    Where `spec.tls.frontend` of the Gateway validates certificates at a port too, that counts and this does not.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.disable) || has(self.caCertificateRefs) || has(self.spkiHashes) || has(self.certificateHashes)",
            _NOBODY,
        ),
        *(
            CelRule(f"!has(self.{each}) || has(self.caCertificateRefs)", _NEEDS_CA, each)
            for each in ("subjectAltNames", "crlRefs")
        ),
        CelRule(
            "!has(self.onlyVerifyLeafCertificateCrl) || has(self.crlRefs)", _NEEDS_LISTS, "onlyVerifyLeafCertificateCrl"
        ),
        *(
            CelRule(
                f"!has(self.{each}) || !has(self.mode) || self.mode != 'AllowInsecureFallback'", _REFUSES_NOBODY, each
            )
            for each in _RESTRICTIONS
        ),
    )

    mode: Annotated[
        Literal["Require", "Optional", "AllowInsecureFallback"] | None,
        Doc(envoy=f"DownstreamTlsContext.require_client_certificate, {_CONTEXT}.trust_chain_verification"),
    ] = None
    """With Require, only clients with a valid certificate are let in. With Optional, clients without a certificate are
    let in too, and those with an invalid one are not. With AllowInsecureFallback all are let in, and backends and
    policies see whose certificate is valid. By default Require."""
    ca_certificate_refs: Annotated[
        tuple[CaCertificateReference, ...] | None,
        Field(min_length=1, max_length=MAX_REFERENCES),
        Doc(envoy=f"{_CONTEXT}.trusted_ca"),
    ] = None
    """The authorities whose certificates are valid."""
    spki_hashes: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=KEY_HASH)], ...] | None,
        Field(min_length=1, max_length=MAX_HASHES),
        unique(None, _AGAIN),
        Doc(envoy=f"{_CONTEXT}.verify_certificate_spki"),
    ] = None
    """The keys of clients, each as the SHA-256 of its public key (SubjectPublicKeyInfo) in base64. A certificate has to
    have one of them, or one of `certificateHashes`."""
    certificate_hashes: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=CERTIFICATE_HASH)], ...] | None,
        Field(min_length=1, max_length=MAX_HASHES),
        unique(None, _AGAIN),
        Doc(envoy=f"{_CONTEXT}.verify_certificate_hash"),
    ] = None
    """The certificates of clients, each as the SHA-256 of the certificate (DER) in 64 hexadecimal digits, with colons
    or without."""
    subject_alt_names: Annotated[
        tuple[SubjectAltNameMatch, ...] | None,
        Field(min_length=1, max_length=MAX_NAMES),
        Doc(envoy=f"{_CONTEXT}.match_typed_subject_alt_names"),
    ] = None
    """Names of clients (subjectAltName), of which a certificate has to have one."""
    crl_refs: Annotated[
        tuple[RevocationListReference, ...] | None,
        Field(min_length=1, max_length=MAX_REFERENCES),
        Doc(envoy=f"{_CONTEXT}.crl"),
    ] = None
    """Revocation lists, under the key `ca.crl` of ConfigMaps: certificates in them are refused. There has to be one of
    each authority in the chain of a certificate, unless `onlyVerifyLeafCertificateCrl` is set."""
    only_verify_leaf_certificate_crl: Annotated[Boolean | None, Doc(envoy=f"{_CONTEXT}.only_verify_leaf_cert_crl")] = (
        None
    )
    """Whether only the certificates of clients themselves are looked up in revocation lists, and not those of
    authorities. By default false."""
    allow_expired: Annotated[Boolean | None, Doc(envoy=f"{_CONTEXT}.allow_expired_certificate")] = None
    """Whether expired certificates are valid. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a validation by nothing, and of fields that need others."""
        yield from super().violations()
        if self.disable is not None:
            return
        if not (self.ca_certificate_refs or self.spki_hashes or self.certificate_hashes):
            yield FieldViolation((), _NOBODY)
        given = {
            "spkiHashes": self.spki_hashes,
            "certificateHashes": self.certificate_hashes,
            "subjectAltNames": self.subject_alt_names,
            "crlRefs": self.crl_refs,
        }
        for name in ("subjectAltNames", "crlRefs"):
            if given[name] and not self.ca_certificate_refs:
                yield FieldViolation((name,), _NEEDS_CA)
        if self.only_verify_leaf_certificate_crl is not None and not self.crl_refs:
            yield FieldViolation(("onlyVerifyLeafCertificateCrl",), _NEEDS_LISTS)
        if self.mode == "AllowInsecureFallback":
            for name, value in given.items():
                if value:
                    yield FieldViolation((name,), _REFUSES_NOBODY)
