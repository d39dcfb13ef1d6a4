"""ACKs of all replicas: publication of a replica's sync status, and aggregation with that of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from headgate.controlplane.acks import AckAggregator
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
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, object]] = []
        self._record: object = None
        self._handlers: list[Callable[[Iterable[str]], None]] = []

    def add_event_handler(self, handler: Callable[[Iterable[str]], None]) -> None:
        """Register the handler of changed records."""
        self._handlers.append(handler)

    def records(self, key: str) -> Iterator[Any]:
        """Yield the record of the other replica."""
        yield from () if self._record is None else (self._record,)

    def publish(self, key: str, record: object) -> None:
        """Record what this replica publishes."""
        self.published.append((key, record))

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
