"""The sync status of each Gateway on this replica, with the routes that NACKs affect, and deadlines for ACKs."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Final, NamedTuple, Protocol

from translator.inputs import AttributedNack, GatewaySyncStatus
from translator.objects.gateway_api.gateway import gateway_of, is_gateway_key
from translator.refs import Ref
from translator.status.nacks import attribute_nacks
from xds import NackState, Snapshot, SyncStatus

PENDING_AFTER: Final = 1.0
"""The seconds without all ACKs after which a configuration counts as pending. Nearly all ACKs arrive sooner, and leave
the condition Programmed of the Gateway as it is."""


class SyncStatusSink(Protocol):
    """Takes the sync status of Gateways: the translator's inputs, or the aggregation over replicas."""

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Take the sync status of a Gateway's proxies that are connected to this replica."""
        ...

    def set_overdue(self, gateway: Ref) -> None:
        """Take that the ACKs of a Gateway's proxies are overdue."""
        ...


class _Attribution(NamedTuple):
    """The NACKs of a snapshot, without and with the routes that they affect."""

    snapshot: Snapshot
    nacks: tuple[NackState, ...]
    attributed: tuple[AttributedNack, ...]


class SyncStatusReporter:
    """Reports the sync status of each Gateway to a sink.

    Args:
        sink: takes the sync status.
    """

    def __init__(self, sink: SyncStatusSink) -> None:
        self._sink = sink
        self._attributions: dict[str, _Attribution] = {}
        self._deadlines: dict[Ref, asyncio.TimerHandle] = {}

    def report(self, key: str, status: SyncStatus) -> None:
        """Report the sync status of a snapshot, as the xDS server reports it; not that of gRPC clients."""
        if not is_gateway_key(key):
            return
        all_acked = status.clients == status.acked
        nacks = self._attributed(key, status)
        found = GatewaySyncStatus(status.clients, all_acked, nacks, snapshot=status.snapshot.version)
        self._sink.set_sync_status(gateway_of(key), found if status.clients else GatewaySyncStatus())

    def report_withdrawn(self, key: str) -> None:
        """Report that the snapshot of a key is withdrawn."""
        self._attributions.pop(key, None)
        self._sink.set_sync_status(gateway_of(key), GatewaySyncStatus())

    def await_acks(self, awaiting: Set[Ref]) -> None:
        """Start the deadlines of Gateways whose ACKs are awaited, and cancel those of all others."""
        for gateway in self._deadlines.keys() - awaiting:
            self._deadlines.pop(gateway).cancel()
        for gateway in awaiting - self._deadlines.keys():
            self._deadlines[gateway] = asyncio.get_running_loop().call_later(PENDING_AFTER, self._expire, gateway)

    def _expire(self, gateway: Ref) -> None:
        del self._deadlines[gateway]
        self._sink.set_overdue(gateway)

    def _attributed(self, key: str, status: SyncStatus) -> tuple[AttributedNack, ...]:
        """Return the NACKs with the routes they affect, cached for the same snapshot and NACKs."""
        known = self._attributions.pop(key, None)
        if not status.nacks:
            return ()
        if known is None or known.snapshot is not status.snapshot or known.nacks != status.nacks:
            found = attribute_nacks(status.snapshot, status.nacks)
            known = _Attribution(status.snapshot, status.nacks, found)
        self._attributions[key] = known
        return known.attributed
