"""Requests to a gateway, one after the other, until a new route answers."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass

CONNECTIONS = 4
"""Requests alternate between so many connections, which Envoy spreads over its workers."""
PAUSE_SECONDS = 0.0005
"""How long to wait after an answer of 404: the resolution of the times."""
PATIENCE_SECONDS = 180
OK, NOT_FOUND = 200, 404


@dataclass(frozen=True)
class Answered:
    """When a new route answered.

    Attributes:
        first: the seconds to the first 200.
        stable: the seconds to the first of the 200s in a row that were asked for.
        others: the number of answers that were neither 404 nor 200; a broken connection is one.
    """

    first: float
    stable: float
    others: int


class Requests:
    """Sends requests to one address.

    Args:
        host: the IP address of the gateway.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._connections = [http.client.HTTPConnection(host, port, timeout=10) for _ in range(CONNECTIONS)]
        self._number = 0

    def status(self, host: str) -> int:
        """Return the status of a request for a host, on the next connection; 0 if it broke."""
        self._number = (self._number + 1) % CONNECTIONS
        connection = self._connections[self._number]
        try:
            connection.request("GET", "/", headers={"Host": host})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0
        return response.status

    def connect(self) -> None:
        """Open all connections, so that no connect is part of a time."""
        for each in self._connections:
            each.connect()

    def close(self) -> None:
        """Close the connections: idle ones would be closed by the gateway, and count as broken."""
        for each in self._connections:
            each.close()

    def until_ok(self, host: str, start: float, stable: int, pause: float = PAUSE_SECONDS) -> Answered:
        """Send requests for a host until there were `stable` 200s in a row.

        Args:
            host: the hostname of the new route.
            start: when the change was made, by `time.perf_counter`.
            stable: how many 200s in a row.
            pause: the seconds after an answer of 404.

        Raises:
            TimeoutError: there were not so many in time.
        """
        first: float | None = None
        began, row, others = 0.0, 0, 0
        while True:
            status, now = self.status(host), time.perf_counter() - start
            if status == OK:
                first = now if first is None else first
                began = began if row else now
                row += 1
                if row >= stable:
                    return Answered(first, began, others)
                continue
            row = 0
            others += status != NOT_FOUND
            if now > PATIENCE_SECONDS:
                raise TimeoutError(f"{host} has no {stable} answers of 200 in a row after {now:.0f} s, but {status}")
            time.sleep(pause)

    def until_reachable(self, host: str, longest: float = PATIENCE_SECONDS) -> None:
        """Wait until a host answers with 200, before anything is measured.

        Raises:
            TimeoutError: it did not in time.
        """
        deadline = time.monotonic() + longest
        while (status := self.status(host)) != OK:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{host} does not answer with 200 after {longest:.0f} s, but {status}")
            time.sleep(0.02)
