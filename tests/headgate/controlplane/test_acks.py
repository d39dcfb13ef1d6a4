"""ACKs of all replicas: publication of a replica's sync status, and aggregation with that of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from headgate.controlplane.acks import LATER_SECONDS, AckAggregator
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.reconnect_window import RECONNECT_SECONDS
from headgate.controlplane.sync_records import encode
from tests import virtual_time
from translator.inputs import GatewaySyncStatus, Settings
from translator.objects.gateway_api.gateway import gateway_of
from translator.refs import Ref
from translator.translator import Translator

KEY = "shop/web"
WEB = gateway_of(KEY)
ACKED, PENDING = GatewaySyncStatus(1, True, snapshot="v"), GatewaySyncStatus(1, False, snapshot="v")


class Replicas:
    """The exchange with one other replica.

    Attributes:
        published: the records that this replica published, in order.
        within: the seconds within which each of them is published.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, object]] = []
        self.within: list[float] = []
        self._record: object = None
        self._handlers: list[Callable[[Iterable[str]], None]] = []

    def add_event_handler(self, handler: Callable[[Iterable[str]], None]) -> None:
        """Register the handler of changed records."""
        self._handlers.append(handler)

    def records(self, key: str) -> Iterator[Any]:
        """Yield the record of the other replica."""
        yield from () if self._record is None else (self._record,)

    def publish(self, key: str, record: object, within: float = 0.0) -> None:
        """Record what this replica publishes."""
        self.published.append((key, record))
        self.within.append(within)

    def set_record(self, record: object) -> None:
        """Change the other replica's record of the Gateway."""
        self._record = record
        for handler in self._handlers:
            handler([KEY])


class Recording(Inputs):
    """Inputs that record the sync status of the Gateway.

    Attributes:
        statuses: the sync statuses, in order.
        overdue: the number of times that its ACKs were overdue.
        reconnecting: whether proxies may be about to reconnect.
    """

    def __init__(self) -> None:
        self.statuses: list[GatewaySyncStatus] = []
        self.overdue = 0
        self.reconnecting = False
        super().__init__(Translator(Settings()))

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Record a sync status."""
        assert gateway == WEB
        self.statuses.append(status)
        super().set_sync_status(gateway, status)

    def set_overdue(self, gateway: Ref) -> None:
        """Count the call."""
        self.overdue += 1
        super().set_overdue(gateway)

    def set_reconnecting(self, reconnecting: bool) -> None:
        """Record the value."""
        self.reconnecting = reconnecting
        super().set_reconnecting(reconnecting)


def test_overdue_acks_are_published() -> None:
    """A replica publishes its sync status after all ACKs, when ACKs are overdue, and without proxies."""
    replicas, inputs = Replicas(), Recording()
    acks = AckAggregator(replicas, inputs)
    acks.set_sync_status(WEB, PENDING)
    assert replicas.published == []
    acks.set_overdue(WEB)
    assert (replicas.published, inputs.overdue) == ([(KEY, encode(PENDING))], 1)
    acks.set_sync_status(WEB, ACKED)
    assert replicas.published[1:] == [(KEY, encode(ACKED))]
    inputs.changed.clear()
    replicas.set_record(encode(PENDING))
    assert inputs.changed.is_set()
    assert inputs.statuses == [PENDING, ACKED, GatewaySyncStatus(2, False, snapshot="v")]
    replicas.set_record(encode(ACKED))
    assert inputs.statuses[3:] == [GatewaySyncStatus(2, True, snapshot="v")]


def acked(snapshot: str, clients: int = 1) -> GatewaySyncStatus:
    """Return the sync status of proxies that all have a snapshot."""
    return GatewaySyncStatus(clients, True, snapshot=snapshot)


def test_acks_that_no_replica_waits_for_are_published_later() -> None:
    """The leader's next ACKs of the same proxies wait for further ones, unless another replica has some of them."""
    replicas = Replicas()
    acks = AckAggregator(replicas, Recording(), lambda: True)
    for each in (acked("v1"), acked("v2"), acked("v3", clients=2), acked("v4", clients=2)):
        acks.set_sync_status(WEB, each)
    assert replicas.within == [0, LATER_SECONDS, 0, LATER_SECONDS]
    acks.set_sync_status(WEB, GatewaySyncStatus(2, False, snapshot="v5"))
    acks.set_overdue(WEB)
    acks.set_sync_status(WEB, acked("v5", clients=2))
    assert replicas.within[4:] == [0, 0]
    acks.set_sync_status(WEB, acked("v6", clients=2))
    replicas.set_record(encode(acked("v6")))
    acks.set_sync_status(WEB, acked("v7", clients=2))
    assert replicas.within[6:] == [LATER_SECONDS, 0, 0]
    assert [record for _, record in replicas.published[7:]] == [encode(acked(each, clients=2)) for each in ("v6", "v7")]


def test_other_replicas_publish_acks_at_once() -> None:
    """The ACKs of the proxies of a replica that does not lead are published at once: the leader waits for them."""
    replicas = Replicas()
    acks = AckAggregator(replicas, Recording(), lambda: False)
    for each in ("v1", "v2"):
        acks.set_sync_status(WEB, acked(each))
    assert replicas.within == [0, 0]


@pytest.mark.parametrize(("leading", "own"), [(True, True), (True, False), (False, True), (False, False)])
def test_acks_are_overdue_where_they_count(leading: bool, own: bool) -> None:
    """ACKs are not overdue for a replica that neither leads nor has proxies: it may learn of those of others later."""
    replicas, inputs = Replicas(), Recording()
    acks = AckAggregator(replicas, inputs, lambda: leading)
    if own:
        acks.set_sync_status(WEB, ACKED)
    replicas.set_record(encode(ACKED))
    acks.set_overdue(WEB)
    assert inputs.overdue == (leading or own)


@virtual_time.passes
async def test_disconnected_proxies_may_reconnect() -> None:
    """A Gateway has no proxies once no replica has had one for a while; replicas publish that at once."""
    replicas, inputs = Replicas(), Recording()
    acks = AckAggregator(replicas, inputs)
    acks.set_sync_status(WEB, ACKED)
    acks.set_sync_status(WEB, GatewaySyncStatus())
    assert replicas.published == [(KEY, encode(ACKED)), (KEY, None)]
    assert inputs.statuses[1:] == [GatewaySyncStatus(reconnecting=True)]
    replicas.set_record(encode(ACKED))
    await asyncio.sleep(2 * RECONNECT_SECONDS)
    assert inputs.statuses[2:] == [ACKED]
    replicas.set_record(None)
    await asyncio.sleep(2 * RECONNECT_SECONDS)
    assert inputs.statuses[3:] == [GatewaySyncStatus(reconnecting=True), GatewaySyncStatus()]


def test_at_the_start_proxies_may_reconnect() -> None:
    """From the start until the window is closed, proxies may be about to reconnect."""
    inputs = Recording()
    acks = AckAggregator(Replicas(), inputs)
    assert inputs.reconnecting
    inputs.changed.clear()
    acks.close_reconnect_window()
    assert (inputs.reconnecting, inputs.changed.is_set()) == (False, True)
