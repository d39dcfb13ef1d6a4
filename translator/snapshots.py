"""Assemble a snapshot of which not everything can be made: what refers to what is missing stays as it was."""

from __future__ import annotations

from xds import Reference, Resource, Snapshot


def without_dangling(before: Snapshot, after: Snapshot) -> Snapshot:
    """Return `after` with the least of `before` put back that leaves no reference to a resource that is not there.

    A resource that refers to a missing one goes back to what it was in `before`, together with all that this refers
    to; if it was not there, it is left out. What nothing refers to any more by then is as in `after`.

    Args:
        before: a snapshot without dangling references.
        after: what it is to become, some of which could not be made.
    """
    while dangling := after.dangling():
        restored: dict[Reference, Resource] = {}
        removed: set[Reference] = set()
        for each, _ in dangling:
            old = before.get(each.reference)
            if old is None:
                removed.add(each.reference)
            else:
                restored[each.reference] = old
        pending = list(restored.values())
        while pending:
            for need in pending.pop().references:
                old = before.get(need)
                if old is not None and need not in restored and after.get(need) is None:
                    restored[need] = old
                    pending.append(old)
        after = after.replace(restored.values(), removed)
    return after
