"""The status of ListenerSets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from translator.conditions import Condition, Status
from translator.db import Db
from translator.engine.query import query
from translator.gateway.client_validation import validated_listeners
from translator.gateway.gateways import is_managed
from translator.gateway.listener_sets import named_gateway, parent_gateway, referenced
from translator.inputs import Invalid
from translator.kinds import StatusKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.refs import Ref
from translator.status.accepted import gateway_verdicts, set_accepted, valid_in_set
from translator.status.invalid import false, last_valid_status, renewed
from translator.status.listener import listener_status
from translator.status.policy_affected import policy_affected
from translator.status.programmed import Programming, programming


@query
def listener_set_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a ListenerSet of a Gateway of ours, None for others'."""
    found = db.get(ListenerSet, ref)
    gateway, accepted = parent_gateway(db, ref), set_accepted(db, ref)
    if found is None:
        return None
    generation = found.metadata.generation or 1
    if gateway is None or accepted is None:
        return _unclaimed(db, ref, generation)
    known = _programming(db, gateway, ref)
    states = validated_listeners(db, ref)
    listeners = [listener_status(db, each, known, generation) for each in states]
    served = [told for told, state in zip(listeners, states, strict=True) if valid_in_set(db, state)]
    programmed = _programmed(db, gateway, accepted, generation) or _of_listeners(served, known)
    affected = (each.json(generation) for each in policy_affected(db, ref))
    return {"conditions": [accepted.json(generation), programmed, *affected], "listeners": listeners}


def _unclaimed(db: Db, ref: Ref, generation: int) -> Status | None:
    """Standalone there is nobody else who would answer for a ListenerSet whose Gateway does not exist."""
    gateway = named_gateway(db, ref)
    if not db.settings.standalone or (gateway is not None and db.get(Gateway, gateway) is not None):
        return None
    fault = f"{gateway} does not exist; create it" if gateway is not None else "it is to name a Gateway; correct it"
    return {"conditions": list(_rejected("ParentNotAccepted", f"spec.parentRef: {fault}.", generation))}


def _rejected(reason: str, text: str, generation: int) -> Iterator[dict[str, Any]]:
    for each in ("Accepted", "Programmed"):
        yield Condition(each, "False", reason, text).json(generation)


def _programming(db: Db, gateway: Ref, ref: Ref) -> Programming:
    """Return what the proxies of a Gateway have acknowledged of a ListenerSet."""
    known = programming(db, gateway)
    if known.generation is None:
        return known
    generation, listeners = db.acknowledged(ref)
    return replace(known, generation=generation, listeners=listeners)


def _programmed(db: Db, gateway: Ref, accepted: Condition, generation: int) -> dict[str, Any] | None:
    """Return the condition Programmed of a ListenerSet that cannot be, whatever the proxies say."""
    if accepted.status != "True":
        return Condition("Programmed", "False", accepted.reason, accepted.message).json(generation)
    parent = gateway_verdicts(db, gateway).unprogrammable
    if parent is None:
        return None
    text = f"{gateway} is not programmed ({parent.reason}); its status says why."
    return Condition("Programmed", "False", "ParentNotProgrammed", text).json(generation)


def _of_listeners(served: list[Status], known: Programming) -> dict[str, Any]:
    """Return the condition Programmed of listeners: of one that is not programmed, if there is one.

    Until the proxies acknowledge new listeners, that of the others stands.
    """
    told_of = [told for told in served if known.listeners is None or told["name"] in known.listeners]
    found = [each for told in told_of or served for each in told["conditions"] if each["type"] == "Programmed"]
    condition: dict[str, Any] = next((each for each in found if each["status"] != "True"), found[0])
    return condition


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    before = last_valid_status(db, ref)
    parent = invalid.partial.parent_gateway
    gateway = referenced(parent, ref.namespace) if parent is not None else None
    if not (before if parent is None else gateway is not None and is_managed(db, gateway)):
        return None
    conditions = [false(each, "Invalid", text, invalid) for each in ("Accepted", "Programmed")]
    listeners = [{**each, "conditions": renewed(each["conditions"], invalid)} for each in before.get("listeners", ())]
    return {**before, "conditions": conditions, "listeners": listeners}


STATUS = StatusKind(ListenerSet, listener_set_status, _invalid)
