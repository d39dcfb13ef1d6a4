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

RETURN_SECONDS: Final = 30.0
"""The longest that Envoy waits before it connects again (its back-off for a gRPC stream has this limit)."""


class ReconnectWindow:
    """The sync status of all replicas' proxies, with a window in which disconnected proxies may reconnect.

    Args:
        tell: takes how far the configuration of a Gateway has come; `reconnecting` where its proxies are waited for.
        seconds: how long they are.
    """

    def __init__(self, tell: Callable[[Ref, GatewaySyncStatus], None], seconds: float = RETURN_SECONDS) -> None:
        self._tell = tell
        self._seconds = seconds
        self._connected: set[Ref] = set()
        self._waiting: dict[Ref, TimerHandle] = {}

    def take(self, gateway: Ref, delivery: GatewaySyncStatus) -> None:
        """Take the sync status of the proxies of a Gateway that are connected now."""
        if delivery.clients:
            self._connected.add(gateway)
            if timer := self._waiting.pop(gateway, None):
                timer.cancel()
        elif gateway in self._connected:
            self._connected.discard(gateway)
            self._waiting[gateway] = get_running_loop().call_later(self._seconds, self._give_up, gateway)
        self._tell(gateway, GatewaySyncStatus(reconnecting=True) if gateway in self._waiting else delivery)

    def _give_up(self, gateway: Ref) -> None:
        del self._waiting[gateway]
        self._tell(gateway, GatewaySyncStatus())
