"""Repair of the state directory: restores files that are removed while Headgate runs, as by a cleaner of /tmp.

Running Envoys need none of it. But an Envoy that starts needs the socket, and the next `headgate run` adopts the Envoys
only with the key of their tokens. The admin sockets and logs of running Envoys come back when these are started again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import structlog

from headgate.envoy.process import Launch
from headgate.envoy.state import StateDirectory
from headgate.observability.containment import contained
from headgate.process.errors import UserError
from headgate.security.proxy_tokens import ProxyTokens

#: How often the state directory is looked at, in seconds.
INTERVAL = 1.0

log = structlog.stdlib.get_logger("headgate")


class StateRepair:
    """Restore missing files of the state directory.

    Args:
        state: the directory.
        tokens: whose key is kept there.
        launches: gives how the Envoys that run were started.
        open_socket: listens on the xDS socket again; None if there is none.
    """

    def __init__(
        self,
        state: StateDirectory,
        tokens: ProxyTokens,
        launches: Callable[[], Iterable[Launch]],
        open_socket: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._state = state
        self._tokens = tokens
        self._launches = launches
        self._open_socket = open_socket
        self._locks = contextlib.ExitStack()
        self._failure = ""

    async def run(self) -> None:
        """Look every second until this is cancelled."""
        with self._locks:
            while True:
                await asyncio.sleep(INTERVAL)
                with contained("restoring the state directory"):
                    await self.look()

    async def look(self) -> None:
        """Restore the files that are missing now; log a failure once, and try again the next time."""
        try:
            if missing := [path for path in self._files() if not path.exists()]:
                await self._restore(missing)
            self._failure = ""
        except (OSError, UserError) as error:
            if str(error) != self._failure:
                self._failure = str(error)
                log.warning(f"What was removed from the state directory cannot be restored: {error}")

    def _files(self) -> Iterable[Path]:
        state = self._state
        yield from (state.lock_file, self._tokens.path(state.root))
        if self._open_socket:
            yield state.xds_socket
        for launch in self._launches():
            yield from (launch.state.bootstrap, launch.state.launch)

    async def _restore(self, missing: Sequence[Path]) -> None:
        state = self._state
        state.make()
        for launch in self._launches():
            if not {launch.state.bootstrap, launch.state.launch}.isdisjoint(missing):
                launch.state.make()
                launch.write()
        if state.lock_file in missing:
            self._locks.close()
            self._locks.enter_context(state.lock())
        if self._tokens.path(state.root) in missing:
            self._tokens.save(state.root)
        if self._open_socket and state.xds_socket in missing:
            await self._open_socket()
        log.warning(
            "Files were removed from the state directory while Headgate runs; they are restored",
            first=str(missing[0]),
            files=len(missing),
        )
