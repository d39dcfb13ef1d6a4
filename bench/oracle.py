"""The oracle: what `bench.oracle_server` does, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Self

from bench.oracle_server import Packed, serve
from xds import Reference, Resource


@dataclass
class Oracle:
    """The oracle in a process of its own. Use as a context manager.

    Attributes:
        process: its process.
        port: its port, if it was not given a Unix socket.
    """

    process: BaseProcess
    _link: Connection
    port: int

    @classmethod
    def start(cls, address: str = "127.0.0.1:0") -> Self:
        """Start it at an address of gRPC, such as "unix:/path", and wait until it listens."""
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=serve, args=(theirs, address), daemon=True)
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

    def load(self, resources: Iterable[Resource]) -> None:
        """Take resources for clients that subscribe later; clients that are there get nothing."""
        self._tell("load", ([_packed(each) for each in resources],))

    def prepare(self, key: str, resources: Iterable[Resource], removed: Iterable[Reference] = ()) -> None:
        """Take resources, and encode the responses of a push of them and of the removal of others, to push by a key."""
        self._tell("prepare", (key, [_packed(each) for each in resources], list(removed)))

    def push(self, key: str) -> None:
        """Send what was prepared to all clients, once."""
        self._tell("push", key)

    def _tell(self, command: str, payload: object) -> None:
        self._link.send((command, payload))
        self._link.recv()


def _packed(resource: Resource) -> Packed:
    return resource.type_url, resource.name, resource.version, resource.body
