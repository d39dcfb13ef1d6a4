"""Merging of plain data, much as a strategic merge patch of Kubernetes does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

KEYS: Final = ("mountPath", "name", "port")
"""What tells the items of a list apart, the first of these that all items have; lists of others are replaced."""

DEPTH: Final = 100
"""How deep what is merged may be."""


class TooDeep(ValueError):
    """The data to merge is nested deeper than any real manifest."""


def merge(base: Any, over: Any, depth: int = DEPTH) -> Any:
    """Return `base` with `over` merged into it; neither is changed.

    Objects are merged field by field. Lists whose items have names are merged item by item, new ones at the end. All
    else is replaced. A null stays a null, so that of several layers the lowest can still be told to drop a field.

    Raises:
        TooDeep: there are more than `depth` levels.
    """
    if not depth:
        raise TooDeep(f"has more than {DEPTH} levels: make it flatter")
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        merged = dict(base)
        for name, value in over.items():
            merged[name] = merge(merged.get(name), value, depth - 1)
        return merged
    if isinstance(base, Sequence) and isinstance(over, Sequence) and not isinstance(over, str):
        key = keyed(base, over)
        if key is not None:
            return _lists(base, over, key, depth - 1)
    return over


def _lists(base: Sequence[Any], over: Sequence[Any], key: str, depth: int) -> list[Any]:
    merged = {item[key]: item for item in base}
    for item in over:
        merged[item[key]] = merge(merged.get(item[key]), item, depth)
    return list(merged.values())


def keyed(*lists: Sequence[Any]) -> str | None:
    """Return what tells the items of these lists apart, the same for all of them; None if nothing does."""
    return next((key for key in KEYS if all(_has(items, key) for items in lists)), None)


def _has(items: Sequence[Any], key: str) -> bool:
    """Whether all items have that key, and no two the same."""
    keys = [item.get(key) if isinstance(item, Mapping) else None for item in items]
    return all(isinstance(each, str | int) for each in keys) and len(set(keys)) == len(keys)


def without_nulls(value: Any, depth: int = DEPTH) -> Any:
    """Give plain data without the fields that are null: what was laid over is told to drop them.

    Raises:
        TooDeep: there are more than `depth` levels.
    """
    if not depth:
        raise TooDeep(f"has more than {DEPTH} levels: make it flatter")
    if isinstance(value, Mapping):
        return {name: without_nulls(each, depth - 1) for name, each in value.items() if each is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [without_nulls(each, depth - 1) for each in value]
    return value
