"""Admission of streams whose client is not authorised yet: bounded, and fair to hosts."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

StreamT = TypeVar("StreamT", bound=Hashable)


class Admission(Generic[StreamT]):
    """Waiting streams by host. Beyond the limit, the host with the most streams loses its oldest one.

    So a host that opens many unauthorised streams evicts its own, and no other host's.
    """

    def __init__(self, limit: int, evict: Callable[[StreamT], None]) -> None:
        """Start empty.

        Args:
            limit: Most streams that may wait.
            evict: Called with a stream that exceeds the limit.
        """
        self._limit = limit
        self._evict = evict
        self._hosts: dict[str, dict[StreamT, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return the number of waiting streams."""
        return self._count

    def enter(self, stream: StreamT, peer: str) -> None:
        """Add a stream.

        Args:
            stream: The stream.
            peer: Its address in gRPC's form: ``ipv4:127.0.0.1:4711``.
        """
        self._hosts.setdefault(host_of(peer), {})[stream] = None
        self._count += 1
        if self._count > self._limit:
            greediest = max(self._hosts, key=lambda host: len(self._hosts[host]))
            oldest = next(iter(self._hosts[greediest]))
            self._remove(oldest, greediest)
            self._evict(oldest)

    def leave(self, stream: StreamT, peer: str) -> None:
        """Remove a stream that was authorised or has ended, if it is still waiting."""
        host = host_of(peer)
        if stream in self._hosts.get(host, {}):
            self._remove(stream, host)

    def _remove(self, stream: StreamT, host: str) -> None:
        del self._hosts[host][stream]
        if not self._hosts[host]:
            del self._hosts[host]
        self._count -= 1


def host_of(peer: str) -> str:
    """Return a peer's address without its port; all clients of a Unix socket are one host."""
    return peer.rpartition(":")[0] if peer.startswith("ip") else "unix"
