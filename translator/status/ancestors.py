"""Statuses by ancestor (`PolicyStatus.ancestors`, and `BackendStatus.ancestors`): those at Gateways, mostly."""

from __future__ import annotations

from typing import Any, Final

from translator.conditions import Status, bounded
from translator.db import Db
from translator.objects.gateway_api.gateway import Gateway
from translator.refs import Ref

MAX_ANCESTORS: Final = 16
"""The most ancestors in a status (`PolicyStatus.ancestors`; a backend could have 32)."""

AncestorRef = tuple[tuple[str, str], ...]
"""An `ancestorRef`, as the items of a map."""


def gateway_reference(gateway: Ref) -> AncestorRef:
    """Return the `ancestorRef` of a Gateway."""
    names = (("namespace", gateway.namespace), ("name", gateway.name))
    return (("group", Gateway.group), ("kind", Gateway.kind), *names)


def gateway_of(ancestor: AncestorRef) -> Ref:
    """Return the Gateway that an `ancestorRef` is of."""
    found = dict(ancestor)
    return Ref(Gateway.kind, found["namespace"], found["name"])


def by_ancestor(db: Db, entries: dict[AncestorRef, list[dict[str, Any]]]) -> Status | None:
    """Return a status with these conditions by ancestor; of too many the last says how many are not shown."""
    shown: list[dict[str, Any]] = [
        {"ancestorRef": dict(ancestor), "controllerName": db.settings.controller_name, "conditions": conditions}
        for ancestor, conditions in list(entries.items())[:MAX_ANCESTORS]
    ]
    if hidden := len(entries) - len(shown):
        for condition in shown[-1]["conditions"][:1]:
            more = f"The status of {hidden} more ancestors is not shown."
            shown[-1]["conditions"] = [{**condition, "message": bounded([condition["message"], more])}]
    return {"ancestors": shown} if shown else None
