"""The sync status of each Gateway, aggregated over the proxies of all replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

from headgate.controlplane.inputs import Inputs
from headgate.controlplane.reconnect_window import ReconnectWindow
from headgate.controlplane.sync_records import aggregate, decode, encode
from translator.inputs import GatewaySyncStatus
from translator.objects.gateway_api.gateway import gateway_of, key_of
from translator.refs import Ref

LATER_SECONDS: Final = 2.0
"""The time within which other replicas learn of ACKs that none of them waits for."""


class Exchange(Protocol):
    """The exchange of records with the other replicas; `watchers.peers.exchange.Peers` is one."""

    def add_event_handler(self, handler: Callable[[Iterable[str]], None]) -> None:
        """Register a handler of changed records of other replicas; it takes their keys."""
        ...

    def records(self, key: str) -> Iterator[Any]:
        """Yield the records of a key: at most one of each other replica."""
        ...

    def publish(self, key: str, record: object, within: float = 0.0) -> None:
        """Set this replica's record of a key, a JSON value, within some seconds; None removes it."""
        ...


class AckAggregator:
    """Aggregates the sync status of each Gateway over all replicas.

    From the start until `close_reconnect_window`, proxies may still have to reconnect: a Gateway without proxies keeps
    its last status.

    Only the leader, and replicas with proxies of the same Gateway, need to know at once what the proxies of others have
    acknowledged: a Gateway is not pending for any other replica.

    Args:
        exchange: exchanges records with the other replicas.
        inputs: take the aggregated status.
        is_leading: whether this replica leads.
    """

    def __init__(self, exchange: Exchange, inputs: Inputs, is_leading: Callable[[], bool] = lambda: True) -> None:
        self._exchange = exchange
        self._inputs = inputs
        self._is_leading = is_leading
        self._window = ReconnectWindow(inputs.set_sync_status)
        self._own: dict[Ref, GatewaySyncStatus] = {}
        self._published: dict[Ref, GatewaySyncStatus] = {}
        inputs.set_reconnecting(True)
        exchange.add_event_handler(self._aggregate_changed)

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Set the sync status of the proxies of this replica, and publish it to the other replicas."""
        if status.clients:
            self._own[gateway] = status
        else:
            self._own.pop(gateway, None)
        if status.all_acked or not status.clients:
            self._publish(gateway, status, LATER_SECONDS if self._is_routine(gateway, status) else 0.0)
        self._aggregate(gateway)

    def _is_routine(self, gateway: Ref, status: GatewaySyncStatus) -> bool:
        """Return whether as many proxies as before have all the next snapshot, and no other replica waits for that."""
        before = self._published.get(gateway)
        if before is None or not before.all_acked or before.clients != status.clients:
            return False
        return self._is_leading() and not any(self._exchange.records(key_of(gateway)))

    def _publish(self, gateway: Ref, status: GatewaySyncStatus, within: float = 0.0) -> None:
        if status.clients:
            self._published[gateway] = status
        else:
            self._published.pop(gateway, None)
        self._exchange.publish(key_of(gateway), encode(status), within)

    def set_overdue(self, gateway: Ref) -> None:
        """Publish the sync status of proxies whose ACKs are overdue; until then, other replicas have the last one."""
        if gateway not in self._own and not self._is_leading():
            return
        self._inputs.set_overdue(gateway)
        self._publish(gateway, self._own.get(gateway, GatewaySyncStatus()))

    def close_reconnect_window(self) -> None:
        """End the wait for proxies that have not connected since the start."""
        self._inputs.set_reconnecting(False)

    def _aggregate_changed(self, keys: Iterable[str]) -> None:
        for each in keys:
            gateway = gateway_of(each)
            if (known := self._published.get(gateway)) is not None:
                self._publish(gateway, known)  # the other replica has proxies of it, and waits for this from now on
            self._aggregate(gateway)

    def _aggregate(self, gateway: Ref) -> None:
        own = self._own.get(gateway, GatewaySyncStatus())
        others = map(decode, self._exchange.records(key_of(gateway)))
        self._window.set_sync_status(gateway, aggregate([own, *others]))
