"""Diagnostics of certificates that Envoy accepts and its peers reject: expired ones, and those of other hosts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from headgate.reporting.fields import FieldPlaces
from translator.gateway.client_certificate import FIELD
from translator.objects.gateway_api.gateway import Gateway, GatewaySpec
from translator.objects.gateway_api.listener import Listener, ListenerOwner
from translator.objects.gateway_api.references import SecretObjectReference
from translator.objects.kubernetes.core import Secret
from translator.refs import Ref
from watchers.diagnostics import Diagnostic, Severity
from watchers.files.store import FileStore


def certificate_problems(folder: FileStore, now: datetime) -> Iterator[Diagnostic]:
    """Yield diagnostics of certificates of Gateways that clients, or backends, will reject.

    Args:
        folder: the objects; missing and unusable certificates are reported by conditions.
        now: the time, with its time zone.
    """
    fields = FieldPlaces(folder)
    for ref, found in sorted(folder.objects.items()):
        if isinstance(found, Gateway):
            for text in _of_client(folder, ref, found.spec, now):
                yield Diagnostic(fields.place(ref, "", text), text, "error", ref)
        for listener in found.spec.listeners if isinstance(found, ListenerOwner) else ():
            for severity, place, message in _of_listener(folder, ref, listener, now):
                text = f"tls.certificateRefs[{place}]: {message}"
                where = fields.place(ref, f"listener {listener.name}", text)
                yield Diagnostic(where, f"listener {listener.name}: {text}", severity, ref)


def _of_listener(
    folder: FileStore, owner: Ref, listener: Listener, now: datetime
) -> Iterator[tuple[Severity, int, str]]:
    names: list[str] = []
    references = listener.tls.certificate_refs if listener.tls and listener.tls.mode == "Terminate" else ()
    for place, reference in enumerate(references):
        secret, certificate = _referenced(folder, owner, reference)
        if certificate is None:
            return  # a condition reports it
        names += _names(certificate)
        for message in _untimely(secret, certificate, now):
            yield "error", place, message
    host = listener.hostname
    if references and host and not any(covers(name, host) for name in names):
        known = ", ".join(names) or "none"
        yield "warning", 0, f"no certificate is for the listener's hostname {host}; their names: {known}"


def _of_client(folder: FileStore, gateway: Ref, spec: GatewaySpec, now: datetime) -> Iterator[str]:
    reference = (
        spec.tls.backend.client_certificate_ref if spec.tls is not None and spec.tls.backend is not None else None
    )
    if reference is not None:
        secret, certificate = _referenced(folder, gateway, reference)
        for message in _untimely(secret, certificate, now) if certificate is not None else ():
            yield f"{FIELD}: {message}"


def _referenced(
    folder: FileStore, gateway: Ref, reference: SecretObjectReference
) -> tuple[Ref, x509.Certificate | None]:
    secret = Ref(Secret.kind, reference.namespace or gateway.namespace, reference.name)
    found = folder.get(secret)
    return secret, _certificate(found.data.get("tls.crt")) if isinstance(found, Secret) else None


def _untimely(secret: Ref, certificate: x509.Certificate, now: datetime) -> Iterator[str]:
    if certificate.not_valid_after_utc < now:
        yield f"the certificate in {secret} expired at {certificate.not_valid_after_utc:%F %T} UTC"
    if certificate.not_valid_before_utc > now:
        yield f"the certificate in {secret} is not valid before {certificate.not_valid_before_utc:%F %T} UTC"


def _certificate(chain: bytes | None) -> x509.Certificate | None:
    """Return the server's certificate in a chain; None if it cannot be parsed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual certificates of authorities
        try:
            return x509.load_pem_x509_certificates(chain)[0] if chain else None
        except ValueError:
            return None


def _names(certificate: x509.Certificate) -> Sequence[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return found.value.get_values_for_type(x509.DNSName)


def covers(name: str, host: str) -> bool:
    """Return whether a certificate's DNS name matches a host, also by wildcard (RFC 9525, section 6.3)."""
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])
