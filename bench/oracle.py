"""The oracle: what `bench.oracle_server` does, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from bench.oracle_server import Packed, serve
from bench.remote import RemoteServer
from xds import Reference, Resource


class Oracle(RemoteServer):
    """The oracle in a process of its own. Use as a context manager."""

    @classmethod
    def start(cls, address: str = "127.0.0.1:0") -> Self:
        """Start it at an address of gRPC, such as "unix:/path", and wait until it listens."""
        return cls.launch(serve, address)

    def load(self, resources: Iterable[Resource]) -> None:
        """Take resources for clients that subscribe later; clients that are there get nothing."""
        self.command("load", ([_packed(each) for each in resources],))

    def prepare(self, key: str, resources: Iterable[Resource], removed: Iterable[Reference] = ()) -> None:
        """Take resources, and encode the responses of a push of them and of the removal of others, to push by a key."""
        self.command("prepare", (key, [_packed(each) for each in resources], list(removed)))

    def push(self, key: str) -> None:
        """Send what was prepared to all clients, once."""
        self.command("push", key)


def _packed(resource: Resource) -> Packed:
    return resource.type_url, resource.name, resource.version, resource.body
