"""CA certificates in objects: trust anchors for the certificates of clients and backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from translator.db import Db
from translator.engine.query import query
from translator.gateway.der import DerError, element
from translator.gateway.pem import PemError, blocks, write
from translator.gateway.revocation_lists import revocation_lists
from translator.gateway.x509 import read
from translator.ir.listener import REVOCATION_LIST, TrustBundle
from translator.objects.gateway_api.references import LocalObjectReference, qualified_kind
from translator.objects.kubernetes.clustertrustbundle import ClusterTrustBundle
from translator.objects.kubernetes.core import ConfigMap, Secret
from translator.objects.schema.base import KubernetesObject
from translator.outcome import Outcome, Problem, not_resolved
from translator.permissions.reference_grants import Grantee, GrantTarget, not_permitted
from translator.refs import Ref

CA_KEY: Final = "ca.crt"
"""The key of a ConfigMap that holds CA certificates (Gateway API, `FrontendTLSValidation`, `BackendTLSPolicy`)."""

_CERTIFICATE: Final = b"CERTIFICATE"
_LABELS: Final = (_CERTIFICATE, b"X509 CERTIFICATE")


class _UnusableCertificateError(ValueError):
    """CA certificates that Envoy does not accept; the message is a clause."""


SOURCES: Final[Mapping[tuple[str, str], type[KubernetesObject]]] = {
    (each.group, each.kind): each for each in (ConfigMap, ClusterTrustBundle)
}
"""The kinds of objects that a reference to CA certificates may name, by group and kind."""


def _ca_source(db: Db, reference: LocalObjectReference, namespace: str) -> Ref | str:
    """Return the object with CA certificates that a reference names, or why its kind has none, as a clause.

    Args:
        db: the database.
        reference: the reference.
        namespace: the namespace of objects that are in one.
    """
    kind, model = reference.kind, SOURCES.get((reference.group, reference.kind))
    if model is None:
        kinds = " or a ".join(kind for _, kind in SOURCES)
        return f"{qualified_kind(reference.group, kind)} is not supported; refer to a {kinds}."
    if not db.is_served(kind):
        return f"the cluster does not serve the kind {kind}; enable it there, or refer to a {ConfigMap.kind}."
    return Ref(kind, namespace if model.namespaced else "", reference.name)


@query
def ca_certificates(db: Db, source: Ref) -> tuple[bytes, ...] | str:
    """Return the CA certificates of an object, each once and as PEM, or what is wrong with it in one sentence."""
    text, field, place = _READERS[source.kind](db, source)
    if text is None:
        return f"{source} does not exist; create it with CA certificates in {place}."
    if not text:
        return f"{source} has no {field}."
    try:
        return tuple(dict.fromkeys(write(_CERTIFICATE, each) for each in _certificates(text)))
    except _UnusableCertificateError as wrong:
        return f"{source}: {field.removesuffix(' in its data')} {wrong}"


class _CaText(NamedTuple):
    """PEM, None if there is no such object; the field that holds it, and how that is described to who creates it."""

    text: bytes | None
    field: str
    place: str


def _of_config_map(db: Db, source: Ref) -> _CaText:
    found = db.get(ConfigMap, source)
    text = (found.data.get(CA_KEY, "").encode() or found.binary_data.get(CA_KEY, b"")) if found is not None else None
    return _CaText(text, f"{CA_KEY} in its data", f"the key {CA_KEY}")


def _of_bundle(db: Db, source: Ref) -> _CaText:
    found = db.get(ClusterTrustBundle, source)
    text = found.spec.trust_bundle.encode() if found is not None else None
    return _CaText(text, "spec.trustBundle", "spec.trustBundle")


def _of_secret(db: Db, source: Ref) -> _CaText:
    found = db.get(Secret, source)
    return _CaText(
        found.data.get(CA_KEY, b"") if found is not None else None, f"{CA_KEY} in its data", f"the key {CA_KEY}"
    )


_READERS: Final[Mapping[str, Callable[[Db, Ref], _CaText]]] = {
    ConfigMap.kind: _of_config_map,
    ClusterTrustBundle.kind: _of_bundle,
    Secret.kind: _of_secret,
}
"""How CA certificates are read, by the kind of the object that has them."""


@query(firewall=True)
def ca_fault(db: Db, source: Ref) -> str:
    """Return what is wrong with the CA certificates of an object; "" if they can be used, whichever they are."""
    found = ca_certificates(db, source)
    return found if isinstance(found, str) else ""


def resolved_source(
    db: Db, reference: LocalObjectReference, namespace: str, field: str, other_kind: str
) -> Outcome[Ref | None]:
    """Return the object with CA certificates that a reference names, usable or not; None if its kind has none.

    Args:
        db: the database.
        reference: the reference.
        namespace: the namespace of objects that are in one.
        field: its path, for messages.
        other_kind: the reason of a kind that has none.
    """
    source = _ca_source(db, reference, namespace)
    if isinstance(source, str):
        return not_resolved(other_kind, f"{field}: {source}")
    fault = ca_fault(db, source)
    return Outcome(source, (Problem("ResolvedRefs", "InvalidCACertificateRef", f"{field}: {fault}"),) if fault else ())


def permitted_source(
    db: Db, owner: Ref, reference: LocalObjectReference, namespace: str, field: str
) -> Outcome[Ref | None]:
    """Return what `resolved_source` does, for clients, if the object may be referred to; None if it may not be.

    Args:
        db: the database.
        owner: the object that refers to it: grants are those of its kind.
        reference: the reference.
        namespace: the namespace of objects that are in one.
        field: its path, for messages.
    """
    grantee = Grantee(db.registry.kinds[owner.kind].group, owner.kind, owner.namespace, namespace)
    target = GrantTarget(reference.group, reference.kind, reference.name)
    # What is not permitted is not looked at any further, not even at its kind.
    if problem := not_permitted(db, grantee, target, field):
        return Outcome(None, (problem,))
    return resolved_source(db, reference, namespace, field, "InvalidCACertificateKind")


@query
def trust_bundle(db: Db, sources: tuple[Ref, ...]) -> TrustBundle | None:
    """Return the CA certificates of all those objects that can be used, each once, and revocation lists.

    None if there are no certificates, or a list is missing: who was shut out by it could come in.
    """
    certificates: dict[bytes, None] = {}
    lists: dict[bytes, None] = {}
    for each in sources:
        of_lists = each.kind == REVOCATION_LIST
        found = revocation_lists(db, each) if of_lists else ca_certificates(db, each)
        if not isinstance(found, str):
            (lists if of_lists else certificates).update(dict.fromkeys(found))
        elif of_lists:
            return None
    return TrustBundle(b"".join(certificates), b"".join(lists)) if certificates else None


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
