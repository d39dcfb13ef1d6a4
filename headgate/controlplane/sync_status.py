"""Sync status of Gateways: that of their snapshots, with the routes that NACKs affect, and deadlines for ACKs."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Final, NamedTuple, Protocol

from translator.inputs import AttributedNack, GatewaySyncStatus
from translator.objects.gateway_api.gateway import gateway_of
from translator.refs import Ref
from translator.status.nacks import attribute_nacks
from xds import NackState, Snapshot, SyncStatus

PENDING_AFTER: Final = 1.0
"""A configuration that is on its way to the proxies for so many seconds is told to be pending. One that arrives sooner,
as nearly all do, leaves a Gateway's condition Programmed as it is."""


class SyncStatusSink(Protocol):
    """Takes the sync status of Gateways: the inputs of the translator, or what aggregates it over replicas."""

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Take what the proxies of a Gateway that are connected here have acknowledged."""
        ...

    def set_overdue(self, gateway: Ref) -> None:
        """Take that the proxies of a Gateway have not acknowledged its configuration in time."""
        ...


class _Attribution(NamedTuple):
    """The NACKs of a snapshot, and the same with the routes that they affect."""

    snapshot: Snapshot
    nacks: tuple[NackState, ...]
    attributed: tuple[AttributedNack, ...]


class SyncStatusReporter:
    """Reports the sync status of each Gateway to a sink.

    Args:
        sink: takes it.
    """

    def __init__(self, sink: SyncStatusSink) -> None:
        self._sink = sink
        self._attributions: dict[str, _Attribution] = {}
        self._deadlines: dict[Ref, asyncio.TimerHandle] = {}

    def report(self, key: str, status: SyncStatus) -> None:
        """Report the sync status of a snapshot, as the xDS server has it; it counts once all clients have answered."""
        all_acked = status.clients == status.acked
        nacks = self._attributed(key, status)
        found = GatewaySyncStatus(status.clients, all_acked, nacks, snapshot=status.snapshot.version)
        self._sink.set_sync_status(gateway_of(key), found if status.clients else GatewaySyncStatus())

    def report_withdrawn(self, key: str) -> None:
        """Report that nothing is served under a key any more."""
        self._attributions.pop(key, None)
        self._sink.set_sync_status(gateway_of(key), GatewaySyncStatus())

    def await_acks(self, awaiting: Set[Ref]) -> None:
        """Begin the deadlines of Gateways whose ACKs are awaited now, and end those of all others."""
        for gateway in self._deadlines.keys() - awaiting:
            self._deadlines.pop(gateway).cancel()
        for gateway in awaiting - self._deadlines.keys():
            self._deadlines[gateway] = asyncio.get_running_loop().call_later(PENDING_AFTER, self._expire, gateway)

    def _expire(self, gateway: Ref) -> None:
        del self._deadlines[gateway]
        self._sink.set_overdue(gateway)

    def _attributed(self, key: str, status: SyncStatus) -> tuple[AttributedNack, ...]:
        """Return the NACKs with the routes they affect; compute them again only when they change."""
        known = self._attributions.pop(key, None)
        if not status.nacks:
            return ()
        if known is None or known.snapshot is not status.snapshot or known.nacks != status.nacks:
            found = attribute_nacks(status.snapshot, status.nacks)
            known = _Attribution(status.snapshot, status.nacks, found)
        self._attributions[key] = known
        return known.attributed
