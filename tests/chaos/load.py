"""Open-loop load: requests begin when they are due, however long others take, and every response is checked."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(eq=False)
class Target:
    """A path on a port, and the backends that may respond there.

    Attributes:
        port: the port of the requests.
        path: the path of the requests.
        right: the servers that may respond now: more than one during a change.
        services: their services.
    """

    port: int
    path: str
    right: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)
    _pending: set[_Judge] = field(default_factory=set)

    def expect(self, services: Iterable[str], servers: Mapping[str, Iterable[str]]) -> None:
        """Set the services that respond after the next publication; the former ones may respond until `settle`.

        Args:
            services: the services.
            servers: the servers that may be in use, old or new, by service.
        """
        self.services.update(services)
        self.right.update(server for each in self.services for server in servers[each])
        for pending in self._pending:
            pending.right |= self.right

    def settle(self, services: Iterable[str], servers: Mapping[str, Iterable[str]]) -> None:
        """Set the only services that may respond from now on."""
        self.services, self.right = set(), set()
        self.expect(services, servers)

    def begin(self) -> _Judge:
        """Begin a request."""
        judge = _Judge(set(self.right))
        self._pending.add(judge)
        return judge

    def end(self, judge: _Judge, server: str) -> bool:
        """End a request; return whether its server was right at any time since it began."""
        self._pending.discard(judge)
        return server in judge.right


@dataclass(eq=False)
class _Judge:
    right: set[str]


class Connection:
    """One HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, epoch: int) -> None:
        self._reader, self._writer = reader, writer
        self.epoch = epoch
        self.fresh = True

    @property
    def usable(self) -> bool:
        """Return whether the server has not closed the connection."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def ask(self, path: str) -> tuple[int, str, bool]:
        """Send a request; return status, body, and whether the connection can be reused."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: chaos.example.com\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.fresh = False
        lines = head.split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        body = await self._reader.readexactly(int(fields.get("content-length", 0)))
        return int(lines[0].split(" ")[1]), body.decode(), fields.get("connection") != "close"

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class Load:
    """Sends requests to targets in turn at a steady rate, and records failures.

    Attributes:
        sent: the number of requests.
        answers: the number of responses of each backend.
        wrong: the first failures.
        again: the number of requests that were sent again, since an idle connection was closed before a response.
        slowest: the longest time from when a request was due until its response, in seconds.
        keep_alive: whether connections are reused; otherwise each request has a new one.
    """

    def __init__(self, targets: list[Target], rate: float, keep_alive: bool = True) -> None:
        self.targets = targets
        self.rate = rate
        self.keep_alive = keep_alive
        self.sent = 0
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.again = 0
        self.slowest = 0.0
        self._idle: dict[int, list[Connection]] = {}
        self._epoch = 0
        self._stopped = False

    async def run(self, requests: int) -> None:
        """Send a number of requests, and wait for all responses."""
        begun = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for number, target in zip(range(requests), itertools.cycle(self.targets), strict=False):
                    due = begun + number / self.rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    if self._stopped:
                        break
                    self.sent += 1
                    group.create_task(self._request(target, due))
        finally:
            self.close()

    def stop(self) -> None:
        """Make `run` send no more requests, and end after all responses."""
        self._stopped = True

    def renew(self) -> None:
        """Do not reuse the connections that are open now."""
        self._epoch += 1
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        for idle in self._idle.values():
            for each in idle:
                each.close()
        self._idle.clear()

    async def _request(self, target: Target, due: float) -> None:
        judge = target.begin()
        what = ""
        try:
            async with asyncio.timeout(30):
                status, body = await self._answer(target)
        except (OSError, EOFError, TimeoutError) as error:
            status, body, what = 0, "", f"{type(error).__name__} {error}"
        right = target.end(judge, body)
        self.slowest = max(self.slowest, time.monotonic() - due)
        self.answers[body if status == 200 else str(status)] += 1
        if status != 200 or not right:
            text = f"#{self.sent} :{target.port}{target.path}: {status} {body} {what}, not {judge.right}"
            self.wrong.append(text)

    async def _answer(self, target: Target) -> tuple[int, str]:
        while True:
            connection = await self._connection(target.port)
            reused = not connection.fresh
            try:
                status, body, keep = await connection.ask(target.path)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                connection.close()
                if reused and not getattr(error, "partial", b""):
                    self.again += 1  # as in RFC 9110, 9.2.2
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            if self.keep_alive and keep and connection.epoch == self._epoch:
                self._idle.setdefault(target.port, []).append(connection)
            else:
                connection.close()
            return status, body

    async def _connection(self, port: int) -> Connection:
        idle = self._idle.get(port, [])
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return Connection(*await asyncio.open_connection("127.0.0.1", port), self._epoch)
