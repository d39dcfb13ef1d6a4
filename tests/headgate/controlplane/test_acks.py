"""ACKs of all replicas: what a replica tells the others, what it takes from them, and when."""

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
        published: what this replica told it, in order.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, object]] = []
        self._record: object = None
        self._handlers: list[Callable[[Iterable[str]], None]] = []

    def add_event_handler(self, handler: Callable[[Iterable[str]], None]) -> None:
        """Tell a handler of what the other replica says."""
        self._handlers.append(handler)

    def records(self, key: str) -> Iterator[Any]:
        """Yield what the other replica said."""
        yield from () if self._record is None else (self._record,)

    def publish(self, key: str, record: object) -> None:
        """Note what this replica says."""
        self.published.append((key, record))

    def says(self, record: object) -> None:
        """Have the other replica say something of the Gateway."""
        self._record = record
        for handler in self._handlers:
            handler([KEY])


class Recording(Inputs):
    """Inputs that record what becomes of the Gateway.

    Attributes:
        statuses: each sync status.
        overdue: how often it was overdue.
        reconnecting: whether all proxies may be about to reconnect.
    """

    def __init__(self) -> None:
        self.statuses: list[GatewaySyncStatus] = []
        self.overdue = 0
        self.reconnecting = False
        super().__init__(Translator(Settings()))

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Record a status."""
        assert gateway == WEB
        self.statuses.append(status)
        super().set_sync_status(gateway, status)

    def set_overdue(self, gateway: Ref) -> None:
        """Count."""
        self.overdue += 1
        super().set_overdue(gateway)

    def set_reconnecting(self, reconnecting: bool) -> None:
        """Record whether they may."""
        self.reconnecting = reconnecting
        super().set_reconnecting(reconnecting)


def test_what_is_pending_is_told_when_it_is_overdue() -> None:
    """Other replicas learn of what all proxies here acknowledged, of what is overdue, and of proxies that are gone."""
    replicas, inputs = Replicas(), Recording()
    acks = AckAggregator(replicas, inputs)
    acks.set_sync_status(WEB, PENDING)
    assert replicas.published == []
    acks.set_overdue(WEB)
    assert (replicas.published, inputs.overdue) == ([(KEY, encode(PENDING))], 1)
    acks.set_sync_status(WEB, ACKED)
    assert replicas.published[1:] == [(KEY, encode(ACKED))]
    inputs.changed.clear()
    replicas.says(encode(PENDING))
    assert inputs.changed.is_set()
    assert inputs.statuses == [PENDING, ACKED, GatewaySyncStatus(2, False, snapshot="v")]
    replicas.says(encode(ACKED))
    assert inputs.statuses[3:] == [GatewaySyncStatus(2, True, snapshot="v")]


@virtual_time.passes
async def test_proxies_that_are_gone_may_come_back() -> None:
    """Only once no replica has had a proxy for a while, the Gateway has none; replicas are told at once."""
    replicas, inputs = Replicas(), Recording()
    acks = AckAggregator(replicas, inputs)
    acks.set_sync_status(WEB, ACKED)
    acks.set_sync_status(WEB, GatewaySyncStatus())
    assert replicas.published == [(KEY, encode(ACKED)), (KEY, None)]
    assert inputs.statuses[1:] == [GatewaySyncStatus(reconnecting=True)]
    replicas.says(encode(ACKED))
    await asyncio.sleep(2 * RECONNECT_SECONDS)
    assert inputs.statuses[2:] == [ACKED]
    replicas.says(None)
    await asyncio.sleep(2 * RECONNECT_SECONDS)
    assert inputs.statuses[3:] == [GatewaySyncStatus(reconnecting=True), GatewaySyncStatus()]


def test_at_the_start_all_may_come_back() -> None:
    """From the start on proxies may be about to reconnect, until the window is closed."""
    inputs = Recording()
    acks = AckAggregator(Replicas(), inputs)
    assert inputs.reconnecting
    inputs.changed.clear()
    acks.close_reconnect_window()
    assert (inputs.reconnecting, inputs.changed.is_set()) == (False, True)
