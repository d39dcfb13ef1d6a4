"""XBackends of type ExternalHostname (GEP-4894): backends by DNS name, with a protocol and TLS of their own.

Those of type EndpointSelector are told that they are not supported (docs/adr/0022-xbackends.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from translator.backends.guarded import address_fault
from translator.backends.host_names import absolute
from translator.backends.reference import not_found
from translator.db import Db
from translator.engine.query import query
from translator.extension import Extension
from translator.extensions.backend_guard import GuardedHosts
from translator.extensions.upstream_tls import BackendTls, validated_tls
from translator.gateway.certificates import usable_secret
from translator.ir.backend import Backend, BackendEndpoint, BackendKey, Protocol
from translator.kinds import BackendKind, BackendSettings
from translator.objects.gateway_api.xbackend import ENDPOINT_SELECTOR, BackendSpec, BackendTLS, XBackend
from translator.outcome import Outcome, Problem, not_resolved
from translator.own_addresses import reached
from translator.refs import Ref

PROTOCOLS: Final[Mapping[str, str]] = {
    "HTTP11": Protocol.HTTP1.value,
    "WSS": Protocol.HTTP1.value,
    "HTTP2": Protocol.H2C.value,
    "H2C": Protocol.H2C.value,
    "GRPC": Protocol.H2C.value,
    "TCP": Protocol.TCP.value,
}
"""What is spoken for a protocol; with HTTP, as without any, what the route speaks."""


@dataclass(frozen=True, slots=True)
class InlineTls(BackendTls):
    """TLS as an XBackend itself asks for it: its mode says whether a certificate is presented, and not the Gateway."""

    def presenting(self, certificate: BackendKey) -> InlineTls:
        """Return the setting as it is: a Gateway's certificate is not for those whom an XBackend names."""
        return self


@query
def settings(db: Db, ref: Ref) -> BackendSettings:
    """Return the settings of an XBackend; None instead if requests to it are refused."""
    found = db.get(XBackend, ref)
    if found is None:
        return Outcome(None)
    if faults := tuple(_faults(db, found.spec)):
        return Outcome(None, faults)
    return _tls(db, ref, found.spec.tls)


def _faults(db: Db, spec: BackendSpec) -> Iterator[Problem]:
    """Yield what cannot be done, whatever the TLS."""
    if spec.type == ENDPOINT_SELECTOR:
        text = (
            f"spec.type: {ENDPOINT_SELECTOR} is not supported yet, so requests to it are refused; refer to a Service "
            f"that selects the pods."
        )
        yield Problem("Accepted", "UnsupportedValue", text)
    if spec.protocol == "MCP":
        text = "spec.protocol: MCP is not supported, so requests to it are refused; set it to HTTP, or remove it."
        yield Problem("Accepted", "UnsupportedProtocol", text)
    host, port = spec.external_hostname, spec.port.number
    if host is None:
        return
    if own := reached(db.settings.own, host.hostname, port):
        text = f"spec.port.number: {own.use} may be at port {port}, where no route may lead; use another port."
        yield Problem("Accepted", "UnsupportedValue", text)
    elif fault := address_fault(db.settings, host.hostname, port):
        yield Problem("Accepted", "UnsupportedValue", f"spec.externalHostname.hostname: {fault}.")


def _tls(db: Db, ref: Ref, tls: BackendTLS) -> BackendSettings:
    if tls.validation is None:
        return Outcome(())
    read = validated_tls(db, ref.namespace, tls.validation, "spec.tls.validation", "it")
    if read.value is None:
        return Outcome(None, read.problems)
    inline = InlineTls(read.value.server_name, read.value.names, read.value.authorities)
    if tls.client_certificate_ref is None:
        return Outcome((inline,), read.problems)
    field = "spec.tls.clientCertificateRef"
    secret = usable_secret(
        db, ref, tls.client_certificate_ref, field, "InvalidClientCertificateRef", group=XBackend.group
    )
    problems = (*read.problems, *secret.problems)
    if secret.value is None:
        text = f"{field}: there is no certificate that can be presented, so requests to it are refused."
        return Outcome(None, (*problems, Problem("Accepted", "InvalidClientCertificateRef", text)))
    return Outcome((replace(inline, certificate=BackendKey(*secret.value)),), problems)


@query
def problems(db: Db, ref: Ref) -> tuple[Problem, ...]:
    """Return what is wrong with an XBackend, as the conditions of its status."""
    return settings(db, ref).problems


@query(firewall=True)
def backend(db: Db, ref: Ref, port: int) -> Outcome[Backend | None]:
    """Return the backend that an XBackend is, whose port is its own, or why it can be none."""
    resolved = _resolved(db, ref)
    found = db.get(XBackend, ref)
    if resolved.value is None or found is None:
        return resolved
    return Outcome(replace(resolved.value, protocol=PROTOCOLS.get(found.spec.protocol or "", "")))


@query(firewall=True)
def connection(db: Db, ref: Ref, port: int, passthrough: bool) -> Outcome[Backend | None]:
    """Return the same for connections, of any protocol; those that are TLS already, and passed through, get none."""
    resolved = _resolved(db, ref)
    if resolved.value is not None and any(each.for_clients_only for each in resolved.value.settings):
        text = (
            f"{ref}: where its name leads cannot be checked for connections; use a Backend of IP addresses, or have "
            f"Headgate started with --local-backends."
        )
        return not_resolved("UnsupportedValue", text)
    if resolved.value is None or not passthrough:
        return resolved
    return Outcome(replace(resolved.value, settings=()))


def _resolved(db: Db, ref: Ref) -> Outcome[Backend | None]:
    """Return an XBackend as a backend without a protocol, or why it can be none."""
    found = db.get(XBackend, ref)
    if found is None:
        return not_found(db, ref)
    read = settings(db, ref)
    if read.value is None or found.spec.external_hostname is None:
        fault = next(each for each in read.problems if each.condition == "Accepted")
        reason = fault.reason if fault.reason.startswith("Unsupported") else "InvalidBackend"
        return not_resolved(reason, f"{ref}: {fault.message}")
    hostname = absolute(db.settings, found.spec.external_hostname.hostname)
    # Where the name leads is known once it is resolved.
    guard = () if db.settings.local_backends else (GuardedHosts(),)
    return Outcome(Backend(BackendKey(*ref), found.spec.port.number, hostname=hostname, settings=(*read.value, *guard)))


@query
def endpoints(db: Db, found: Backend) -> tuple[BackendEndpoint, ...]:
    """Return the one endpoint of a backend, whose address Envoy resolves."""
    return (BackendEndpoint(found.hostname, found.port),)


EXTENSION = Extension(
    "XBackend",
    backends=(
        BackendKind(
            XBackend,
            backend,
            endpoints,
            connection,
            problems=problems,
            takes_policies=False,
            own_namespace_only=True,
        ),
    ),
)
