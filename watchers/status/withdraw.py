"""Withdrawal of our status from an object that this controller no longer manages. No I/O.

The conditions of a Gateway do not say whose they are, and another controller may have taken over already. The API
server knows who wrote each field last (`metadata.managedFields`; "Server-Side Apply" in the Kubernetes documentation),
so what we alone wrote is found even by a Headgate that has been restarted since. Anything that somebody else has had a
hand in stays as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from watchers.informers.observed_status import is_status
from watchers.status.merge import OWN_TYPES, items

UNDECIDED: Final = ("Accepted", "Programmed")
"""The conditions that a Gateway has before any controller has seen it, Unknown for the reason Pending."""

LEFT: Final = (
    "Headgate does not serve this object any more, as its class is another controller's or is gone; whoever the class "
    "belongs to has not said anything yet."
)


class WrittenFields(NamedTuple):
    """What some writers have written of a status.

    Attributes:
        names: its fields.
        conditions: the types of its conditions.
        listeners: of each of its listeners the types of the conditions.
    """

    names: frozenset[str]
    conditions: frozenset[str]
    listeners: Mapping[str, frozenset[str]]


def withdrawn(found: Mapping[str, Any], manager: str, time: str) -> dict[str, Any]:
    """Give the status without our claims; equal to what it is if there are none.

    Conditions that a new Gateway has go back to Unknown, others of ours go. So do addresses and listeners, unless
    another controller has begun to write conditions: an address that both have written alike counts as written by us.

    Args:
        found: the object as the API server has it.
        manager: the field manager in whose name we write.
        time: becomes the `lastTransitionTime` of conditions whose status changes, as in RFC 3339.
    """
    metadata, status = found["metadata"], dict(found.get("status") or {})
    written = [each for each in metadata.get("managedFields") or () if is_status(each)]
    ours = _fields(each for each in written if each.get("manager") == manager)
    others = _fields(each for each in written if each.get("manager") != manager)
    alone = ours.conditions - others.conditions
    if alone:
        conditions = (_kept(each, alone, metadata, time) for each in items(status, "conditions"))
        status["conditions"] = [each for each in conditions if each is not None]
    if not others.conditions & OWN_TYPES:
        for name in ours.names - others.names - {"conditions"}:
            status.pop(name, None)
        if "listeners" in ours.names & status.keys():
            kept = [each for each in items(status, "listeners") if each["name"] in others.listeners]
            status["listeners"] = [_listener(each, others.listeners[each["name"]]) for each in kept]
    return status


def _fields(written: Iterable[Mapping[str, Any]]) -> WrittenFields:
    """Return what is written together; keys as in "structured-merge-diff": ``f:name`` a field, ``k:{…}`` an item."""
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


def _kept(held: dict[str, Any], ours: Collection[str], metadata: Mapping[str, Any], time: str) -> dict[str, Any] | None:
    """Return what is left of a condition; None for nothing."""
    if held["type"] not in ours:
        return held
    if held["type"] not in UNDECIDED:
        return None
    since = held["lastTransitionTime"] if held["status"] == "Unknown" else time
    observed = {"observedGeneration": metadata["generation"]} if "generation" in metadata else {}
    made = {"type": held["type"], "status": "Unknown", "reason": "Pending", "message": LEFT}
    return {**made, **observed, "lastTransitionTime": since}


def _listener(held: dict[str, Any], others: Collection[str]) -> dict[str, Any]:
    """Return a listener that others have written in, without our conditions."""
    return {**held, "conditions": [each for each in items(held, "conditions") if each["type"] in others]}
