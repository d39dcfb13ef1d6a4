"""Secret texts in Secrets, which other objects refer to by a key; the texts are in no message and no repr."""

from __future__ import annotations

import re
from typing import Final

from translator.db import Db
from translator.engine.query import query
from translator.ir.secret import GenericSecret
from translator.objects.headgate.references import SecretReference
from translator.objects.kubernetes.core import Secret
from translator.outcome import Outcome, Problem, not_resolved
from translator.permissions.reference_grants import grant_for, not_permitted
from translator.refs import Ref

NOT_FOUND: Final = "SecretNotFound"
"""The reason of a reference to a Secret, or to a key of one, that does not exist."""
MAX_HEADER_BYTES: Final = 16384
"""The longest secret text in a header: Envoy takes 60 KiB of headers in all."""
_HEADER_VALUE: Final = re.compile(rb"[\x21-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\xff])?")


@query(firewall=True)
def _fault(db: Db, secret: Ref, key: str) -> str:
    """Return why a Secret has no text under a key, in one sentence; "" if it has, whatever that is."""
    found = db.get(Secret, secret)
    if found is None:
        return f"{secret} does not exist; create it with the key {key}."
    if key not in found.data:
        return f"{secret} has no key {key}; add it, or correct the reference."
    return "" if found.data[key] else f"{secret}: the value of its key {key} is empty; set it."


def referenced_secret(
    db: Db, owner: Ref, reference: SecretReference, key: str, field: str
) -> Outcome[GenericSecret | None]:
    """Return the secret text that an object refers to, or why it cannot be used.

    Who reads it does not hear of a new value: use `secret_value` for that.

    Args:
        db: the database.
        owner: the object, from whose kind a ReferenceGrant has to permit a Secret of another namespace.
        reference: the reference.
        key: the key, where the reference names none.
        field: the path of the reference, for messages.
    """
    secret = Ref(Secret.kind, reference.namespace or owner.namespace, reference.name)
    if problem := not_permitted(db, *grant_for(db, owner, secret), field):
        return Outcome(None, (problem,))
    name = reference.key or key
    if fault := _fault(db, secret, name):
        return not_resolved(NOT_FOUND, f"{field}: {fault}")
    return Outcome(GenericSecret(secret.namespace, secret.name, name))


def secret_value(db: Db, secret: GenericSecret) -> bytes | None:
    """Return the value of a secret text's key; None if there is none. Nothing is derived of it."""
    found = db.get(Secret, Ref(Secret.kind, secret.namespace, secret.name))
    return found.data.get(secret.key) if found is not None else None


@query(firewall=True)
def _header_fault(db: Db, secret: GenericSecret) -> str:
    """Return why a secret text cannot be the value of a header, in one sentence; "" if it can."""
    text = (secret_value(db, secret) or b"").rstrip(b"\r\n")
    if _HEADER_VALUE.fullmatch(text) and len(text) <= MAX_HEADER_BYTES:
        return ""
    return (
        f"Secret {secret.namespace}/{secret.name}: the value of its key {secret.key} is empty, longer than "
        f"{MAX_HEADER_BYTES} bytes, or has characters that no header may have, such as line breaks; change it."
    )


def header_secret(
    db: Db, owner: Ref, reference: SecretReference, key: str, field: str
) -> Outcome[GenericSecret | None]:
    """Return the secret text that an object refers to as the value of a header; the arguments are those above.

    Who reads it hears of a new value only where one of both cannot be a header's. Line breaks at its end are no part.
    """
    found = referenced_secret(db, owner, reference, key, field)
    if found.value is not None and (fault := _header_fault(db, found.value)):
        return Outcome(None, (Problem("Accepted", "Invalid", f"{field}: {fault}"),))
    return found
