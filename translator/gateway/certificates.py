"""The certificates of HTTPS listeners: references, permission, and whether Envoy can use what is referred to."""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.engine.query import query
from translator.gateway.gateways import listener_specs
from translator.gateway.key_pairs import key_pair
from translator.ir.listener import Certificate
from translator.objects.gateway_api.listener import Listener, ListenerOwner
from translator.objects.gateway_api.references import SecretObjectReference, qualified_kind
from translator.objects.kubernetes.core import Secret
from translator.outcome import Outcome, Problem, gather, not_resolved
from translator.permissions.reference_grants import Grantee, GrantTarget, not_permitted
from translator.refs import ListenerRef, Ref

INVALID: Final = "InvalidCertificateRef"
"""The reason of a listener's references that cannot be used."""


@query
def certificate(db: Db, secret: Ref) -> Certificate | str:
    """Return the certificate in a Secret of type ``kubernetes.io/tls``, or what is wrong with it in one sentence."""
    found = db.get(Secret, secret)
    if found is None:
        return f"{secret} does not exist; create it, for example with kubectl create secret tls."
    chain, key = found.data.get("tls.crt"), found.data.get("tls.key")
    if not chain or not key:
        missing = " and ".join(name for name, value in (("tls.crt", chain), ("tls.key", key)) if not value)
        return f"{secret} has no {missing} in its data."
    pair = key_pair(chain, key)
    return pair if isinstance(pair, Certificate) else f"{secret}: {pair}"


@query
def listener_certificates(db: Db, listener: ListenerRef) -> Outcome[tuple[Ref, ...]]:
    """Return the Secrets with usable certificates of an HTTPS listener; problems for the others."""
    spec = next((each for each in listener_specs(db, listener.owner) if each.name == listener.name), None)
    if spec is None or spec.tls is None:
        return Outcome((), (_invalid("tls: a listener of protocol HTTPS needs tls.certificateRefs."),) if spec else ())
    if not spec.tls.certificate_refs:
        return Outcome((), (_invalid("tls.certificateRefs is empty; name a Secret of type kubernetes.io/tls."),))
    outcomes = gather(_resolve(db, listener.owner, spec, place) for place in range(len(spec.tls.certificate_refs)))
    return Outcome(tuple(each for each in outcomes.value if each is not None), outcomes.problems)


def _resolve(db: Db, owner: Ref, listener: Listener, place: int) -> Outcome[Ref | None]:
    assert listener.tls is not None
    ref = listener.tls.certificate_refs[place]
    return usable_secret(db, owner, ref, f"tls.certificateRefs[{place}]", INVALID)


def usable_secret(
    db: Db, owner: Ref, ref: SecretObjectReference, field: str, invalid: str, group: str = ListenerOwner.group
) -> Outcome[Ref | None]:
    """Return the Secret with a certificate that an object refers to, or why it cannot be used.

    Args:
        db: the database.
        owner: the object: a Gateway or ListenerSet, unless it is of another group.
        ref: the reference.
        field: its path, for messages.
        invalid: the reason if it is permitted and cannot be used.
        group: the group of the object's kind.
    """
    secret = Ref(Secret.kind, ref.namespace or owner.namespace, ref.name)
    grantee = Grantee(group, owner.kind, owner.namespace, secret.namespace)
    target = GrantTarget(ref.group, ref.kind, ref.name)
    # What is not permitted is not looked at any further, not even at its kind (`ListenerReasonInvalidCertificateRef`).
    if problem := not_permitted(db, grantee, target, field):
        return Outcome(None, (problem,))
    if (ref.group, ref.kind) != ("", Secret.kind):
        kind = qualified_kind(ref.group, ref.kind)
        return not_resolved(invalid, f"{field}: {kind} is not supported; refer to a Secret.")
    found = certificate(db, secret)
    return not_resolved(invalid, f"{field}: {found}") if isinstance(found, str) else Outcome(secret)


def _invalid(message: str) -> Problem:
    return Problem("ResolvedRefs", INVALID, message)
