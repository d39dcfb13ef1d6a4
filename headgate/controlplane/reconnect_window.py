"""The reconnect window: the time in which disconnected proxies may reconnect before their Gateway is not programmed.

When a replica restarts, its proxies go on serving while they reconnect. A condition Programmed=False in the meantime
would be a false alarm.
"""

from __future__ import annotations

from asyncio import TimerHandle, get_running_loop
from collections.abc import Callable
from typing import Final

from translator.inputs import GatewaySyncStatus
from translator.refs import Ref

RECONNECT_SECONDS: Final = 30.0
"""The longest time between two connection attempts of Envoy: the limit of its backoff for xDS streams."""


class ReconnectWindow:
    """Delays the report of a Gateway without proxies by a window in which its proxies may reconnect.

    Args:
        report: takes the sync status of a Gateway; `reconnecting` during the window.
        seconds: the length of the window.
    """

    def __init__(self, report: Callable[[Ref, GatewaySyncStatus], None], seconds: float = RECONNECT_SECONDS) -> None:
        self._report = report
        self._seconds = seconds
        self._connected: set[Ref] = set()
        self._waiting: dict[Ref, TimerHandle] = {}

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
        """Set the sync status of the connected proxies of a Gateway."""
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
