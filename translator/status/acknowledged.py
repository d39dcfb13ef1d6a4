"""The sync status that counts for each Gateway: that of the published snapshot.

A status is made at once when an object changes, its snapshot is acknowledged a moment later. Until then, what was told
last stands, for the generation that it was told of: nothing counts as programmed before its ACK, and a change that
takes no time does not make a Gateway pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace

from translator.gateway.listener_sets import parent_of
from translator.inputs import AcknowledgedListeners, GatewaySyncStatus
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.refs import Ref
from translator.status.accepted import AttachedSet
from xds import Snapshot


class Acknowledged:
    """The last sync status of each Gateway, and the one that counts."""

    def __init__(
        self,
        report: Callable[[Ref, GatewaySyncStatus | None], None],
        report_set: Callable[[Ref, AcknowledgedListeners | None], None],
        attached: Callable[[Ref], Iterable[AttachedSet]],
        generation: Callable[[Ref], int],
    ) -> None:
        """Start empty.

        Args:
            report: takes the sync status that counts for a Gateway, None where there is none.
            report_set: takes what is acknowledged of a ListenerSet, None where nothing is.
            attached: gives the accepted ListenerSets of a Gateway.
            generation: gives the generation of an object.
        """
        self._report, self._report_set = report, report_set
        self._find_attached, self._generation = attached, generation
        self._attached: dict[Ref, dict[Ref, tuple[str, ...]]] = {}
        self._unacked_sets: dict[Ref, set[Ref]] = {}
        self._latest: dict[Ref, GatewaySyncStatus] = {}
        self._changed: set[Ref] = set()
        self._awaiting: set[Ref] = set()
        self._overdue: set[Ref] = set()

    @property
    def awaiting(self) -> frozenset[Ref]:
        """The Gateways whose proxies have not answered what is published for them."""
        return frozenset(self._awaiting)

    def observe(self, gateway: Ref, status: GatewaySyncStatus) -> bool:
        """Take the last sync status of a Gateway; return whether `update` may have anything to report of it."""
        before = self._latest.get(gateway, GatewaySyncStatus())
        if status == GatewaySyncStatus():
            self._latest.pop(gateway, None)
        else:
            self._latest[gateway] = status
        is_unacked = bool(status.clients) and status.snapshot is not None and not status.all_acked
        if status == before or (is_unacked and self._is_awaited(gateway)):
            return False
        self._changed.add(gateway)
        return True

    def _is_awaited(self, gateway: Ref) -> bool:
        """Return whether what was told last of a Gateway stands until its ACKs arrive, or are overdue."""
        return gateway in self._awaiting and gateway not in self._overdue

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
                self._unacked_sets.setdefault(gateway, set()).add(ref)
                self.touch(gateway)
        if found is None:
            self._report_set(ref, None)

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
        self._update_sets(gateway)
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

    def _update_sets(self, gateway: Ref) -> None:
        """Find the ListenerSets of a Gateway: what was not served before is not acknowledged yet."""
        before, after = self._attached.pop(gateway, {}), dict(self._find_attached(gateway))
        if after:
            self._attached[gateway] = after
        self._unacked_sets.setdefault(gateway, set()).update(each for each in after if after[each] != before.get(each))
        for each in before.keys() - after.keys():
            self._report_set(each, None)

    def _acknowledge_sets(self, gateway: Ref) -> None:
        """Report the changed ListenerSets of a Gateway as they are in the snapshot that its proxies have."""
        attached = self._attached.get(gateway, {})
        for each in self._unacked_sets.pop(gateway, set()) & attached.keys():
            generation = self._generation(each)
            self._report_set(each, AcknowledgedListeners(generation, frozenset(attached[each])))
