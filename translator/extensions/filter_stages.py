"""What filters of the user's choice have in common: their places among Envoy's, how many there are, what they get."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

from google.protobuf.message import Message

from translator.envoy import http_filters
from translator.envoy.filter_entries import SlotFilter
from translator.objects.headgate.filterentries import FilterStage
from translator.objects.headgate.responses import JsonObject
from translator.outcome import Problem

BODY_BYTES: Final = 1024 * 1024
"""How long a body may be that a user's code in the proxy gets as a whole."""

_LAST: Final = ("Route", "During")
_SLOTS: Final[Mapping[tuple[str, str], str]] = {
    ("Fault", "Before"): http_filters.BEFORE_FAULT,
    ("Fault", "During"): http_filters.BEFORE_AUTHN,
    ("Fault", "After"): http_filters.BEFORE_AUTHN,
    ("AuthN", "Before"): http_filters.BEFORE_AUTHN,
    ("AuthN", "During"): http_filters.BEFORE_AUTHZ,
    ("AuthN", "After"): http_filters.BEFORE_AUTHZ,
    ("AuthZ", "Before"): http_filters.BEFORE_AUTHZ,
    ("AuthZ", "During"): http_filters.BEFORE_RATE_LIMIT,
    ("AuthZ", "After"): http_filters.BEFORE_RATE_LIMIT,
    ("RateLimit", "Before"): http_filters.BEFORE_RATE_LIMIT,
    ("RateLimit", "During"): http_filters.BEFORE_ROUTE,
    ("RateLimit", "After"): http_filters.BEFORE_ROUTE,
    ("Route", "Before"): http_filters.BEFORE_ROUTE,
    ("Route", "After"): http_filters.AFTER_ROUTE,
}
"""By stage and predicate, the slot: that before the filters of a stage, or that of the next one."""


def placed(stage: FilterStage | None, own_slot: str, unit: str, name: str, config: Message) -> SlotFilter:
    """Return a filter in the slot of its stage.

    Args:
        stage: the stage; None for the default, which is Route, During.
        own_slot: the slot of the unit, which is that of the default.
        unit: what the filter is named by if it has no name of its own.
        name: the name of the filter among those of its unit; "" if it has none.
        config: its configuration.
    """
    found = stage or FilterStage()
    slot = _SLOTS.get((found.stage or _LAST[0], found.predicate or _LAST[1]), own_slot)
    return SlotFilter(slot, f"{unit}/{name}" if name else unit, config, found.weight or 0)


def too_many(field: str, found: Collection[object], most: int, items: str) -> tuple[Problem, ...]:
    """Return the problem of a merged list that is longer than that of one policy may be.

    Args:
        field: the path of the list, for messages.
        found: the items that are not switched off.
        most: how many there may be.
        items: what they are, in the plural.
    """
    if len(found) <= most:
        return ()
    text = f"{field} has {len(found)} {items}, and {most} are the most: name fewer."
    return (Problem("Accepted", "Invalid", text),)


def some_closed(value: object) -> bool:
    """Return whether requests must pass some filter of a list, as far as the policies say."""
    assert isinstance(value, tuple)
    return any(each.disable is None and not each.fail_open for each in value)


def object_text(found: JsonObject | None) -> str:
    """Return an object that a filter gets as JSON, the same for equal ones; "" for none."""
    return "" if found is None else json.dumps(found, ensure_ascii=False, sort_keys=True)
