"""Evaluation: edits go to the translator, snapshots to the xDS server, and sync status comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

import translator.inputs as translated
from headgate.controlplane.status_store import StatusStore
from headgate.observability.containment import contained
from headgate.observability.metrics import Metrics
from headgate.observability.tracing import span
from headgate.reporting.conditions import ConditionChange
from headgate_proto.envoy.config.core.v3 import base_pb2
from translator.inputs import Edit
from translator.objects.gateway_api.gateway import gateway_of, key_of
from translator.refs import Ref
from translator.status.nacks import attribute_nacks
from translator.translator import Changes, Translator
from xds import NackState, Server, Snapshot, StreamRejected, SyncStatus

log = structlog.stdlib.get_logger("headgate")

#: A configuration that is on its way to the proxies for so many seconds is told to be pending. One that arrives sooner,
#: as nearly all do, leaves a Gateway's condition Programmed as it is.
PENDING_AFTER = 1.0


#: So many seconds are evaluated before leases, probes and streams are looked after.
TURN_SECONDS = 0.05


class _Nacks(NamedTuple):
    """The NACKs of a snapshot, and the same with the routes that they affect."""

    snapshot: Snapshot
    nacks: tuple[NackState, ...]
    attributed: tuple[translated.AttributedNack, ...]


@dataclass(slots=True)
class ControlPlane:
    """The one task that evaluates and publishes.

    Attributes:
        translator: owned by this: nobody else edits or evaluates it.
        server: where snapshots are published.
        statuses: what is told of each object.
        gateways_changed: called with the keys of all Gateways that have something to serve, when those change.
        conditions_changed: called with the changes of conditions.
        metrics: is told of evaluations.
        taken: called with the objects of each batch of edits.
        changed: called with what an evaluation brought, once it is published.
        delivered: called with how far the configuration of a Gateway has come with the proxies connected here; by
            default the translator is told so.
        overdue: called with a Gateway whose proxies are told to be pending, as they did not answer soon.
        complete: asked after each evaluation whether the translator knows of all that this depends on whether it is
            known; if it has been told more, all is evaluated again before anything is published.
        gone: called with the key of a Gateway that has nothing to serve any more; by default its snapshot is withdrawn:
            connected proxies keep what they have.
        ready: set once everything that was there at the start is published, as far as it could be read: not while of
            no Gateway is known what to serve.
    """

    translator: Translator
    server: Server
    statuses: StatusStore
    gateways_changed: Callable[[frozenset[str]], None]
    conditions_changed: Callable[[list[ConditionChange]], None]
    metrics: Metrics
    taken: Callable[[Iterable[Ref]], None] = lambda _: None
    changed: Callable[[Changes], None] = lambda _: None
    delivered: Callable[[Ref, translated.GatewaySyncStatus], None] | None = None
    overdue: Callable[[Ref], None] = lambda _: None
    complete: Callable[[], bool] = lambda: True
    gone: Callable[[str], None] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: asyncio.Event = field(default_factory=asyncio.Event)
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _pending: dict[Ref, asyncio.TimerHandle] = field(default_factory=dict)
    _nacks: dict[str, _Nacks] = field(default_factory=dict)
    _failing: frozenset[str] = frozenset()
    _gateways: frozenset[str] | None = None
    _edited: float | None = None  # when the oldest edit was taken that nothing has been published of
    _moved: float = 0.0  # when the evaluation last came on

    async def take(self, batches: AsyncIterable[tuple[Edit, ...]]) -> None:
        """Apply batches of edits until the iteration ends."""
        async for edits in batches:
            self._begun.set()
            async with self._taking:  # else what never ends to come would never be published
                self.translator.edit(edits)
            if self._edited is None:
                self._edited = asyncio.get_running_loop().time()
            self._wake.set()
            self.taken(each.ref for each in edits)

    def wake(self) -> None:
        """Request an evaluation: an input other than objects has changed in the translator."""
        self._wake.set()

    async def evaluate(self) -> None:
        """Evaluate and publish on each change; changes that arrive meanwhile are evaluated in the next round.

        Not before the first batch, which is all that was there at the start: of no objects it would follow that there
        is nothing to serve, and that all that was deployed and written for them is to go.
        """
        await self._begun.wait()
        while True:
            await self._wake.wait()
            self._wake.clear()
            begun, changes = time.perf_counter(), Changes()
            with span("evaluate"):
                changes.merge(await self._evaluated())
                while not self.complete():
                    changes.merge(await self._evaluated())
            self._publish(changes)
            self._await_answers()
            self.metrics.evaluated(time.perf_counter() - begun)
            self._tell_failures(changes)
            with contained("telling statuses"):
                self.conditions_changed(self.statuses.update(changes.statuses))
            with contained("handing on changes"):
                self.changed(changes)
            if not self.translator.nothing_synced:
                self.ready.set()
            await asyncio.sleep(0)  # lets the server send before the next round

    @property
    def stalled_seconds(self) -> float:
        """The seconds for which an evaluation has been due without progress."""
        if self._edited is None:
            return 0.0
        return asyncio.get_running_loop().time() - max(self._edited, self._moved)

    async def _evaluated(self) -> Changes:
        """Evaluate in steps that yield to the event loop: all at once, 10,000 routes take seconds."""
        async with self._taking:
            since = time.perf_counter()
            for _ in self.translator.steps():
                if time.perf_counter() - since > TURN_SECONDS:
                    self._moved = asyncio.get_running_loop().time()
                    await asyncio.sleep(0)
                    since = time.perf_counter()
            return self.translator.changes()

    def select(self, node: base_pb2.Node) -> str:
        """Return the key of a node's snapshot, which is its cluster.

        Raises:
            StreamRejected: there is no such Gateway. While it is not known what it serves, its proxies keep what they
                have.
        """
        self.check(node.cluster)
        return node.cluster

    def check(self, key: str) -> None:
        """Check that a key names a Gateway; while its configuration is not known, its proxies may wait.

        Raises:
            StreamRejected: there is none.
        """
        if self.ready.is_set() and self.translator.serves_nothing(gateway_of(key)):
            text = f"Headgate serves no Gateway {key!r}: a node names its Gateway by its cluster, NAMESPACE/NAME"
            raise StreamRejected(text)

    def withdraw(self, key: str) -> None:
        """Withdraw the snapshot of a key, unless its Gateway is back."""
        gateway = gateway_of(key)
        if gateway not in self.translator.snapshots:
            self.server.withdraw(key)
            self._tell_delivery(gateway, translated.GatewaySyncStatus())

    def deliver(self, key: str, status: SyncStatus) -> None:
        """Take the sync status of a snapshot from the xDS server; it counts once all clients have answered."""
        current = status.clients == status.acked
        refused = self._rejections(key, status)
        told = translated.GatewaySyncStatus(status.clients, current, refused, snapshot=status.snapshot.version)
        self._tell_delivery(gateway_of(key), told if status.clients else translated.GatewaySyncStatus())
        self._wake.set()

    def _rejections(self, key: str, status: SyncStatus) -> tuple[translated.AttributedNack, ...]:
        """Return the NACKs with the routes they affect; compute them again only when they change."""
        known = self._nacks.pop(key, None)
        if not status.nacks:
            return ()
        if known is None or known.snapshot is not status.snapshot or known.nacks != status.nacks:
            found = attribute_nacks(status.snapshot, status.nacks)
            known = _Nacks(status.snapshot, status.nacks, found)
        self._nacks[key] = known
        return known.attributed

    def _await_answers(self) -> None:
        """Start timers that mark Gateways as pending whose proxies do not answer in time."""
        awaited = self.translator.acknowledged.awaiting
        for gateway in self._pending.keys() - awaited:
            self._pending.pop(gateway).cancel()
        for gateway in awaited - self._pending.keys():
            self._pending[gateway] = asyncio.get_running_loop().call_later(PENDING_AFTER, self._give_up, gateway)

    def _give_up(self, gateway: Ref) -> None:
        del self._pending[gateway]
        self.translator.acknowledged.overdue(gateway)
        self.overdue(gateway)
        self._wake.set()

    def _tell_delivery(self, gateway: Ref, delivery: translated.GatewaySyncStatus) -> None:
        (self.delivered or self.translator.set_sync_status)(gateway, delivery)

    def _publish(self, changes: Changes) -> None:
        edited, self._edited = self._edited, None
        for gateway, snapshot in changes.snapshots.items():
            with contained(f"publishing Gateway {key_of(gateway)}"):
                self._publish_one(key_of(gateway), snapshot, edited)
        gateways = frozenset(map(key_of, self.translator.snapshots))
        if gateways != self._gateways:
            self._gateways = gateways
            with contained("running proxies"):
                self.gateways_changed(gateways)

    def _publish_one(self, key: str, snapshot: Snapshot | None, edited: float | None) -> None:
        if snapshot is None:
            (self.gone or self.withdraw)(key)
            return
        with span("publish", {"headgate.gateway": key, "xds.resources": len(snapshot)}):
            self.server.publish(key, snapshot, edited)

    def _tell_failures(self, changes: Changes) -> None:
        """Log each bug once, when it first occurs."""
        failing: Mapping[str, Exception] = {str(each): each for each in changes.failures}
        for text in failing.keys() - self._failing:
            log.error(
                f"A bug in Headgate, please report it: {text}. What it concerns keeps its last good configuration.",
                exc_info=failing[text].__cause__,
            )
        self._failing = frozenset(failing)
