"""The sync status that counts for each Gateway: that of the published snapshot.

A status is made at once when an object changes, its snapshot is acknowledged a moment later. Until then, what was told
last stands, for the generation that it was told of: nothing counts as programmed before its ACK, and a change that
takes no time does not make a Gateway pending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from translator.inputs import GatewaySyncStatus
from translator.objects.gateway_api.gateway import Gateway
from translator.refs import Ref
from xds import Snapshot


class Acknowledged:
    """The last sync status of each Gateway, and the one that counts."""

    def __init__(self, report: Callable[[Ref, GatewaySyncStatus | None], None]) -> None:
        """Start empty; `report` takes the sync status that counts for a Gateway, None where there is none."""
        self._report = report
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
        elif gateway in self._overdue:
            self._report(gateway, replace(about, all_acked=False))
        else:
            self._awaiting.add(gateway)
