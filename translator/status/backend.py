"""The status of backends, by ancestor: the Gateways whose routes name one (`BackendStatus.ancestors`)."""

from __future__ import annotations

from typing import Any

from translator.conditions import Status, resolved_refs, verdict
from translator.db import Db
from translator.engine.query import query
from translator.inputs import Invalid
from translator.kinds import StatusKind
from translator.objects.gateway_api.backend import BackendObject
from translator.refs import Ref
from translator.resources.clusters import backend_uses
from translator.status.ancestors import by_ancestor, gateway_reference
from translator.status.invalid import false


@query
def backend_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a backend; None if no route of a Gateway of ours names it."""
    found, read = db.get(BackendObject, ref), db.registry.backend(ref.kind).problems
    if found is None or read is None:
        return None
    problems = read(db, ref)
    accepted = verdict("Accepted", problems, "Accepted", "The backend is valid.")
    resolved = resolved_refs(problems)
    generation = found.metadata.generation or 1
    return _at_gateways(db, ref, [accepted.json(generation), resolved.json(generation)])


def _at_gateways(db: Db, ref: Ref, conditions: list[dict[str, Any]]) -> Status | None:
    gateways = dict.fromkeys(each.gateway for each in backend_uses(db, ref))
    return by_ancestor(db, {gateway_reference(each): conditions for each in gateways})


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    """Return the status of an invalid backend: at the Gateways whose routes name it, valid or not."""
    return _at_gateways(db, ref, [false("Accepted", "Invalid", text, invalid)])


STATUS = StatusKind(BackendObject, backend_status, _invalid)
