"""Certificate revocation lists in ConfigMaps: which certificates of clients are no longer valid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography.x509 import load_der_x509_crl

from translator.db import Db
from translator.engine.query import query
from translator.gateway.pem import PemError, blocks, write
from translator.ir.listener import REVOCATION_LIST
from translator.objects.kubernetes.core import ConfigMap
from translator.refs import Ref

CRL_KEY: Final = "ca.crl"
"""The key of a ConfigMap that holds revocation lists."""
_LABEL: Final = b"X509 CRL"


class _UnusableListError(ValueError):
    """Revocation lists that Envoy does not accept; the message is a clause."""


def revocation_list(namespace: str, name: str) -> Ref:
    """Return the reference to the revocation lists of a ConfigMap, as part of what certificates are validated by."""
    return Ref(REVOCATION_LIST, namespace, name)


@query
def revocation_lists(db: Db, source: Ref) -> tuple[bytes, ...] | str:
    """Return the revocation lists of a ConfigMap as PEM, or what is wrong with it in one sentence."""
    owner = Ref(ConfigMap.kind, source.namespace, source.name)
    found = db.get(ConfigMap, owner)
    if found is None:
        return f"{owner} does not exist; create it with revocation lists in the key {CRL_KEY}."
    text = found.data.get(CRL_KEY, "").encode() or found.binary_data.get(CRL_KEY, b"")
    if not text:
        return f"{owner} has no {CRL_KEY} in its data."
    try:
        return tuple(dict.fromkeys(write(_LABEL, each) for each in _lists(text)))
    except _UnusableListError as wrong:
        return f"{owner}: {CRL_KEY} in its data {wrong}"


@query(firewall=True)
def revocation_fault(db: Db, source: Ref) -> str:
    """Return what is wrong with the revocation lists of a ConfigMap; "" if they can be used, whichever they are."""
    found = revocation_lists(db, source)
    return found if isinstance(found, str) else ""


def _lists(text: bytes) -> Iterator[bytes]:
    count = 0
    try:
        for block in blocks(text):
            if block.label == _LABEL:
                count += 1
                load_der_x509_crl(block.data)
                yield block.data
    except PemError as error:
        raise _UnusableListError(f"is not in PEM form: {error}.") from None
    except ValueError:
        raise _UnusableListError(f"holds a revocation list that cannot be read (number {count}).") from None
    if not count:
        raise _UnusableListError("has no X509 CRL block; it must hold revocation lists in PEM form.")
