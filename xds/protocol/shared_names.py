"""Sets of names that clients with equal subscriptions share: each name in a set of its own takes 150 bytes."""

from __future__ import annotations

from weakref import WeakValueDictionary

FEWEST = 64
"""Fewest names of a set that is shared."""

_KNOWN: WeakValueDictionary[tuple[int, int], frozenset[str]] = WeakValueDictionary()
"""The sets that some client has, by length and hash."""


def shared(names: frozenset[str]) -> frozenset[str]:
    """Return an equal set: the one that another client has, if there is one."""
    if len(names) < FEWEST:
        return names
    known = _KNOWN.setdefault((len(names), hash(names)), names)
    return known if known is names or known == names else names
