"""Servers in processes of their own, which obey commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Self


@dataclass
class RemoteServer:
    """A server in another process. Use as a context manager.

    Attributes:
        process: its process.
        link: the connection for commands.
        port: its port on loopback, if it listens at one.
    """

    process: BaseProcess
    link: Connection
    port: int = 0

    @classmethod
    def launch(cls, main: Callable[..., None], *arguments: object) -> Self:
        """Start a server, which gets the other end of the connection first, and wait until it tells its port."""
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=main, args=(theirs, *arguments), daemon=True)
        process.start()
        return cls(process, ours, ours.recv())

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    def command(self, name: str, payload: object = None) -> Any:
        """Have the server obey a command, and return its response."""
        self.link.send((name, payload))
        return self.link.recv()


async def obey(link: Connection, act: Callable[[str, Any], Awaitable[object]]) -> None:
    """Respond to commands in the server's process, without an end."""
    readable = asyncio.Event()
    asyncio.get_running_loop().add_reader(link.fileno(), readable.set)
    while True:
        await readable.wait()
        readable.clear()
        while link.poll():
            link.send(await act(*link.recv()))
