"""A status writer with an API server in memory, and its wanted statuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.watchers.status.keeper import Keeper
from translator.refs import Ref
from watchers.status.writer import StatusWriter

OURS, OTHER = "gateway.headgate.dev/controller", "example.com/other"
GATEWAY = Ref("Gateway", "default", "web")


def route(name: str) -> Ref:
    """Return the identity of a route."""
    return Ref("HTTPRoute", "default", name)


def accepted(status: str = "True", generation: int = 1, message: str = "m") -> dict[str, Any]:
    """Return the wanted condition Accepted."""
    return {
        "type": "Accepted",
        "status": status,
        "reason": "R",
        "message": message,
        "observedGeneration": generation,
    }


def parents(*conditions: dict[str, Any], controller: str = OURS) -> dict[str, Any]:
    """Return the status of a route with one parent."""
    return {"parents": [{"parentRef": {"name": "web"}, "controllerName": controller, "conditions": list(conditions)}]}


class Counted:
    """Counts outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def status_written(self, kind: str, outcome: str, seconds: float) -> None:
        """Count the outcome of a write."""
        assert kind
        assert seconds >= 0
        self.outcomes.append(outcome)


class World:
    """A status writer, its wanted statuses, and its API server."""

    def __init__(self, delay: float = 0.0) -> None:
        self.keeper = Keeper()
        self.wanted: dict[Ref, dict[str, Any]] = {}
        self.counted = Counted()
        self.may_write = self.silent = True
        self.writer = StatusWriter(
            self.keeper,
            self.wanted,
            self.keeper,
            OURS,
            observer=self.counted,
            may_write=lambda: self.may_write,
            has_no_status=lambda _: self.silent,
            delay=delay,
        )

    def want(self, ref: Ref, status: dict[str, Any] | None) -> None:
        """Set the wanted status of an object, as a translator does."""
        if status is None:
            self.wanted.pop(ref, None)
        else:
            self.wanted[ref] = status
        self.writer.enqueue([ref])

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        """Run the writer for as long as the context lasts."""
        term = asyncio.create_task(self.writer.run())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            term.cancel()
            with suppress(asyncio.CancelledError):
                await term

    async def idle(self) -> None:
        """Wait until the queue is empty and no request is in progress."""
        async with asyncio.timeout(10):
            while self.writer.depth or self.keeper.running:  # noqa: ASYNC110 - turns of the loop, not time
                await asyncio.sleep(0)
        await self.turns()

    async def turns(self) -> None:
        """Let all tasks run until they wait."""
        for _ in range(20):
            await asyncio.sleep(0)
