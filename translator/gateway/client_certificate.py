"""The certificate that a Gateway presents to its backends: `spec.tls.backend` (GEP-3155)."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.gateway.certificates import usable_secret
from translator.gateway.gateways import gateway_spec
from translator.ir.backend import BackendKey
from translator.outcome import Outcome
from translator.refs import Ref

FIELD = "spec.tls.backend.clientCertificateRef"


def client_certificate(db: Db, gateway: Ref) -> Outcome[Ref | None] | None:
    """Return the Secret with a Gateway's client certificate, or why it cannot be used; None if it asks for none."""
    spec = gateway_spec(db, gateway)
    if spec is None or spec.tls is None or spec.tls.backend is None or spec.tls.backend.client_certificate_ref is None:
        return None
    return usable_secret(db, gateway, spec.tls.backend.client_certificate_ref, FIELD, "InvalidClientCertificateRef")


@query(firewall=True)
def presented_certificate(db: Db, gateway: Ref) -> BackendKey | None:
    """Return the Secret with the certificate that a Gateway presents to its backends; None if it presents none.

    Backends that ask for a certificate, and get none, refuse the connection themselves.
    """
    found = client_certificate(db, gateway)
    return BackendKey(*found.value) if found is not None and found.value is not None else None
