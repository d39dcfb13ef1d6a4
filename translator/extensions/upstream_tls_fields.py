"""TLS to backends as the field `tls` of Headgate's own kinds says it: BackendConfigPolicies and Backends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, NamedTuple

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from headgate_proto.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from translator.db import Db
from translator.engine.query import query
from translator.envoy.cluster import http_options
from translator.extensions.backend_settings import BackendConfig
from translator.extensions.tls_parameters import write_parameters
from translator.extensions.upstream_tls import SYSTEM_CERTIFICATES, BackendTls, usable_authorities
from translator.gateway.ca_certificates import CA_KEY, ca_fault
from translator.gateway.certificates import certificate
from translator.ir.backend import BackendKey
from translator.kinds import BackendSettings
from translator.objects.headgate.tlsparameters import TlsVersionsAndAlgorithms
from translator.objects.headgate.upstreamtls import CertificateFiles, CertificateReference, UpstreamTLS
from translator.objects.kubernetes.core import Secret
from translator.outcome import Outcome, Problem, not_resolved
from translator.permissions.reference_grants import grant_for, not_permitted
from translator.refs import Ref

NOBODY: Final = "nobody.invalid"
"""A name that no certificate has (RFC 2606), for connections that are to be compared with a Host and have none."""
NEGOTIATED: Final = frozenset({"h2", "http/1.1"})
"""With these two offered, the backend chooses what is spoken."""
REFUSED: Final = "requests to the backends are refused"
NOT_FOUND: Final = "SecretNotFound"


@dataclass(frozen=True, slots=True)
class ConfiguredTls(BackendTls):
    """Connections by TLS.

    Attributes:
        follows_host: whether the server name is the Host of a request.
        verifies: whether certificates are verified at all.
        files: files of the proxy's with certificates.
        parameters: versions and algorithms.
        offered: the protocols that are offered; empty for the one that is spoken.
        renegotiates: whether backends may negotiate anew.
        presents: whether a Gateway's certificate is presented where there is no other one.
    """

    follows_host: bool = False
    verifies: bool = True
    files: CertificateFiles | None = None
    parameters: TlsVersionsAndAlgorithms | None = None
    offered: tuple[str, ...] = ()
    renegotiates: bool = False
    presents: bool = True

    def presenting(self, certificate: BackendKey) -> ConfiguredTls:
        """Present a Gateway's certificate, unless there is another one, or none is to be presented."""
        own = self.certificate is not None or (self.files is not None and self.files.tls_certificate is not None)
        return self if own or not self.presents else replace(self, certificate=certificate)

    def prepare(self, cluster: Cluster) -> None:
        """Write what of TLS is said in the ``HttpProtocolOptions``."""
        if not self.follows_host and not NEGOTIATED.issubset(self.offered):
            return
        with http_options(cluster) as options:
            if self.follows_host:
                options.upstream_http_protocol_options.auto_sni = True
                options.upstream_http_protocol_options.auto_san_validation = self.verifies and not self.names
            if NEGOTIATED.issubset(self.offered):
                negotiate(options)

    def write(self, context: UpstreamTlsContext, protocols: tuple[str, ...], forwarded: bool) -> None:
        """Write the context."""
        common = context.common_tls_context
        context.sni, context.allow_renegotiation = self.server_name, self.renegotiates
        common.alpn_protocols.extend(self.offered or protocols)
        write_parameters(common.tls_params, self.parameters or TlsVersionsAndAlgorithms())
        files = self.files or CertificateFiles()
        self.write_certificates(common)
        if files.tls_certificate and files.tls_key:
            pair = common.tls_certificates.add()
            pair.certificate_chain.filename, pair.private_key.filename = files.tls_certificate, files.tls_key
        if not self.verifies:
            return
        names = self.expected
        if self.follows_host and not self.names:  # for requests Envoy compares it with their Host
            names = (("Hostname", NOBODY),) if forwarded else ()
        self.write_trust(common, names, files.root_ca or SYSTEM_CERTIFICATES)


def negotiate(options: HttpProtocolOptions) -> None:
    """Have the backend choose between HTTP/1.1 and HTTP/2, unless another version is asked for."""
    explicit = options.explicit_http_config
    if options.WhichOneof("upstream_protocol_options") not in (None, "explicit_http_config"):
        return
    if explicit.HasField("http3_protocol_options"):
        return
    auto = HttpProtocolOptions.AutoHttpConfig()
    auto.http_protocol_options.CopyFrom(explicit.http_protocol_options)
    auto.http2_protocol_options.CopyFrom(explicit.http2_protocol_options)
    options.auto_config.CopyFrom(auto)


class TlsSecret(NamedTuple):
    """What there is in a Secret, and what is wrong with each: "" for nothing.

    Attributes:
        missing: that it does not exist, or has nothing of both.
        pair: whether it has a certificate or a key.
        authorities: whether it has CA certificates.
    """

    missing: str = ""
    pair: bool = False
    pair_fault: str = ""
    authorities: bool = False
    authorities_fault: str = ""


@query(firewall=True)
def tls_secret(db: Db, secret: Ref) -> TlsSecret:
    """Return what there is in a Secret for TLS; who reads it does not hear of a renewed certificate."""
    found = db.get(Secret, secret)
    if found is None:
        return TlsSecret(f"{secret} does not exist; create it with tls.crt and tls.key, {CA_KEY}, or all of them.")
    pair, authorities = bool(found.data.get("tls.crt") or found.data.get("tls.key")), bool(found.data.get(CA_KEY))
    if not pair and not authorities:
        return TlsSecret(f"{secret} has neither tls.crt nor {CA_KEY} in its data; add what is meant.")
    key_pair = certificate(db, secret) if pair else ""
    return TlsSecret(
        "",
        pair,
        key_pair if isinstance(key_pair, str) else "",
        authorities,
        ca_fault(db, secret) if authorities else "",
    )


class _Trust(NamedTuple):
    """Whom to trust: the objects with CA certificates; with none, and no problem, the system's or a file's."""

    authorities: tuple[BackendKey, ...] = ()
    problems: tuple[Problem, ...] = ()
    closed: bool = False


def configured_tls(db: Db, owner: Ref, found: UpstreamTLS, field: str, host: str = "") -> Outcome[ConfiguredTls | None]:
    """Return the setting of connections by TLS; None if they cannot be made as is asked, so that none may be.

    Args:
        db: the database.
        owner: the object that asks: what it refers to is in its namespace, unless a reference names another.
        found: what it says.
        field: its path, for messages.
        host: the name or IP address of the backend, "" where it has none: what the certificate must have by default.
    """
    name, names = _names(found, host)
    if not found.insecure_skip_verify and not found.auto_sni and not name and not names:
        text = (
            f"{field}: nothing says which name the certificate must have, so {REFUSED}; set sni, autoSni or "
            f"verifySubjectAltNames, or insecureSkipVerify to take any certificate."
        )
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    certificate = _certificate(db, owner, found, field)
    trust = _trust(db, owner, found, field)
    problems = (*certificate.problems, *trust.problems)
    if trust.closed or certificate.problems:
        return Outcome(None, problems)
    setting = ConfiguredTls(
        name,
        names,
        trust.authorities,
        certificate.value,
        follows_host=bool(found.auto_sni),
        verifies=not found.insecure_skip_verify,
        files=found.files,
        parameters=found.parameters,
        offered=found.alpn_protocols or (),
        renegotiates=bool(found.allow_renegotiation),
        presents=not found.simple_tls,
    )
    return Outcome(setting, problems)


def _names(found: UpstreamTLS, host: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the server name, and the names of which the certificate must have one if that is not its own."""
    names = tuple((_type(each), each) for each in found.verify_subject_alt_names or ())
    if found.auto_sni:
        return "", names
    name = found.sni or host.rstrip(".")
    if not found.sni and name and _type(name) == "IPAddress":
        return "", names or (("IPAddress", name),)
    return name, names


def _type(name: str) -> str:
    """Return of which type a name is that a certificate may have."""
    try:
        ip_address(name)
    except ValueError:
        return "URI" if "://" in name else "Email" if "@" in name else "Hostname"
    return "IPAddress"


def _secret(db: Db, owner: Ref, reference: CertificateReference, field: str) -> Outcome[TlsSecret | None]:
    secret = Ref(Secret.kind, reference.namespace or owner.namespace, reference.name)
    if problem := not_permitted(db, *grant_for(db, owner, secret), field):
        return Outcome(None, (problem,))
    found = tls_secret(db, secret)
    return not_resolved(NOT_FOUND, f"{field}: {found.missing}") if found.missing else Outcome(found)


def _certificate(db: Db, owner: Ref, found: UpstreamTLS, field: str) -> Outcome[BackendKey | None]:
    """Return the Secret with the certificate that is presented, None for none; any problem refuses the connections."""
    if found.secret_ref is None:
        return Outcome(None)
    secret = _secret(db, owner, found.secret_ref, f"{field}.secretRef")
    if secret.value is None or not secret.value.pair or found.simple_tls:
        return Outcome(None, secret.problems)
    if secret.value.pair_fault:
        return not_resolved("InvalidCertificateRef", f"{field}.secretRef: {secret.value.pair_fault}")
    namespace = found.secret_ref.namespace or owner.namespace
    return Outcome(BackendKey(Secret.kind, namespace, found.secret_ref.name))


def _trust(db: Db, owner: Ref, found: UpstreamTLS, field: str) -> _Trust:
    """Return whom to trust; closed if there is nobody."""
    from_file = found.files is not None and found.files.root_ca is not None
    if found.insecure_skip_verify or found.well_known_ca_certificates is not None or from_file:
        return _Trust()
    if found.ca_certificate_refs is not None:
        usable = usable_authorities(db, owner.namespace, found.ca_certificate_refs, field)
        return _Trust(usable.value, usable.problems, closed=not usable.value)
    if found.secret_ref is not None:
        secret = _secret(db, owner, found.secret_ref, f"{field}.secretRef")
        if secret.value is None:
            return _Trust(closed=True)  # which is told already
        if secret.value.authorities_fault:
            text = f"{field}.secretRef: {secret.value.authorities_fault}"
            return _Trust((), not_resolved("InvalidCACertificateRef", text).problems, closed=True)
        if secret.value.authorities:
            namespace = found.secret_ref.namespace or owner.namespace
            return _Trust((BackendKey(Secret.kind, namespace, found.secret_ref.name),))
    text = (
        f"{field}: nothing says whom to trust, so {REFUSED}; set wellKnownCACertificates, caCertificateRefs or "
        f"files.rootCA, add {CA_KEY} to the Secret, or set insecureSkipVerify to take any certificate."
    )
    return _Trust((), (Problem("Accepted", "Invalid", text),), closed=True)


def read(config: BackendConfig) -> BackendSettings:
    """Read whether connections are encrypted; None if they cannot be as is asked."""
    if config.spec.tls is None:
        return Outcome(())
    found = configured_tls(config.db, config.policy, config.spec.tls, "spec.tls")
    if found.value is None:
        return Outcome(None, tuple(_closing(each) for each in found.problems))
    return Outcome((found.value,), found.problems)


def _closing(problem: Problem) -> Problem:
    """Return a problem with what becomes of requests, if it does not say it."""
    text = problem.message
    return problem if REFUSED in text else problem._replace(message=f"{text.rstrip('.')}; until then {REFUSED}.")
