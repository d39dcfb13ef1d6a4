"""The field `tls` of a BackendConfigPolicy: connections to backends by TLS, and whom the proxy trusts there."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import LocalObjectReference
from translator.objects.headgate.tlsparameters import TlsVersionsAndAlgorithms
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import PROXY_FILE, VISIBLE, Boolean, Namespace, ObjectName, PreciseHostname

_AGAIN: Final = "is in the list already: remove it"
OWN_FILES: Final = ("/dev/", "/proc/", "/sys/", "/run/secrets/", "/var/run/secrets/", "/etc/headgate/")
"""Where no file of a policy may be: devices, and the proxy's own configuration and credentials."""
_COMMON: Final = "UpstreamTlsContext.common_tls_context"
_VALIDATION: Final = f"{_COMMON}.validation_context"

ProxyFile = Annotated[str, StringConstraints(min_length=2, max_length=1024, pattern=PROXY_FILE)]
"""The absolute path of a file of the proxy's."""
AlpnProtocol = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=VISIBLE)]
AlpnProtocols = Annotated[tuple[AlpnProtocol, ...], Field(min_length=1, max_length=8), unique(None, _AGAIN)]
PeerName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=VISIBLE)]
PeerNames = Annotated[tuple[PeerName, ...], Field(min_length=1, max_length=16), unique(None, _AGAIN)]
CaReferences = Annotated[tuple[LocalObjectReference, ...], Field(min_length=1, max_length=8)]


class CertificateReference(Fields):
    """Names a Secret with a certificate and its key, with CA certificates, or with both."""

    name: ObjectName
    """The name of the Secret."""
    namespace: Namespace | None = None
    """Its namespace, by default the policy's; in another one a ReferenceGrant has to permit it."""


_FILES: Final = ("tlsCertificate", "tlsKey", "rootCA")
_OWN: Final = "must be neither a device nor a file of the proxy's own: mount it elsewhere"
_PAIR: Final = CelRule(
    "has(self.tlsCertificate) == has(self.tlsKey)",
    "must be set exactly where tlsCertificate is: add the other one, or remove it",
    "tlsKey",
)


class CertificateFiles(CheckedFields):
    """Files of the proxy's, such as those of a volume that GatewayParameters have its pods mount."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        _PAIR,
        *(
            CelRule(f"!has(self.{each}) || !self.{each}.matches('^({'|'.join(OWN_FILES)})')", _OWN, each)
            for each in _FILES
        ),
    )

    tls_certificate: Annotated[ProxyFile | None, Doc(envoy=f"{_COMMON}.tls_certificates.certificate_chain")] = None
    """The chain of the certificate that the proxy presents."""
    tls_key: Annotated[ProxyFile | None, Doc(envoy=f"{_COMMON}.tls_certificates.private_key")] = None
    """The key of that certificate."""
    root_ca: Annotated[ProxyFile | None, Field(alias="rootCA"), Doc(envoy=f"{_VALIDATION}.trusted_ca")] = None
    """The certificates of those who may have issued that of the backend."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of half a pair, and of files that are no policy's business."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            yield FieldViolation(("tlsKey",), _PAIR.message)
        for name, path in zip(_FILES, (self.tls_certificate, self.tls_key, self.root_ca), strict=True):
            if path is not None and path.startswith(OWN_FILES):
                yield FieldViolation((name,), _OWN)


_TRUSTED: Final = "must not be set together with insecureSkipVerify, with which nothing is verified: remove one of them"
_VERIFYING: Final = ("wellKnownCACertificates", "caCertificateRefs", "verifySubjectAltNames")

_ONE_TRUST: Final = CelRule(
    "[has(self.wellKnownCACertificates), has(self.caCertificateRefs), has(self.files) && has(self.files.rootCA)]"
    ".filter(x, x).size() <= 1",
    "must have at most one of wellKnownCACertificates, caCertificateRefs and files.rootCA: remove the others",
)
_ONE_CERTIFICATE: Final = CelRule(
    "!has(self.secretRef) || !has(self.files) || !has(self.files.tlsCertificate)",
    "must have no tlsCertificate where secretRef is set: remove one of them",
    "files",
)
_ONE_NAME: Final = CelRule(
    "!has(self.autoSni) || !self.autoSni || !has(self.sni)",
    "must not be set together with sni: remove one of them",
    "autoSni",
)


class UpstreamTLS(CheckedFields):
    """Has connections to backends encrypted by TLS, and says whose certificates are taken.

    Unless `insecureSkipVerify` is set, it says whom to trust (`secretRef` with a key ca.crt, `caCertificateRefs`,
    `files.rootCA` or `wellKnownCACertificates`), and which name the certificate must have (`sni`, `autoSni` or
    `verifySubjectAltNames`; by default the name of a backend that has one). Where it does not, or that cannot be read,
    requests to the backends get 500.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        *(
            CelRule(f"!has(self.{each}) || !has(self.insecureSkipVerify) || !self.insecureSkipVerify", _TRUSTED, each)
            for each in _VERIFYING
        ),
        CelRule(
            "!has(self.files) || !has(self.files.rootCA) || !has(self.insecureSkipVerify) || !self.insecureSkipVerify",
            _TRUSTED,
            "files",
        ),
        _ONE_TRUST,
        _ONE_CERTIFICATE,
        _ONE_NAME,
    )

    secret_ref: Annotated[
        CertificateReference | None, Doc(envoy=f"{_COMMON}.tls_certificate_sds_secret_configs; ca.crt: {_VALIDATION}")
    ] = None
    """A Secret: with tls.crt and tls.key, the proxy presents that certificate; with ca.crt, certificates of these
    authorities are taken, unless another field says whom to trust."""
    files: CertificateFiles | None = None
    """The same in files of the proxy's, which are read once, when the configuration comes."""
    ca_certificate_refs: Annotated[
        CaReferences | None, Field(alias="caCertificateRefs"), Doc(envoy=f"{_COMMON}.combined_validation_context")
    ] = None
    """ConfigMaps of the policy's namespace with a key ca.crt, or ClusterTrustBundles: whom to trust."""
    well_known_ca_certificates: Annotated[
        Literal["System"] | None, Field(alias="wellKnownCACertificates"), Doc(envoy=f"{_VALIDATION}.trusted_ca")
    ] = None
    """Trusts the authorities of the proxy's system, as for public hosts."""
    insecure_skip_verify: Annotated[Boolean | None, Doc(envoy=f"{_VALIDATION} is left out")] = None
    """Whether any certificate is taken: whoever can redirect connections can read and change requests then. By default
    false."""
    sni: Annotated[PreciseHostname | None, Doc(envoy="UpstreamTlsContext.sni")] = None
    """The server name of the handshake, which the certificate must have unless `verifySubjectAltNames` is set. By
    default the name of a backend that has one, such as a Service of type ExternalName."""
    auto_sni: Annotated[Boolean | None, Doc(envoy="HttpProtocolOptions.upstream_http_protocol_options.auto_sni")] = None
    """Whether the server name is the Host of the request, as the backend gets it, which the certificate must have
    unless `verifySubjectAltNames` is set. For requests only: connections of TCPRoutes and TLSRoutes have no Host, and
    are closed. By default false."""
    verify_subject_alt_names: Annotated[PeerNames | None, Doc(envoy=f"{_VALIDATION}.match_typed_subject_alt_names")] = (
        None
    )
    """Names of which the certificate must have one: DNS names, IP addresses, URIs or email addresses."""
    parameters: TlsVersionsAndAlgorithms | None = None
    """The versions and algorithms."""
    alpn_protocols: Annotated[AlpnProtocols | None, Doc(envoy=f"{_COMMON}.alpn_protocols")] = None
    """The protocols that the proxy offers in the handshake. By default the one that it speaks to the backend; of h2 and
    http/1.1 together the backend chooses."""
    allow_renegotiation: Annotated[Boolean | None, Doc(envoy="UpstreamTlsContext.allow_renegotiation")] = None
    """Whether backends with TLS 1.2 may negotiate anew. By default false."""
    simple_tls: Annotated[Boolean | None, Field(alias="simpleTLS"), Doc(envoy="no certificate is presented")] = None
    """Whether the proxy presents no certificate, even if the Secret or the Gateway has one. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of fields that contradict each other."""
        roots = self.files.root_ca if self.files is not None else None
        trust = (self.well_known_ca_certificates, self.ca_certificate_refs, roots)
        if self.insecure_skip_verify:
            for name, value in zip(_VERIFYING, (*trust[:2], self.verify_subject_alt_names), strict=True):
                if value is not None:
                    yield FieldViolation((name,), _TRUSTED)
            if roots is not None:
                yield FieldViolation(("files",), _TRUSTED)
        if len([each for each in trust if each is not None]) > 1:
            yield FieldViolation((), _ONE_TRUST.message)
        if self.secret_ref is not None and self.files is not None and self.files.tls_certificate is not None:
            yield FieldViolation(("files",), _ONE_CERTIFICATE.message)
        if self.auto_sni and self.sni is not None:
            yield FieldViolation(("autoSni",), _ONE_NAME.message)


TlsToBackends = Annotated[UpstreamTLS | None, ATOMIC, Doc(envoy="Cluster.transport_socket")]
