"""Conditions for people: which are good, and how to phrase them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from translator.conditions import HINTS, NO_EFFECT, NO_ENDPOINTS, RULES_OVERLAP
from translator.refs import Ref

Json = Mapping[str, Any]

#: Conditions that are good if they are False (Gateway API: "negative polarity").
NEGATIVE = frozenset({"Conflicted", "OverlappingTLSConfig", "PartiallyInvalid", *HINTS})

#: The predicates of a condition that is good, and of one that is not.
PHRASES = {
    "Accepted": ("is accepted", "is not accepted"),
    "Attached": ("is attached", "is not attached"),
    "Programmed": ("is programmed", "is not programmed"),
    "ResolvedRefs": ("has all its references resolved", "has references that cannot be resolved"),
    "Conflicted": ("is in nobody's way", "is in conflict"),
    "PartiallyInvalid": ("is valid as a whole", "is valid only in part"),
    "OverlappingTLSConfig": ("shares its TLS with no other listener", "shares its TLS with other listeners"),
    RULES_OVERLAP: ("gets requests by all its matches", "has matches that get no requests"),
    NO_EFFECT: ("has no field without an effect", "has fields without an effect"),
    NO_ENDPOINTS: ("has endpoints behind all its backends", "has backends without endpoints"),
}


class ConditionPlace(NamedTuple):
    """A list of conditions within a status.

    Attributes:
        label: the part of the object; "" for the object itself.
        conditions: the conditions, in the API server's form.
    """

    label: str
    conditions: Sequence[dict[str, Any]]


class ConditionChange(NamedTuple):
    """A change of an object's conditions.

    Attributes:
        ref: the object.
        text: the sentence: "HTTPRoute default/shop is not accepted: …".
        good: whether it needs no action.
        reason: the condition's reason.
    """

    ref: Ref
    text: str
    good: bool
    reason: str


def places(status: Json) -> Iterator[ConditionPlace]:
    """Yield all conditions of a status: the object's own, then those of its parts, in the order of `PARTS`."""
    if "conditions" in status:
        yield ConditionPlace("", status["conditions"])
    for field, label in PARTS.items():
        for each in status.get(field, ()):
            yield ConditionPlace(label(each), each["conditions"])


def parent_label(reference: Json) -> str:
    """Return the label of a route's parent: "Gateway infra/web, section https, port 443"."""
    namespace = f"{reference['namespace']}/" if "namespace" in reference else ""
    details = [f"{field} {reference[key]}" for field, key in _PARTS if key in reference]
    return ", ".join([f"{reference.get('kind', 'Gateway')} {namespace}{reference['name']}", *details])


_PARTS = (("section", "sectionName"), ("port", "port"))


PARTS: Mapping[str, Callable[[Json], str]] = {
    "listeners": lambda each: f"listener {each['name']}",
    "parents": lambda each: parent_label(each["parentRef"]),
    "ancestors": lambda each: parent_label(each["ancestorRef"]),
}
"""The lists of a status whose items have conditions, and how people name an item."""


def is_good(condition: Json) -> bool:
    """Return whether a condition needs no action."""
    return bool(condition["status"] == ("False" if condition["type"] in NEGATIVE else "True"))


def phrase(condition: Json) -> str:
    """Return a condition as a predicate, such as "is not accepted"."""
    good, bad = PHRASES.get(condition["type"], (f"is {condition['type']}", f"is {condition['type']}"))
    if condition["type"] not in PHRASES and condition["status"] != "True":
        bad = f"is not {condition['type']}"
    return good if is_good(condition) else bad


def bad(status: Json) -> Iterator[tuple[str, Json]]:
    """Yield the conditions that need action, each with its label; each message once."""
    seen: list[str] = []
    for label, conditions in places(status):
        for condition in conditions:
            message = condition["message"]
            if not is_good(condition) and not any(message in each for each in seen):
                seen.append(message)
                yield label, condition
