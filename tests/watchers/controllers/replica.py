"""A candidate of an election in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

from translator.refs import Ref
from watchers.controllers.leader_election import Election, LeaseTimings, running
from watchers.kubernetes.client import Api


class Replica:
    """One that stands for election.

    Attributes:
        name: its identity.
        terms: how often it has been elected.
        leads: set while it leads.
        idle: set while it does not.
        changes: what it told of whether it leads.
    """

    def __init__(
        self, api: Api, lease: Ref, name: str, timing: LeaseTimings, clock: Callable[[], float] = running
    ) -> None:
        self.name = name
        self.terms = 0
        self.leads, self.idle = asyncio.Event(), asyncio.Event()
        self.idle.set()
        self.changes: list[bool] = []
        self.election = Election(
            api, lease.namespace, lease.name, name, timings=timing, changed=self.changes.append, clock=clock
        )

    async def lead(self) -> None:
        """As a status writer does: until it is cancelled."""
        self.terms += 1
        self.leads.set()
        self.idle.clear()
        try:
            await asyncio.Event().wait()
        finally:
            self.leads.clear()
            self.idle.set()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[Self]:
        """While it stands for election."""
        self._task = asyncio.create_task(self.election.run(self.lead))
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End it as a process ends that is told to."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
