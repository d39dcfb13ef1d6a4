"""The world of a chaos test: what is served, and the random changes to it while requests are sent."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.stage import Stage


class Backend(NamedTuple):
    """A server: the name that it answers with, and the port where it listens."""

    instance: str
    port: int


Change = Callable[[], None] | Callable[[], Awaitable[Backend]]
"""Changes something; a server that nothing leads to from then on is given back."""


@dataclass
class World(ABC):
    """What is served.

    Attributes:
        stage: where.
        rng: where all choices come from.
        count: how many things have been given a number.
    """

    stage: Stage
    rng: random.Random
    count: int = 0

    @abstractmethod
    async def begin(self) -> None:
        """Publish the first configuration, and wait until it works."""

    @abstractmethod
    def publish(self) -> None:
        """Set which backends may answer, and publishes."""

    @abstractmethod
    def kinds(self) -> Sequence[Change]:
        """Return the changes that there are."""

    async def begin_backend(self, name: str) -> Backend:
        """Start another server for a name."""
        self.count += 1
        instance = f"{name}.{self.count}"
        return Backend(instance, await self.stage.begin_backend(instance))

    async def change(self) -> None:
        """Make a change at random, or some at once, and wait until it works."""
        gone: list[Backend] = []
        for _ in range(self.rng.choice([1, 1, 1, 3])):
            change = self.rng.choice(self.kinds())
            self.stage.log.append(change.__name__)
            if (done := change()) is not None:
                gone.append(await done)
            self.publish()
        await self._around()
        await self.stage.settle()
        await asyncio.sleep(0.05)
        for each in gone:
            await self.stage.end_backend(each.instance)

    async def _around(self) -> None:
        """Now and then restart the server during a change, or slow the network."""
        await asyncio.sleep(self.rng.choice([0, 0, 0.02, 0.1]))
        what = self.rng.choice([None, None, self.stage.restart, lambda: self.stage.slow(self.rng)])
        if what is not None:
            await what()
