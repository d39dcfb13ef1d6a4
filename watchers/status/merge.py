"""Merges of the wanted status into the observed one, without changes of what other controllers wrote. No I/O.

Ownership, according to the Gateway API's specification:

- An entry of a route's `parents` or a policy's `ancestors` belongs to the controller that it names. Each controller
  writes only its own entries, and removes those that no longer apply.
- Any other status belongs to the controller of the object.
- In every list of conditions, also in our own entries, conditions of types that the specification leaves to others are
  unchanged (`RouteParentStatus.conditions`, `GatewayStatus.conditions`: "MUST NOT remove").

Entries and conditions of others keep their content and their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from translator.api_group import GROUP
from watchers.informers.observed_status import Status

OWN_DOMAIN: Final = f"{GROUP}/"
"""The prefix of condition types that are ours in every list."""

OWN_TYPES: Final = frozenset(
    {
        "Accepted",
        "AddressesAssigned",
        "Attached",
        "Conflicted",
        "DefaultGateway",
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
"""The most conditions that the API server accepts in one list."""
MOST_BYTES: Final = 256 * 1024
"""The most bytes of a status, as JSON: the API server accepts objects of up to 1.5 MB, spec and metadata included."""
MESSAGE_CHARACTERS: Final = 32768
"""The longest message of a condition that the API server accepts."""


class Entries(NamedTuple):
    """A list in which several controllers have entries.

    Attributes:
        field: the list's name in the status.
        reference: the field of an entry that identifies it.
        most: the most entries that the API server accepts.
    """

    field: str
    reference: str
    most: int


SHARED: Final = (Entries("parents", "parentRef", 32), Entries("ancestors", "ancestorRef", 16))


class StatusAuthor(NamedTuple):
    """The controller that writes a status, and the time of the write.

    Attributes:
        controller: the controller name in our entries.
        time: the `lastTransitionTime` of conditions that change, as in RFC 3339.
    """

    controller: str
    time: str


def merge(observed: Status, wanted: Status | None, author: StatusAuthor) -> dict[str, Any]:
    """Return the status to write; equal to `observed` if there is nothing to change.

    Args:
        observed: the status as the API server has it.
        wanted: our whole status of the object, without times; None to remove our entries.
        author: the controller and the time of the write.
    """
    shared = next((each for each in SHARED if each.field in (observed if wanted is None else wanted)), None)
    if shared is not None:
        ours = () if wanted is None else _bounded(wanted)[shared.field]
        return {**observed, shared.field: list(_entries(shared, items(observed, shared.field), ours, author))}
    if wanted is None:
        # The conditions name no controller: those of a controller that has taken over look the same as ours.
        return dict(observed)
    return _own(observed, _bounded(wanted), author)


def patch(observed: Status, new: Status) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) from `observed` to `new`: the fields that differ; empty if none does."""
    changed: dict[str, Any] = dict.fromkeys(observed.keys() - new.keys())
    for key, value in new.items():
        before = observed.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := patch(before, value):
                changed[key] = inner
        elif key not in observed or before != value:
            changed[key] = value
    return changed


def differs_by_counts(observed: Status, new: Status) -> bool:
    """Return whether two statuses differ by nothing but the numbers of routes that are attached to listeners."""
    return "listeners" in new and _uncounted(observed) == _uncounted(new)


def _uncounted(status: Status) -> dict[str, Any]:
    return {**status, "listeners": [{**each, "attachedRoutes": 0} for each in items(status, "listeners")]}


def generation(wanted: Status) -> int | None:
    """Return the generation of the object that a status is of, None if it has none."""
    return max((each.get("observedGeneration") or 0 for each in _all_conditions(wanted)), default=0) or None


def observed_generation(observed: Status, controller: str) -> int:
    """Return the newest observedGeneration among the conditions that a controller may have written."""
    entries = [
        each for shared in SHARED for each in items(observed, shared.field) if each.get("controllerName") == controller
    ]
    conditions = [condition for each in entries for condition in items(each, "conditions")]
    conditions += [each for each in items(observed, "conditions") if each["type"] in OWN_TYPES]
    return max((each.get("observedGeneration") or 0 for each in conditions), default=0)


def is_shared(status: Status) -> bool:
    """Return whether a status has a list in which several controllers have entries."""
    return any(each.field in status for each in SHARED)


def has_entries(observed: Status, controller: str) -> bool:
    """Return whether a status has entries of a controller, which it must remove some day."""
    return any(each.get("controllerName") == controller for shared in SHARED for each in items(observed, shared.field))


def _entries(
    shared: Entries, observed: Sequence[Status], wanted: Sequence[Status], author: StatusAuthor
) -> Iterator[dict[str, Any]]:
    """Yield the existing entries in their order, others' unchanged and ours updated, then the new ones."""
    left = {_identity(each[shared.reference]): each for each in wanted}
    others = sum(each.get("controllerName") != author.controller for each in observed)
    room = shared.most - others
    for each in observed:
        if each.get("controllerName") != author.controller:
            yield dict(each)
            continue
        ours = left.pop(_identity(each.get(shared.reference) or {}), None)
        if ours is not None and room > 0:
            room -= 1
            yield _entry(each, ours, author)
    for ours in list(left.values())[: max(room, 0)]:
        yield _entry({}, ours, author)


def _entry(observed: Status, wanted: Status, author: StatusAuthor) -> dict[str, Any]:
    ours = _is_ours(wanted["conditions"])
    return {**wanted, "conditions": _conditions(items(observed, "conditions"), wanted["conditions"], author.time, ours)}


def items(status: Status, field: str) -> Sequence[dict[str, Any]]:
    """Return a list of a status; empty if the field is absent or `null`, as in new objects."""
    found = status.get(field)
    return found if isinstance(found, list) else ()


def _identity(reference: Status) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(reference.items()))


def _own(observed: Status, wanted: Status, author: StatusAuthor) -> dict[str, Any]:
    new = dict(wanted)
    if "conditions" in observed or "conditions" in wanted:
        conditions = wanted.get("conditions", ())
        new["conditions"] = _conditions(items(observed, "conditions"), conditions, author.time, _is_ours(conditions))
    if "listeners" in wanted:
        before = {each["name"]: each for each in items(observed, "listeners")}
        new["listeners"] = [_listener(before.get(each["name"], {}), each, author) for each in wanted["listeners"]]
    return new


def _listener(observed: Status, wanted: Status, author: StatusAuthor) -> dict[str, Any]:
    ours = _is_ours(wanted["conditions"])
    return {**wanted, "conditions": _conditions(items(observed, "conditions"), wanted["conditions"], author.time, ours)}


def _is_ours(wanted: Iterable[Status]) -> Callable[[str], bool]:
    types = {each["type"] for each in wanted} | OWN_TYPES
    return lambda type_: type_ in types or type_.startswith(OWN_DOMAIN)


def _conditions(
    observed: Sequence[Status], wanted: Sequence[Status], time: str, is_ours: Callable[[str], bool]
) -> list[dict[str, Any]]:
    """Return the existing conditions in their order, others' unchanged and ours updated, then the new ones."""
    left = {each["type"]: each for each in wanted}
    room = MOST_CONDITIONS - sum(not is_ours(each["type"]) for each in observed)
    new: list[dict[str, Any]] = []
    for each in observed:
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
    """Return the status with messages cut to fit the limits."""
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
