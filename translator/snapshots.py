"""Snapshots of Gateways, brought up to date with the resources that changed, as far as they could be made."""

from __future__ import annotations

from collections.abc import Mapping, Set

from translator.refs import Ref
from translator.resources.output_table import OutputTable
from translator.tracked import TrackedMap
from xds import Reference, Resource, Snapshot, diff


class SnapshotAssembler:
    """Assembles the snapshot of each Gateway, at the cost of the resources that changed.

    A snapshot that was never published is published as a whole. Of one that was, that goes on which needs nothing that
    is missing; the Gateway stays dirty then.
    """

    def __init__(self, outputs: OutputTable) -> None:
        """Start without snapshots; `outputs` has what they are assembled of."""
        self._outputs = outputs
        self._snapshots: TrackedMap[Ref, Snapshot] = TrackedMap()
        self._inconsistent: set[Ref] = set()

    @property
    def snapshots(self) -> Mapping[Ref, Snapshot]:
        """The snapshot of each Gateway that is published."""
        return self._snapshots.view

    @property
    def inconsistent(self) -> Set[Ref]:
        """The Gateways whose outputs are all there but do not fit each other."""
        return self._inconsistent

    def assemble(self, *, stale: bool) -> None:
        """Bring the snapshots of all dirty Gateways up to date.

        Args:
            stale: whether an index keeps old entries, so that the outputs need not fit each other although none fails:
                the clusters may be those of before, and a RouteConfiguration need new ones.
        """
        if dirty := self._outputs.dirty:
            self._outputs.set_assembled([each for each in dirty if self._assemble(each, stale)])

    def _assemble(self, gateway: Ref, stale: bool) -> bool:
        """Bring the snapshot of a Gateway up to date; return whether all that changed is in it."""
        self._inconsistent.discard(gateway)
        before, wanted = self.snapshots.get(gateway), self._outputs.wanted(gateway)
        complete = self._outputs.is_complete(gateway)
        if not complete and (before is None or wanted is None):
            return False
        if wanted is None:
            self._snapshots.set(gateway, None)
            return True
        after = (Snapshot() if before is None else before).replace(*self._outputs.update(gateway))
        if complete and stale and after.dangling():
            self._inconsistent.add(gateway)
            complete = False
        if not complete and before is not None:
            after = without_dangling(before, after)
            after = after if diff(before, after) else before
        if complete or before is not None:
            self._snapshots.set(gateway, after)
        return complete

    def take_changes(self) -> dict[Ref, Snapshot | None]:
        """Return the snapshots that changed since the last call, None where a Gateway has none any more."""
        return self._snapshots.take_changes()


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
