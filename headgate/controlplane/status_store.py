"""Object statuses in the form of the API server, with transition times, and changes of conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import BaseModel

from headgate.reporting.conditions import NEGATIVE, PARTS, ConditionChange, bad, is_good, phrase, places
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS

Status = Mapping[str, Any]

#: The fields of `spec` that `/status` shows.
SHOWN = {"controller_name", "gateway_class_name", "hostnames", "parent_ref", "parent_refs", "target_refs"}


class _TimedStatus(NamedTuple):
    """A status of the translator, and the transition times of its conditions, in their order."""

    status: Status
    times: tuple[str, ...]


_NO_STATUS = _TimedStatus({}, ())


class StatusStore:
    """A store of statuses and the transition times of their conditions.

    Args:
        find: returns an object by its identity, or None.

    Attributes:
        missing_targets: how many targets of policies do not exist.
    """

    def __init__(self, find: Callable[[Ref], KubernetesObject | None]) -> None:
        self.missing_targets = 0
        self._find = find
        self._statuses: dict[Ref, _TimedStatus] = {}

    def update(self, changed: Mapping[Ref, Status | None], now: datetime | None = None) -> list[ConditionChange]:
        """Store changed statuses (None: the object no longer has one), and return the condition changes.

        Args:
            changed: the changed statuses of the translator, without times.
            now: the `lastTransitionTime` of conditions whose status changed; by default the current time.
        """
        time = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        changes: list[ConditionChange] = []
        for ref in sorted(changed):
            before, after = self._statuses.pop(ref, _NO_STATUS), changed[ref]
            self.missing_targets += _missing_targets(after or {}) - _missing_targets(before.status)
            if after is not None:
                self._statuses[ref] = _TimedStatus(after, tuple(_times(before, after, time)))
                changes += _changes(ref, before.status, after)
        return changes

    def refs(self) -> list[Ref]:
        """Return the objects that have a status, sorted."""
        return sorted(self._statuses)

    def object(self, ref: Ref) -> dict[str, Any] | None:
        """Return an object's apiVersion, kind, metadata, some of its spec, and status; None if it has no status."""
        found, status = self._find(ref), self._statuses.get(ref)
        if status is None:
            return None
        return as_object(ref, found, _with_times(status)) | {"spec": _shown(found)}

    def objects(self) -> list[dict[str, Any]]:
        """Return all objects that have a status: apiVersion, kind, metadata, some of the spec, status."""
        return [each for ref in self.refs() if (each := self.object(ref)) is not None]


def as_object(ref: Ref, found: KubernetesObject | None, status: Status) -> dict[str, Any]:
    """Return an object with its status, in the form of the API server; None for one that was never valid."""
    model = KINDS[ref.kind]
    metadata: dict[str, Any] = {"name": ref.name}
    if ref.namespace:
        metadata["namespace"] = ref.namespace
    if found is not None and found.metadata.generation:
        metadata["generation"] = found.metadata.generation
    api_version = f"{model.group}/{model.versions[0]}" if model.group else model.versions[0]
    return {"apiVersion": api_version, "kind": ref.kind, "metadata": metadata, "status": dict(status)}


def _missing_targets(status: Status) -> int:
    """Return how many targets of a policy do not exist, by its status."""
    conditions = (each for ancestor in status.get("ancestors", ()) for each in ancestor["conditions"])
    return sum(each["reason"] == "TargetNotFound" for each in conditions)


def _times(before: _TimedStatus, after: Status, now: str) -> Iterator[str]:
    """Yield the `lastTransitionTime` of each condition, which changes only with the condition's status."""
    flat = zip(_flat(before.status), before.times, strict=True)
    known = {(label, each["type"]): (each["status"], time) for (label, each), time in flat}
    for label, each in _flat(after):
        status, time = known.get((label, each["type"]), ("", now))
        yield time if status == each["status"] else now


def _with_times(timed: _TimedStatus) -> Status:
    """Return the status with the times in its conditions."""
    times = iter(timed.times)

    def stamped(holder: Status) -> dict[str, Any]:
        conditions = [{**each, "lastTransitionTime": next(times)} for each in holder["conditions"]]
        return {**holder, "conditions": conditions}

    result = stamped(timed.status) if "conditions" in timed.status else dict(timed.status)
    for field in PARTS:  # in the order of `places`
        if field in result:
            result[field] = [stamped(each) for each in result[field]]
    return result


def _flat(status: Status) -> Iterator[tuple[str, dict[str, Any]]]:
    for label, conditions in places(status):
        yield from ((label, each) for each in conditions)


def _changes(ref: Ref, before: Status, after: Status) -> Iterator[ConditionChange]:
    """Yield the conditions that turned bad or good, and the first time that a Gateway is programmed."""
    old = {(label, each["type"]): each for label, each in _flat(before)}
    was_bad = {each["type"] for _, each in bad(before)}
    for label, condition in bad(after):
        was_bad.discard(condition["type"])
        was = old.get((label, condition["type"]))
        if was is None or (was["status"], was["message"]) != (condition["status"], condition["message"]):
            yield ConditionChange(
                ref, f"{_subject(ref, label, condition)}: {condition['message']}", False, condition["reason"]
            )
    reported: set[str] = set()
    if after.keys() == before.keys() and next(bad(after), None) is None:
        # Conditions of negative polarity may be absent while they are good.
        present = {each["type"] for _, each in _flat(after)}
        for kind in sorted((was_bad & NEGATIVE) - present):
            yield ConditionChange(ref, f"{ref} {phrase({'type': kind, 'status': 'False'})}", True, "")
    for label, condition in _flat(after):
        kind = condition["type"]
        first = kind == "Programmed" and not label and (label, kind) not in old
        if is_good(condition) and (kind in was_bad or first) and kind not in reported:
            reported.add(kind)
            yield ConditionChange(ref, f"{ref} {phrase(condition)}", True, condition["reason"])


def _subject(ref: Ref, label: str, condition: Status) -> str:
    text = phrase(condition)
    if not label:
        return f"{ref} {text}"
    return f"{ref}, {label}, {text}" if label.startswith("listener") else f"{ref} {text} ({label})"


def _shown(found: KubernetesObject | None) -> dict[str, Any]:
    spec: BaseModel | None = getattr(found, "spec", None)
    if spec is None:
        return {}
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=SHOWN)
