"""CA certificates in ConfigMaps: the trust anchors for the certificates of clients and of backends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from translator.db import Db
from translator.engine.query import query
from translator.gateway.der import DerError, element
from translator.gateway.pem import PemError, blocks, write
from translator.gateway.x509 import read
from translator.ir.listener import TrustBundle
from translator.objects.kubernetes.core import ConfigMap
from translator.refs import Ref

CA_KEY: Final = "ca.crt"
"""The key of a ConfigMap that holds CA certificates (Gateway API, `FrontendTLSValidation`, `BackendTLSPolicy`)."""

_CERTIFICATE: Final = b"CERTIFICATE"
_LABELS: Final = (_CERTIFICATE, b"X509 CERTIFICATE")


class _UnusableCertificateError(ValueError):
    """CA certificates that Envoy does not accept; the message is a clause."""


@query
def ca_certificates(db: Db, config_map: Ref) -> tuple[bytes, ...] | str:
    """Return the CA certificates of a ConfigMap, each once and as PEM, or what is wrong with it in one sentence."""
    found = db.get(ConfigMap, config_map)
    if found is None:
        return f"{config_map} does not exist; create it with CA certificates in the key {CA_KEY}."
    text = found.data.get(CA_KEY, "").encode() or found.binary_data.get(CA_KEY, b"")
    if not text:
        return f"{config_map} has no {CA_KEY} in its data."
    try:
        return tuple(dict.fromkeys(write(_CERTIFICATE, each) for each in _certificates(text)))
    except _UnusableCertificateError as wrong:
        return f"{config_map}: {CA_KEY} {wrong}"


@query(firewall=True)
def ca_fault(db: Db, config_map: Ref) -> str:
    """Return what is wrong with the CA certificates of a ConfigMap; "" if they can be used, whichever they are."""
    found = ca_certificates(db, config_map)
    return found if isinstance(found, str) else ""


@query
def trust_bundle(db: Db, config_maps: tuple[Ref, ...]) -> TrustBundle | None:
    """Return the CA certificates of all those ConfigMaps that can be used, each once; None if there are none."""
    certificates: dict[bytes, None] = {}
    for each in config_maps:
        found = ca_certificates(db, each)
        if not isinstance(found, str):
            certificates.update(dict.fromkeys(found))
    return TrustBundle(b"".join(certificates)) if certificates else None


def _certificates(text: bytes) -> Iterator[bytes]:
    """Yield the certificates among the blocks, in DER; other blocks, such as a private key, are left out."""
    count = 0
    try:
        for block in blocks(text):
            if block.label in _LABELS:
                count += 1
                der = element(block.data).whole
                read(der)
                yield der
    except DerError:
        raise _UnusableCertificateError(f"holds a certificate that cannot be read (number {count}).") from None
    except PemError as error:
        raise _UnusableCertificateError(f"is not in PEM form: {error}.") from None
    if not count:
        raise _UnusableCertificateError("has no CERTIFICATE block; it must hold CA certificates in PEM form.")
