"""A mapping that remembers what changed in it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TrackedMap(Generic[K, V]):
    """Values by key, and which of them changed since the last call of `take_changes`.

    Attributes:
        view: the values, read-only; it follows every change.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._values: dict[K, V] = {}
        self._changes: dict[K, V | None] = {}
        self.view: Mapping[K, V] = MappingProxyType(self._values)

    def set(self, key: K, value: V | None) -> None:
        """Set a value, None to remove it; a value that equals the old one is no change."""
        if self._values.get(key) == value:
            return
        self._changes[key] = value
        if value is None:
            del self._values[key]
        else:
            self._values[key] = value

    def take_changes(self) -> dict[K, V | None]:
        """Return the new value of each key that was set since the last call, None where it was removed.

        A value that was changed and changed back in between is among them.
        """
        changes, self._changes = self._changes, {}
        return changes
