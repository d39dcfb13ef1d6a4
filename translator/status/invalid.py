"""The status of invalid objects, which a newer definition lets in.

What such an object last was goes on to be served; its conditions tell what cannot be read, for its newest generation.
Each class of objects has its own form of it (`translator.kinds.StatusKind.invalid`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from translator.conditions import Condition, Status, bounded
from translator.db import Db
from translator.engine.query import query
from translator.inputs import Invalid
from translator.refs import Ref


@query
def invalid_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of an object that is not valid; None if it is not for us to write, or is valid."""
    invalid, kind = db.invalid(ref), db.registry.status(ref.kind)
    if invalid is None or kind is None:
        return None
    goes_on = "what it was before stays in use" if db.get(kind.model, ref) else "nothing of it is in use"
    text = (
        f"Headgate cannot read it: {invalid.reason}. Until that is mended, or Headgate is one that knows it, {goes_on}."
    )
    return kind.invalid(db, ref, invalid, text)


def last_valid_status(db: Db, ref: Ref) -> Mapping[str, Any]:
    """Return the status of what an object was when it was last valid; empty if it never was."""
    kind = db.registry.status(ref.kind)
    return (kind.query(db, ref) if kind is not None else None) or {}


def not_accepted(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    """Return the status of an invalid object whose only condition of its own is `Accepted`."""
    return {**last_valid_status(db, ref), "conditions": [false("Accepted", "Invalid", text, invalid)]}


def false(type_: str, reason: str, text: str, invalid: Invalid) -> dict[str, Any]:
    """Return a condition that does not hold, for the newest generation of an invalid object."""
    return Condition(type_, "False", reason, bounded([text])).json(invalid.partial.generation or 1)


def renewed(conditions: Sequence[dict[str, Any]], invalid: Invalid) -> list[dict[str, Any]]:
    """Return conditions of what is still in use, which hold for the newest generation as well."""
    return [{**each, "observedGeneration": invalid.partial.generation or 1} for each in conditions]
