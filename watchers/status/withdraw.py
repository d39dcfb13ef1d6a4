"""Withdrawal of our status from an object that this controller no longer manages. No I/O.

The conditions of a Gateway name no controller, and another controller may have taken over already. The API server
records the managers of each field (`metadata.managedFields`; "Server-Side Apply" in the Kubernetes documentation), so
the fields that only we wrote are known even after a restart. Fields that others have written are unchanged, byte for
byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from watchers.informers.observed_status import is_status
from watchers.status.merge import OWN_TYPES, items

UNDECIDED: Final = ("Accepted", "Programmed")
"""The conditions of a new Gateway or ListenerSet, which are Unknown with the reason Pending."""

LEFT: Final = (
    "Headgate no longer serves this object: its GatewayClass is another controller's or was deleted, or that of its "
    "Gateway; no other controller has written a status yet."
)


class WrittenFields(NamedTuple):
    """The parts of a status that some field managers wrote.

    Attributes:
        names: the fields.
        conditions: the types of the conditions.
        listeners: the types of the conditions of each listener, by its name.
    """

    names: frozenset[str]
    conditions: frozenset[str]
    listeners: Mapping[str, frozenset[str]]


def withdrawn(found: Mapping[str, Any], manager: str, time: str) -> dict[str, Any]:
    """Return the status without our parts; equal to the present one if it has none.

    The conditions of a new Gateway are set back to Unknown, our other conditions are removed. So are addresses and
    listeners, unless another controller has written conditions: an address that both wrote counts as ours.

    Args:
        found: the object as the API server has it.
        manager: our field manager.
        time: the `lastTransitionTime` of conditions whose status changes, as in RFC 3339.
    """
    metadata, status = found["metadata"], dict(found.get("status") or {})
    written = [each for each in metadata.get("managedFields") or () if is_status(each)]
    ours = _fields(each for each in written if each.get("manager") == manager)
    others = _fields(each for each in written if each.get("manager") != manager)
    alone = ours.conditions - others.conditions
    if alone:
        conditions = (_remaining(each, alone, metadata, time) for each in items(status, "conditions"))
        status["conditions"] = [each for each in conditions if each is not None]
    if not others.conditions & OWN_TYPES:
        for name in ours.names - others.names - {"conditions"}:
            status.pop(name, None)
        if "listeners" in ours.names & status.keys():
            shared = [each for each in items(status, "listeners") if each["name"] in others.listeners]
            status["listeners"] = [_listener(each, others.listeners[each["name"]]) for each in shared]
    return status


def _fields(written: Iterable[Mapping[str, Any]]) -> WrittenFields:
    """Merge the entries of managedFields; keys are those of structured-merge-diff: ``f:name``, ``k:{…}`` for items."""
    names: set[str] = set()
    conditions: set[str] = set()
    listeners: dict[str, frozenset[str]] = {}
    for each in written:
        fields = each["fieldsV1"]["f:status"]
        names.update(key.removeprefix("f:") for key in fields if key.startswith("f:"))
        conditions |= _types(fields)
        for key, inner in fields.get("f:listeners", {}).items():
            if (name := _key(key, "name")) is not None:
                listeners[name] = listeners.get(name, frozenset()) | _types(inner)
    return WrittenFields(frozenset(names), frozenset(conditions), listeners)


def _types(fields: Mapping[str, Any]) -> frozenset[str]:
    found = (_key(key, "type") for key in fields.get("f:conditions", {}))
    return frozenset(each for each in found if each is not None)


def _key(text: str, field: str) -> str | None:
    return str(orjson.loads(text[2:])[field]) if text.startswith("k:") else None


def _remaining(
    condition: dict[str, Any], ours: Collection[str], metadata: Mapping[str, Any], time: str
) -> dict[str, Any] | None:
    """Return a condition after the withdrawal; None if it is removed."""
    if condition["type"] not in ours:
        return condition
    if condition["type"] not in UNDECIDED:
        return None
    since = condition["lastTransitionTime"] if condition["status"] == "Unknown" else time
    observed = {"observedGeneration": metadata["generation"]} if "generation" in metadata else {}
    pending = {"type": condition["type"], "status": "Unknown", "reason": "Pending", "message": LEFT}
    return {**pending, **observed, "lastTransitionTime": since}


def _listener(observed: dict[str, Any], others: Collection[str]) -> dict[str, Any]:
    """Return a listener that others have written too, without our conditions."""
    return {**observed, "conditions": [each for each in items(observed, "conditions") if each["type"] in others]}
