"""The sync status that counts for each Gateway: that of the published snapshot.

A status is made at once when an object changes, its snapshot is acknowledged a moment later. Until then, what was told
last stands, for the generation that it was told of: nothing counts as programmed before its ACK, and a change that
takes no time does not make a Gateway pending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from translator.gateway.listener_sets import parent_of
from translator.inputs import AcknowledgedListeners, GatewaySyncStatus
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.refs import Ref
from xds import Snapshot


class Acknowledged:
    """The last sync status of each Gateway, and the one that counts."""

    def __init__(
        self,
        report: Callable[[Ref, GatewaySyncStatus | None], None],
        report_set: Callable[[Ref, AcknowledgedListeners | None], None],
    ) -> None:
        """Start empty.

        Args:
            report: takes the sync status that counts for a Gateway, None where there is none.
            report_set: takes what is acknowledged of a ListenerSet, None for one that is gone.
        """
        self._report, self._report_set = report, report_set
        self._edited_sets: dict[Ref, dict[Ref, ListenerSet]] = {}
        self._latest: dict[Ref, GatewaySyncStatus] = {}
        self._changed: set[Ref] = set()
        self._awaiting: set[Ref] = set()
        self._overdue: set[Ref] = set()

    @property
    def awaiting(self) -> frozenset[Ref]:
        """The Gateways whose proxies have not answered what is published for them."""
        return frozenset(self._awaiting)

    def observe(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Take the last sync status of a Gateway."""
        if status == GatewaySyncStatus():
            self._latest.pop(gateway, None)
        else:
            self._latest[gateway] = status
        self._changed.add(gateway)

    def overdue(self, gateway: Ref) -> None:
        """Report a Gateway as pending whose proxies have not acknowledged in time."""
        if gateway in self._awaiting:
            self._overdue.add(gateway)
            self._changed.add(gateway)

    def touch(self, gateway: Ref) -> None:
        """Mark a Gateway whose snapshot or generation may have changed."""
        if gateway in self._latest:
            self._changed.add(gateway)

    @property
    def has_changes(self) -> bool:
        """Whether `update` may have anything to report."""
        return bool(self._changed)

    def edit_set(self, ref: Ref, before: ListenerSet | None, found: ListenerSet | None) -> None:
        """Take the edit of a ListenerSet, which the proxies of its Gateway may have yet to acknowledge."""
        for each in (before, found):
            gateway = parent_of(each) if each is not None else None
            if gateway is not None:
                self._edited_sets.get(gateway, {}).pop(ref, None)
                self.touch(gateway)
        if found is None:
            self._report_set(ref, None)
        elif (gateway := parent_of(found)) is not None:
            self._edited_sets.setdefault(gateway, {})[ref] = found

    def update(self, gateways: Mapping[Ref, object], snapshots: Mapping[Ref, Snapshot], incomplete: Set[Ref]) -> bool:
        """Report the sync status that counts now; return whether any Gateway was examined.

        Args:
            gateways: the newest of each.
            snapshots: what is published of them, or about to be.
            incomplete: those whose snapshot is not that of the newest; what was reported of them last stands.
        """
        updated = self._changed - incomplete
        for gateway in updated:
            self._update(gateway, gateways.get(gateway), snapshots.get(gateway))
        self._changed -= updated
        return bool(updated)

    def _update(self, gateway: Ref, found: object, snapshot: Snapshot | None) -> None:
        latest = self._latest.get(gateway)
        self._awaiting.discard(gateway)
        if not isinstance(found, Gateway) or latest is None or not latest.clients or latest.snapshot is None:
            self._overdue.discard(gateway)
            self._report(gateway, latest)
            return
        about = replace(
            latest,
            snapshot=None,
            generation=found.metadata.generation,
            listeners=frozenset(each.name for each in found.spec.listeners),
        )
        if latest.all_acked and snapshot is not None and latest.snapshot == snapshot.version:
            self._overdue.discard(gateway)
            self._report(gateway, about)
            self._acknowledge_sets(gateway)
        elif gateway in self._overdue:
            self._report(gateway, replace(about, all_acked=False))
            self._acknowledge_sets(gateway)
        else:
            self._awaiting.add(gateway)

    def _acknowledge_sets(self, gateway: Ref) -> None:
        """Report the edited ListenerSets of a Gateway as they are in the snapshot that its proxies have."""
        for ref, found in self._edited_sets.pop(gateway, {}).items():
            names = frozenset(each.name for each in found.spec.listeners)
            self._report_set(ref, AcknowledgedListeners(found.metadata.generation or 1, names))
