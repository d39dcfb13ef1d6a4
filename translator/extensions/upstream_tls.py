"""Connections to backends by TLS: the setting of backends, and how it is read from a ``BackendTLSPolicyValidation``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.extensions.transport_sockets.quic.v3.quic_transport_pb2 import QuicUpstreamTransport
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.common_pb2 import SubjectAltNameMatcher, TlsParameters
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, UpstreamTlsContext
from translator.db import Db
from translator.envoy.cluster import speaks_http3, spoken
from translator.envoy.config_source import sds
from translator.envoy.hooks import ClusterHook
from translator.envoy.names import secret_name, trust_bundle_name
from translator.gateway.ca_certificates import ca_fault, resolved_source
from translator.ir.backend import TLS, Backend, BackendKey, BackendSetting, Protocol
from translator.objects.gateway_api.backendtlspolicy import SYSTEM, BackendTLSPolicyValidation, SubjectAltName
from translator.objects.gateway_api.references import LocalObjectReference
from translator.outcome import Outcome, Problem, gather
from translator.refs import Ref

SYSTEM_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""The CA certificates of the proxy's own system, as Debian and its distroless images have them.

Where the file is missing Envoy refuses the cluster: requests get 503, and the status of routes shows the refusal.
"""
SOCKET: Final = "envoy.transport_sockets.tls"
QUIC: Final = "envoy.transport_sockets.quic"
TYPES: Final = {
    "Hostname": SubjectAltNameMatcher.DNS,
    "URI": SubjectAltNameMatcher.URI,
    "IPAddress": SubjectAltNameMatcher.IP_ADDRESS,
    "Email": SubjectAltNameMatcher.EMAIL,
}
"""The types of the names of certificates."""


@dataclass(frozen=True, slots=True)
class BackendTls(BackendSetting, ClusterHook):
    """Connections by TLS.

    Attributes:
        server_name: the server name of the handshake (SNI), which the certificate must have unless `names` are given.
        names: the names of which the certificate must have one.
        authorities: the objects with the certificates of those that may have issued it; none for the system's.
        certificate: the Secret with the certificate that the proxy presents; None if it presents none.
    """

    encrypts: ClassVar[bool] = True
    order: ClassVar[int] = TLS
    server_name: str
    names: tuple[tuple[str, str], ...] = ()
    authorities: tuple[BackendKey, ...] = ()
    certificate: BackendKey | None = field(default=None, repr=False)

    @property
    def trust_anchors(self) -> tuple[BackendKey, ...]:
        """Return the objects with CA certificates: an edit of one sends these anew, and no cluster or route."""
        return self.authorities

    @property
    def fingerprint(self) -> str:
        """Return a text in which a certificate is only if there is one: clusters keep the names they have."""
        return f"{self!r} {self.certificate}" if self.certificate is not None else repr(self)

    @property
    def certificates(self) -> tuple[BackendKey, ...]:
        """Return the Secret: an edit of it sends it anew, and no cluster or route."""
        return (self.certificate,) if self.certificate is not None else ()

    def presenting(self, certificate: BackendKey) -> BackendTls:
        """Present a certificate."""
        return replace(self, certificate=certificate)

    @property
    def expected(self) -> tuple[tuple[str, str], ...]:
        """The names of which the certificate must have one, each with its type."""
        return self.names or ((("Hostname", self.server_name),) if self.server_name else ())

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the ``UpstreamTlsContext``."""
        # What connections carry that are forwarded as they are, nobody knows.
        forwarded = backend.protocol == Protocol.TCP.value
        if not forwarded:
            self.prepare(cluster)
        context = UpstreamTlsContext()
        self.write(context, () if forwarded else spoken(cluster), forwarded)
        write_socket(cluster, context)

    def prepare(self, cluster: Cluster) -> None:
        """Write what of TLS is said elsewhere in the cluster of a backend of HTTP."""

    def write(self, context: UpstreamTlsContext, protocols: tuple[str, ...], forwarded: bool) -> None:
        """Write the context.

        Args:
            context: the context, empty.
            protocols: what is spoken, by the names of ALPN; empty for whatever Envoy says for each connection.
            forwarded: whether connections are forwarded as they are.
        """
        context.sni = self.server_name
        common = context.common_tls_context
        common.alpn_protocols.extend(protocols)
        common.tls_params.tls_minimum_protocol_version = TlsParameters.TLSv1_2
        common.tls_params.tls_maximum_protocol_version = TlsParameters.TLSv1_3
        self.write_certificates(common)
        self.write_trust(common, self.expected, SYSTEM_CERTIFICATES)

    def write_certificates(self, common: CommonTlsContext) -> None:
        """Refer to the certificate that the proxy presents."""
        common.tls_certificate_sds_secret_configs.extend(sds(secret_name(Ref(*each))) for each in self.certificates)

    def write_trust(self, common: CommonTlsContext, names: Iterable[tuple[str, str]], file: str) -> None:
        """Write whom to trust, where no object says it those of a file, and the names that are expected."""
        if self.authorities:
            combined = common.combined_validation_context
            name = trust_bundle_name(Ref(*each) for each in self.authorities)
            combined.validation_context_sds_secret_config.CopyFrom(sds(name))
            validation = combined.default_validation_context
            validation.SetInParent()
        else:
            validation = common.validation_context
            validation.trusted_ca.filename = file
        for type_, name in names:
            added = validation.match_typed_subject_alt_names.add(san_type=TYPES[type_])
            added.matcher.exact = name


def write_socket(cluster: Cluster, context: UpstreamTlsContext) -> None:
    """Have connections of a cluster encrypted: over QUIC, where it speaks HTTP/3."""
    if speaks_http3(cluster):
        cluster.transport_socket.name = QUIC
        wrapped = QuicUpstreamTransport(upstream_tls_context=context)
        cluster.transport_socket.typed_config.Pack(wrapped, deterministic=True)
    else:
        cluster.transport_socket.name = SOCKET
        cluster.transport_socket.typed_config.Pack(context, deterministic=True)


def validated_tls(
    db: Db, namespace: str, validation: BackendTLSPolicyValidation, field: str, refused: str
) -> Outcome[BackendTls | None]:
    """Return the setting of connections whose certificates are validated so; None if there is no CA to trust.

    Args:
        db: the database.
        namespace: the namespace of the ConfigMaps with CA certificates.
        validation: how certificates are validated.
        field: its path, for messages.
        refused: what gets no requests if it cannot be done, for messages.
    """
    names = tuple(_name(each) for each in validation.subject_alt_names)
    if validation.well_known_ca_certificates is not None:
        if validation.well_known_ca_certificates == SYSTEM:
            return Outcome(BackendTls(validation.hostname, names))
        text = (
            f"{field}.wellKnownCACertificates: {validation.well_known_ca_certificates} is not supported, so "
            f"requests to {refused} are refused; set it to {SYSTEM}, or use caCertificateRefs."
        )
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    usable = usable_authorities(db, namespace, validation.ca_certificate_refs, field)
    if not usable.value:
        text = f"{field}: there is no CA certificate that can be used, so requests to {refused} are refused."
        return Outcome(None, (*usable.problems, Problem("Accepted", "NoValidCACertificate", text)))
    return Outcome(BackendTls(validation.hostname, names, usable.value), usable.problems)


def usable_authorities(
    db: Db, namespace: str, references: Iterable[LocalObjectReference], field: str
) -> Outcome[tuple[BackendKey, ...]]:
    """Return the objects of `caCertificateRefs`, below `field`, whose CA certificates can be used, each once."""
    sources = gather(
        resolved_source(db, each, namespace, f"{field}.caCertificateRefs[{place}]", "InvalidKind")
        for place, each in enumerate(references)
    )
    usable = dict.fromkeys(BackendKey(*each) for each in sources.value if each is not None and not ca_fault(db, each))
    return Outcome(tuple(usable), sources.problems)


def _name(found: SubjectAltName) -> tuple[str, str]:
    return found.type, (found.uri if found.type == "URI" else found.hostname) or ""
