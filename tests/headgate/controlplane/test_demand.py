"""Replicas that nobody needs at once evaluate several edits together, and catch up as soon as somebody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.world import edit, gateway
from headgate.controlplane.demand import Demand
from headgate.controlplane.evaluator import HELD_SECONDS
from headgate.controlplane.plane import ControlPlane
from tests import virtual_time
from tests.headgate.controlplane.planes import Completing, batches, make
from xds import Client
from xds.server.server import Server

CLIENT = Client("proxy", "shop/web", "shop/web", "127.0.0.1", "stream", since=0.0)


class Evaluations:
    """A control plane that counts its evaluations.

    Attributes:
        demand: the demand for them.
        plane: the control plane.
        leads: whether there is demand without clients.
    """

    def __init__(self) -> None:
        self.leads = False
        self.demand = Demand(always=lambda: self.leads)
        self._count = 0
        self._port = 8080
        self.plane: ControlPlane = make(
            Server(lambda node: node.cluster), Completing(self._evaluated), demand=self.demand
        ).plane

    def _evaluated(self) -> bool:
        self._count += 1
        return True

    async def edit(self) -> None:
        """Take an edit that is to be evaluated."""
        self._port += 1
        await self.plane.evaluator.take(batches(edit(gateway(port=self._port))))

    async def soon(self) -> int:
        """Return the number of evaluations since the last call, while no time passes."""
        for _ in range(20):
            await asyncio.sleep(0)
        count, self._count = self._count, 0
        return count


@asynccontextmanager
async def evaluations() -> AsyncIterator[Evaluations]:
    """Run a control plane that is ready."""
    made = Evaluations()
    running = asyncio.create_task(made.plane.evaluator.run())
    await made.edit()
    await made.plane.keys.ready.wait()
    assert await made.soon() == 1, "the objects at the start do not wait"
    yield made
    running.cancel()


@virtual_time.passes
async def test_edits_that_nobody_needs_are_evaluated_together() -> None:
    """Without demand, the edits of `HELD_SECONDS` are evaluated once."""
    async with evaluations() as made:
        for _ in range(4):
            await made.edit()
            await asyncio.sleep(HELD_SECONDS / 5)
        assert await made.soon() == 0
        await asyncio.sleep(HELD_SECONDS / 5)
        assert await made.soon() == 1


@virtual_time.passes
async def test_edits_that_somebody_needs_are_evaluated_at_once() -> None:
    """While a client is connected or the replica leads, no edit waits."""
    async with evaluations() as made:
        made.demand.opened(CLIENT)
        await made.edit()
        assert await made.soon() == 1
        made.demand.closed(CLIENT)
        made.leads = True
        await made.edit()
        assert await made.soon() == 1
        made.leads = False
        await made.edit()
        assert await made.soon() == 0


@virtual_time.passes
@pytest.mark.parametrize("needs", ["a client", "an admin page", "an explanation"])
async def test_held_edits_are_evaluated_once_somebody_needs_them(needs: str) -> None:
    """Edits that wait are evaluated as soon as a client connects, a page is asked for, or a request is explained."""

    async def connect() -> None:
        made.demand.opened(CLIENT)

    async def explain() -> None:
        async with made.plane.evaluator.settled():
            pass

    async with evaluations() as made:
        need: dict[str, Callable[[], Awaitable[None]]] = {
            "a client": connect,
            "an admin page": made.plane.evaluator.catch_up,
            "an explanation": explain,
        }
        await made.edit()
        assert await made.soon() == 0
        await need[needs]()
        assert await made.soon() == 1
