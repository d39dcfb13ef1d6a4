"""Repair of the state directory: restores files that are removed while Headgate runs, as by a cleaner of /tmp.

Running Envoys do not need them. But a starting Envoy needs the socket, and the next `headgate run` needs the key of
their tokens to adopt the Envoys. The admin sockets and logs of Envoys are created again at their next start.
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

#: Interval of checks of the state directory, in seconds.
INTERVAL = 1.0

log = structlog.stdlib.get_logger("headgate")


class StateRepair:
    """Restores missing files of the state directory.

    Args:
        state: the directory.
        tokens: the tokens, whose key is stored there.
        launches: returns the launches of the running Envoys.
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
        """Check every second, until cancelled."""
        with self._locks:
            while True:
                await asyncio.sleep(INTERVAL)
                with contained("restoring the state directory"):
                    await self.look()

    async def look(self) -> None:
        """Restore the missing files; log a failure once, and retry at the next check."""
        try:
            if missing := [path for path in self._files() if not path.exists()]:
                await self._restore(missing)
            self._failure = ""
        except (OSError, UserError) as error:
            if str(error) != self._failure:
                self._failure = str(error)
                log.warning(f"Files removed from the state directory cannot be restored: {error}")

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
