"""The status of invalid objects, which a newer definition lets in.

What such an object last was goes on to be served; its conditions tell what cannot be read, for its newest generation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from translator.conditions import Condition, Status, bounded
from translator.db import Db
from translator.engine.query import query
from translator.gateway.attachment import ROUTES, is_ours
from translator.gateway.gateways import managed_class
from translator.inputs import Invalid
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.headgate.gatewayparameters import GatewayParameters
from translator.objects.parse import KINDS
from translator.refs import Ref
from translator.status.registry import STATUS
from translator.status.route import reference_json


@query
def invalid_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of an object that cannot be read, None if it is not ours or can be."""
    refused = db.invalid(ref)
    if refused is None:
        return None
    goes_on = "what it was before stays in use" if db.get(KINDS[ref.kind], ref) else "nothing of it is in use"
    text = (
        f"Headgate cannot read it: {refused.reason}. Until that is mended, or Headgate is one that knows it, {goes_on}."
    )
    return _OF_KIND[ref.kind](db, ref, refused, text)


def _gatewayclass(db: Db, ref: Ref, refused: Invalid, text: str) -> Status | None:
    if refused.partial.controller != db.settings.controller_name:
        return None
    return {**_before(db, ref), "conditions": [_refusal("Accepted", "Unsupported", text, refused)]}


def _gateway(db: Db, ref: Ref, refused: Invalid, text: str) -> Status | None:
    before = _before(db, ref)
    if not (managed_class(db, refused.partial.gateway_class) if refused.partial.gateway_class else before):
        return None
    conditions = [_refusal(each, "Invalid", text, refused) for each in ("Accepted", "Programmed")]
    listeners = [{**each, "conditions": _renewed(each["conditions"], refused)} for each in before.get("listeners", ())]
    return {**before, "conditions": conditions, "listeners": listeners}


def _parameters(db: Db, ref: Ref, refused: Invalid, text: str) -> Status | None:
    return {**_before(db, ref), "conditions": [_refusal("Accepted", "Invalid", text, refused)]}


def _route(db: Db, ref: Ref, refused: Invalid, text: str) -> Status | None:
    before = _before(db, ref).get("parents", [])
    parents = [reference_json(each) for each in refused.partial.parents if is_ours(db, ref, each)]
    if not refused.partial.parents:
        parents = [each["parentRef"] for each in before]
    conditions = {str(each["parentRef"]): _renewed(each["conditions"], refused) for each in before}

    def entry(parent: dict[str, Any]) -> dict[str, Any]:
        resolved = [each for each in conditions.get(str(parent), ()) if each["type"] == "ResolvedRefs"]
        accepted = _refusal("Accepted", "UnsupportedValue", text, refused)
        controller = db.settings.controller_name
        return {"parentRef": parent, "controllerName": controller, "conditions": [accepted, *resolved]}

    return {"parents": [entry(each) for each in parents]} if parents else None


def _before(db: Db, ref: Ref) -> Mapping[str, Any]:
    """Return the status of what the object was before it could not be read any more."""
    return STATUS[ref.kind](db, ref) or {}


def _refusal(type_: str, reason: str, text: str, refused: Invalid) -> dict[str, Any]:
    return Condition(type_, "False", reason, bounded([text])).json(refused.partial.generation or 1)


def _renewed(conditions: Sequence[dict[str, Any]], refused: Invalid) -> list[dict[str, Any]]:
    """Conditions of what is still in use, which hold for the newest generation as well."""
    return [{**each, "observedGeneration": refused.partial.generation or 1} for each in conditions]


_OF_KIND: Final[Mapping[str, Callable[[Db, Ref, Invalid, str], Status | None]]] = {
    GatewayClass.kind: _gatewayclass,
    Gateway.kind: _gateway,
    GatewayParameters.kind: _parameters,
    **dict.fromkeys(ROUTES, _route),
}
