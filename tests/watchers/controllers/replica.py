"""A replica in a leader election, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

from translator.refs import Ref
from watchers.controllers.leader_election import Election, LeaseTimings, running
from watchers.kubernetes.client import Api


class Replica:
    """A replica that takes part in an election.

    Attributes:
        name: its identity.
        terms: the number of its terms.
        leads: set while it leads.
        idle: set while it does not lead.
        changes: the values that `changed` was called with.
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
        """Lead until cancelled, like a status writer."""
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
        """Take part in the election for as long as the context lasts."""
        self._task = asyncio.create_task(self.election.run(self.lead))
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop the replica, as a process that terminates."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
