"""Which kinds have synced: all parts of them have been listed."""

from __future__ import annotations


class SyncTracker:
    """The parts of each kind that have not synced; a part is a namespace, or "" for the whole cluster."""

    def __init__(self) -> None:
        """Start with every kind synced: only sources that list say that they have not yet."""
        self._not_synced: dict[str, set[str]] = {}

    def set(self, kind: str, part: str, *, synced: bool) -> bool:
        """Set whether a part of a kind has synced; return whether the whole kind has."""
        parts = self._not_synced.setdefault(kind, set())
        (parts.discard if synced else parts.add)(part)
        return not parts

    def has_synced(self, kind: str) -> bool:
        """Return whether all parts of a kind have synced."""
        return not self._not_synced.get(kind)
