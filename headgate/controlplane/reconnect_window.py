"""The reconnect window: disconnected proxies get time to come back, before their Gateway is not programmed.

A replica that is replaced, and one that has just begun, know nothing of proxies that serve on as ever; telling that a
Gateway is not programmed would be an alarm about nothing.
"""

from __future__ import annotations

from asyncio import TimerHandle, get_running_loop
from collections.abc import Callable
from typing import Final

from translator.inputs import GatewaySyncStatus
from translator.refs import Ref

RECONNECT_SECONDS: Final = 30.0
"""The longest that Envoy waits before it connects again (its back-off for a gRPC stream has this limit)."""


class ReconnectWindow:
    """The sync status of all replicas' proxies, with a window in which disconnected proxies may reconnect.

    Args:
        report: takes the sync status of a Gateway; `reconnecting` while its proxies are waited for.
        seconds: how long they are.
    """

    def __init__(self, report: Callable[[Ref, GatewaySyncStatus], None], seconds: float = RECONNECT_SECONDS) -> None:
        self._report = report
        self._seconds = seconds
        self._connected: set[Ref] = set()
        self._waiting: dict[Ref, TimerHandle] = {}

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Take the sync status of the proxies of a Gateway that are connected now."""
        if status.clients:
            self._connected.add(gateway)
            if timer := self._waiting.pop(gateway, None):
                timer.cancel()
        elif gateway in self._connected:
            self._connected.discard(gateway)
            self._waiting[gateway] = get_running_loop().call_later(self._seconds, self._expire, gateway)
        self._report(gateway, GatewaySyncStatus(reconnecting=True) if gateway in self._waiting else status)

    def _expire(self, gateway: Ref) -> None:
        del self._waiting[gateway]
        self._report(gateway, GatewaySyncStatus())
