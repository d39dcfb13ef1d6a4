"""The outputs of a golden case as plain data: all of them, or those that a step changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from headgate.reporting.proto_json import SECTIONS, resources
from translator.refs import Ref
from translator.translator import Changes, Translator
from xds.resources.snapshot import Snapshot, diff

Snapshots = Mapping[str, Snapshot]

_KEYS = {"conditions": "type", "listeners": "name", "supportedFeatures": "name"}
_CLUSTER = re.compile(r"^((?:[A-Z][A-Za-z]*/)?[a-z0-9.-]+/[a-z0-9.-]+:\d+)/[0-9a-f]{8}$")


def whole(translator: Translator) -> Any:
    """Return all resources and statuses."""
    xds = {_name(ref): resources(each) for ref, each in sorted(translator.snapshots.items())}
    xds |= {namespace: resources(each) for namespace, each in sorted(translator.client_snapshots.items())}
    return _readable(xds, translator.statuses)


def served(translator: Translator) -> Snapshots:
    """Return all snapshots: those of Gateways by their name, and those of gRPC clients by their namespace."""
    return {**{_name(ref): each for ref, each in translator.snapshots.items()}, **translator.client_snapshots}


def changed(before: Snapshots, changes: Changes, executions: Mapping[str, int]) -> Any:
    """Return the outputs that an evaluation changed.

    Args:
        before: the snapshots before it, as `served` names them.
        changes: what it gave.
        executions: how often it ran each query.
    """
    names: dict[str, Any] = {}
    xds: dict[str, Any] = {}
    gateways = {_name(ref): each for ref, each in sorted(changes.snapshots.items())}
    for name, found in (*gateways.items(), *sorted(changes.client_snapshots.items())):
        old, new = before.get(name, Snapshot()), found or Snapshot()
        names[name] = _kinds_of_change(old, new)
        xds[name] = resources(Snapshot.of(each for each in new if old.get(each.reference) != each))
    return {"changes": names, **_readable(xds, changes.statuses), "executions": dict(executions)}


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the counters that increased, each with its increase."""
    return dict(sorted((Counter(after) - Counter(before)).items()))


def trimmed(value: Any, keep: Any) -> Any:
    """Return the part of a tree that is selected: a key with nothing behind it selects all there.

    A key may be a pattern, such as `HTTPRoute*` or `*`, for the keys that are not named by themselves.

    Lists are transparent: what is selected is selected in each element.
    """
    if keep is None or value is None:
        return value
    if isinstance(value, list):
        return [trimmed(each, keep) for each in value]
    assert isinstance(value, dict), f"{value!r} has no {keep}"
    names = {key: _named(key, keep) for key in value}
    return {key: trimmed(value[key], keep[name]) for key, name in names.items() if name is not None}


def _named(key: str, keep: Mapping[str, Any]) -> str | None:
    if key in keep:
        return key
    return next((pattern for pattern in keep if fnmatchcase(key, pattern)), None)


def _kinds_of_change(old: Snapshot, new: Snapshot) -> dict[str, dict[str, str]]:
    """Return each change by section and name: added, changed, removed, or replaced by a cluster of another hash."""
    found: dict[str, dict[str, str]] = {}
    differing = diff(old, new)
    for section, type_url in SECTIONS.items():
        for name in sorted(differing.get(type_url, ())):
            kind = "changed" if name in old.resources(type_url) else "added"
            kind = kind if name in new.resources(type_url) else "removed"
            kinds = found.setdefault(section, {})
            shown = _without_hashes(name)
            kinds[shown] = "replaced" if shown in kinds else kind
    return found


def _readable(xds: Mapping[str, Any], statuses: Mapping[Ref, Any]) -> dict[str, Any]:
    status = {str(ref): _by_key(each) for ref, each in sorted(statuses.items())}
    return {"xds": _without_hashes(xds), "status": _without_hashes(status)}


def _name(gateway: Ref) -> str:
    return f"{gateway.namespace}/{gateway.name}"


def _by_key(value: Any, key: str = "") -> Any:
    """Show lists that the API declares as maps (`listType=map`) as maps."""
    if isinstance(value, dict):
        return {name: _by_key(each, _KEYS.get(name, "")) for name, each in value.items() if name != key}
    if isinstance(value, list):
        members = [_by_key(each, key) for each in value]
        return dict(zip((each[key] for each in value), members, strict=True)) if key else members
    return value


def _without_hashes(value: Any) -> Any:
    """Leave out the hash of a cluster's settings at the end of its name, which says nothing to a reader."""
    if isinstance(value, dict):
        return {key: _without_hashes(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_hashes(each) for each in value]
    return _CLUSTER.sub(r"\1", value) if isinstance(value, str) else value
