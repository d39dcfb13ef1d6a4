"""The statuses of all objects as an API server would hold them, which standalone nobody does, and the news of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import BaseModel

from headgate.conditions import bad, is_good, parent_label, phrase, places
from translator.objects.base import KubernetesObject
from translator.refs import Ref

Status = Mapping[str, Any]

#: The fields of `spec` that are shown beside a status.
SHOWN = {"controller_name", "gateway_class_name", "hostnames", "parent_refs"}


class News(NamedTuple):
    """A change of an object's conditions, in words.

    Attributes:
        ref: the object.
        text: the sentence: "HTTPRoute default/shop is not accepted: …".
        good: whether there is nothing to do about it.
        reason: the condition's reason.
    """

    ref: Ref
    text: str
    good: bool
    reason: str


class Statuses:
    """Keeps the statuses and when their conditions changed.

    Args:
        find: gives an object by its identity.
    """

    def __init__(self, find: Callable[[Ref], KubernetesObject | None]) -> None:
        self._find = find
        self._statuses: dict[Ref, Status] = {}

    def update(self, changed: Mapping[Ref, Status | None], now: datetime | None = None) -> list[News]:
        """Takes the statuses that changed (None: the object has none any more), and tells what is new in them.

        Args:
            changed: as the translator gives them, without times.
            now: becomes the `lastTransitionTime` of conditions whose status changed.
        """
        time = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        news: list[News] = []
        for ref in sorted(changed):
            before, after = self._statuses.pop(ref, {}), changed[ref]
            if after is not None:
                self._statuses[ref] = timed(before, after, time)
                news += _news(ref, before, after)
        return news

    def objects(self) -> list[dict[str, Any]]:
        """All objects that have a status: apiVersion, kind, metadata, some of the spec, status."""
        found = ((self._find(ref), self._statuses[ref]) for ref in sorted(self._statuses))
        return [as_object(found, status) | {"spec": _shown(found)} for found, status in found if found is not None]


def as_object(found: KubernetesObject, status: Status) -> dict[str, Any]:
    """An object with its status, in the form of the API server."""
    group, version = found.group, found.versions[0]
    metadata: dict[str, Any] = {"name": found.metadata.name}
    if found.namespaced:
        metadata["namespace"] = found.metadata.namespace
    if found.metadata.generation:
        metadata["generation"] = found.metadata.generation
    api_version = f"{group}/{version}" if group else version
    return {"apiVersion": api_version, "kind": found.kind, "metadata": metadata, "status": dict(status)}


def timed(before: Status, after: Status, time: str) -> Status:
    """Gives the conditions of a status their `lastTransitionTime`: it changes only with the condition's own status."""
    known = {(label, each["type"]): each for label, each in _flat(before)}

    def stamp(label: str, conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        stamped = []
        for each in conditions:
            old = known.get((label, each["type"]), {})
            same = old.get("status") == each["status"]
            stamped.append({**each, "lastTransitionTime": old["lastTransitionTime"] if same else time})
        return stamped

    result = dict(after)
    if "conditions" in after:
        result["conditions"] = stamp("", after["conditions"])
    for key, label in (("listeners", _listener_label), ("parents", _parent_label)):
        if key in after:
            result[key] = [{**each, "conditions": stamp(label(each), each["conditions"])} for each in after[key]]
    return result


def _listener_label(listener: Status) -> str:
    return f"listener {listener['name']}"


def _parent_label(parent: Status) -> str:
    return parent_label(parent["parentRef"])


def _flat(status: Status) -> Iterator[tuple[str, dict[str, Any]]]:
    for label, conditions in places(status):
        yield from ((label, each) for each in conditions)


def _news(ref: Ref, before: Status, after: Status) -> Iterator[News]:
    """What is not good now and was not so before, what has become good again, and the first time a Gateway works."""
    old = {(label, each["type"]): each for label, each in _flat(before)}
    was_bad = {each["type"] for _, each in bad(before)}
    for label, condition in bad(after):
        was_bad.discard(condition["type"])
        was = old.get((label, condition["type"]))
        if was is None or (was["status"], was["message"]) != (condition["status"], condition["message"]):
            yield News(ref, f"{_subject(ref, label, condition)}: {condition['message']}", False, condition["reason"])
    told: set[str] = set()
    for label, condition in _flat(after):
        kind = condition["type"]
        first = kind == "Programmed" and not label and (label, kind) not in old
        if is_good(condition) and (kind in was_bad or first) and kind not in told:
            told.add(kind)
            yield News(ref, f"{ref} {phrase(condition)}", True, condition["reason"])


def _subject(ref: Ref, label: str, condition: Status) -> str:
    said = phrase(condition)
    if not label:
        return f"{ref} {said}"
    return f"{ref}, {label}, {said}" if label.startswith("listener") else f"{ref} {said} ({label})"


def _shown(found: KubernetesObject) -> dict[str, Any]:
    spec: BaseModel | None = getattr(found, "spec", None)
    if spec is None:
        return {}
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=SHOWN)
