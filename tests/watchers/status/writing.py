"""A status writer at work on an API server that is made up, and what it is to write."""

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
    """Return the name of a route."""
    return Ref("HTTPRoute", "default", name)


def accepted(status: str = "True", generation: int = 1, message: str = "m") -> dict[str, Any]:
    """Return the condition Accepted, as it is wanted."""
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
        """As a watch is told."""
        assert kind
        assert seconds >= 0
        self.outcomes.append(outcome)


class World:
    """A writer, what it wants, and what it writes to."""

    def __init__(self) -> None:
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
        )

    def want(self, ref: Ref, status: dict[str, Any] | None) -> None:
        """As a translator tells it."""
        if status is None:
            self.wanted.pop(ref, None)
        else:
            self.wanted[ref] = status
        self.writer.enqueue([ref])

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        """While the writer leads."""
        term = asyncio.create_task(self.writer.run())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            term.cancel()
            with suppress(asyncio.CancelledError):
                await term

    async def idle(self) -> None:
        """Wait until nothing waits and nothing is under way."""
        async with asyncio.timeout(10):
            while self.writer.depth or self.keeper.running:  # noqa: ASYNC110 - turns of the loop, not time
                await asyncio.sleep(0)
        await self.turns()

    async def turns(self) -> None:
        """Let everybody do what there is to do now."""
        for _ in range(20):
            await asyncio.sleep(0)
