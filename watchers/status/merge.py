"""Merges the wanted status into the observed one, without touching what other controllers wrote. No I/O.

What is whose, after the Gateway API's specification:

- A route's `parents` and a policy's `ancestors` belong to the controller that each entry names. Of several controllers
  each writes its own entries only, and takes its own away when they no longer hold.
- Any other status belongs to the controller of the object.
- Everywhere, in an entry of ours too, conditions of types that the specification leaves to others stay as they are
  (`RouteParentStatus.conditions`, `GatewayStatus.conditions`: "MUST NOT remove").

What stays, stays where it was, and as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from translator.api_group import GROUP
from watchers.informers.observed_status import Status

OWN_DOMAIN: Final = f"{GROUP}/"
"""Condition types that begin so are ours everywhere."""

OWN_TYPES: Final = frozenset(
    {
        "Accepted",
        "AddressesAssigned",
        "Attached",
        "Conflicted",
        "Detached",
        "InsecureFrontendValidationMode",
        "OverlappingTLSConfig",
        "PartiallyInvalid",
        "Programmed",
        "Ready",
        "ResolvedRefs",
        "Scheduled",
        "SupportedVersion",
    }
)
"""The condition types of an object's controller: by the Gateway API (v1.7.0, `apis/v1`), and ours of policies."""

MOST_CONDITIONS: Final = 8
"""How many conditions the API server takes in one place."""
MOST_BYTES: Final = 256 * 1024
"""The most that we say of an object, as JSON: the API server takes objects of 1.5 MB, with all that is in them."""
MESSAGE_CHARACTERS: Final = 32768
"""The longest message of a condition that the API server takes."""


class Entries(NamedTuple):
    """A list in which several controllers have entries.

    Attributes:
        field: its name in the status.
        reference: the field of an entry that says what it is about.
        most: how many entries the API server takes.
    """

    field: str
    reference: str
    most: int


SHARED: Final = (Entries("parents", "parentRef", 32), Entries("ancestors", "ancestorRef", 16))


class StatusAuthor(NamedTuple):
    """Who writes.

    Attributes:
        controller: the controller name in our entries.
        time: what becomes the `lastTransitionTime` of conditions that change, as in RFC 3339.
    """

    controller: str
    time: str


def merge(held: Status, wanted: Status | None, writer: StatusAuthor) -> dict[str, Any]:
    """Give the status that an object shall have; equal to `held` if there is nothing to change.

    Args:
        held: the status as the API server has it.
        wanted: all that we have to say about the object, without times; None: nothing any more.
        writer: who says it, and when.
    """
    shared = next((each for each in SHARED if each.field in (held if wanted is None else wanted)), None)
    if shared is not None:
        ours = () if wanted is None else _bounded(wanted)[shared.field]
        return {**held, shared.field: list(_entries(shared, items(held, shared.field), ours, writer))}
    if wanted is None:
        # Whose these conditions are cannot be seen: another controller may have taken over, and they are its own now.
        return dict(held)
    return _own(held, _bounded(wanted), writer)


def patch(held: Status, new: Status) -> dict[str, Any]:
    """Give the JSON merge patch (RFC 7386) that makes `new` of `held`: the fields that differ; empty if none does."""
    changed: dict[str, Any] = dict.fromkeys(held.keys() - new.keys())
    for key, value in new.items():
        before = held.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := patch(before, value):
                changed[key] = inner
        elif key not in held or before != value:
            changed[key] = value
    return changed


def generation(wanted: Status) -> int | None:
    """Give the generation of the object that a status is about, None if it does not say."""
    return max((each.get("observedGeneration") or 0 for each in _all_conditions(wanted)), default=0) or None


def observed_generation(held: Status, controller: str) -> int:
    """Give the newest generation that the conditions of a status are about which a controller may have written."""
    entries = [
        each for shared in SHARED for each in items(held, shared.field) if each.get("controllerName") == controller
    ]
    conditions = [condition for each in entries for condition in items(each, "conditions")]
    conditions += [each for each in items(held, "conditions") if each["type"] in OWN_TYPES]
    return max((each.get("observedGeneration") or 0 for each in conditions), default=0)


def is_shared(status: Status) -> bool:
    """Whether a status is one in which several controllers have entries."""
    return any(each.field in status for each in SHARED)


def has_entries(held: Status, controller: str) -> bool:
    """Whether a status holds entries of a controller, which somebody has to take away one day."""
    return any(each.get("controllerName") == controller for shared in SHARED for each in items(held, shared.field))


def _entries(
    shared: Entries, held: Sequence[Status], wanted: Sequence[Status], writer: StatusAuthor
) -> Iterator[dict[str, Any]]:
    """Yield the entries of others as they are, ours in their places, and then those that are new."""
    left = {_identity(each[shared.reference]): each for each in wanted}
    others = sum(each.get("controllerName") != writer.controller for each in held)
    room = shared.most - others
    for each in held:
        if each.get("controllerName") != writer.controller:
            yield dict(each)
            continue
        ours = left.pop(_identity(each.get(shared.reference) or {}), None)
        if ours is not None and room > 0:
            room -= 1
            yield _entry(each, ours, writer)
    for ours in list(left.values())[: max(room, 0)]:
        yield _entry({}, ours, writer)


def _entry(held: Status, wanted: Status, writer: StatusAuthor) -> dict[str, Any]:
    ours = _is_ours(wanted["conditions"])
    return {**wanted, "conditions": _conditions(items(held, "conditions"), wanted["conditions"], writer.time, ours)}


def items(status: Status, field: str) -> Sequence[dict[str, Any]]:
    """Give a list of a status; there is none in a new object, and `null` in some that were never written."""
    found = status.get(field)
    return found if isinstance(found, list) else ()


def _identity(reference: Status) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(reference.items()))


def _own(held: Status, wanted: Status, writer: StatusAuthor) -> dict[str, Any]:
    new = dict(wanted)
    if "conditions" in held or "conditions" in wanted:
        conditions = wanted.get("conditions", ())
        new["conditions"] = _conditions(items(held, "conditions"), conditions, writer.time, _is_ours(conditions))
    if "listeners" in wanted:
        before = {each["name"]: each for each in items(held, "listeners")}
        new["listeners"] = [_listener(before.get(each["name"], {}), each, writer) for each in wanted["listeners"]]
    return new


def _listener(held: Status, wanted: Status, writer: StatusAuthor) -> dict[str, Any]:
    ours = _is_ours(wanted["conditions"])
    return {**wanted, "conditions": _conditions(items(held, "conditions"), wanted["conditions"], writer.time, ours)}


def _is_ours(wanted: Iterable[Status]) -> Callable[[str], bool]:
    types = {each["type"] for each in wanted} | OWN_TYPES
    return lambda type_: type_ in types or type_.startswith(OWN_DOMAIN)


def _conditions(
    held: Sequence[Status], wanted: Sequence[Status], time: str, is_ours: Callable[[str], bool]
) -> list[dict[str, Any]]:
    """Return the conditions of others as they are, ours in their places, then new ones; others' come first."""
    left = {each["type"]: each for each in wanted}
    room = MOST_CONDITIONS - sum(not is_ours(each["type"]) for each in held)
    new: list[dict[str, Any]] = []
    for each in held:
        if not is_ours(each["type"]):
            new.append(dict(each))
        elif (ours := left.pop(each["type"], None)) is not None and room > 0:
            room -= 1
            same = each.get("status") == ours["status"] and each.get("lastTransitionTime")
            new.append({**ours, "lastTransitionTime": each["lastTransitionTime"] if same else time})
    return new + [{**each, "lastTransitionTime": time} for each in list(left.values())[: max(room, 0)]]


def _all_conditions(status: Status) -> Iterator[Status]:
    yield from items(status, "conditions")
    for field in ("listeners", *(each.field for each in SHARED)):
        for each in items(status, field):
            yield from items(each, "conditions")


def _bounded(wanted: Status) -> Status:
    """Return the same with messages so short that it fits."""
    longest = MESSAGE_CHARACTERS
    bounded: Status = _shortened(wanted, longest)
    while len(orjson.dumps(bounded)) > MOST_BYTES and longest > 64:
        longest //= 2
        bounded = _shortened(wanted, longest)
    return bounded


def _shortened(value: Any, longest: int) -> Any:
    if isinstance(value, list):
        return [_shortened(each, longest) for each in value]
    if isinstance(value, dict):
        return {
            key: _cut(each, longest) if key == "message" and isinstance(each, str) else _shortened(each, longest)
            for key, each in value.items()
        }
    return value


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
