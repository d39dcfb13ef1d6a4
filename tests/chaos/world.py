"""The configuration of a chaos test, and random changes to it while requests are sent."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.stage import Stage


class Backend(NamedTuple):
    """A server: the name that it responds with, and its port."""

    instance: str
    port: int


Change = Callable[[], None] | Callable[[], Awaitable[Backend]]
"""Makes a change; returns a server that is no longer used afterwards."""


@dataclass
class World(ABC):
    """A configuration and its changes.

    Attributes:
        stage: the processes.
        rng: the source of all random choices.
        count: the last number that was given to a new name.
    """

    stage: Stage
    rng: random.Random
    count: int = 0

    @abstractmethod
    async def begin(self) -> None:
        """Publish the first configuration, and wait until it is served."""

    @abstractmethod
    def publish(self) -> None:
        """Set the backends that may respond, and publish."""

    @abstractmethod
    def kinds(self) -> Sequence[Change]:
        """Return the possible changes."""

    async def begin_backend(self, name: str) -> Backend:
        """Start another server for a name."""
        self.count += 1
        instance = f"{name}.{self.count}"
        return Backend(instance, await self.stage.begin_backend(instance))

    async def change(self) -> None:
        """Make one or several random changes, and wait until they are served."""
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
        """Sometimes restart the server during a change, or slow down the network."""
        await asyncio.sleep(self.rng.choice([0, 0, 0.02, 0.1]))
        what = self.rng.choice([None, None, self.stage.restart, lambda: self.stage.slow(self.rng)])
        if what is not None:
            await what()
