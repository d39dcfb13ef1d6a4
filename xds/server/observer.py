"""Observers of a server, for metrics, logs and traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xds.protocol.nacks import NackGroup
from xds.protocol.session import Ack, Response
from xds.server.fault_log import FaultLog


@dataclass(frozen=True, slots=True)
class TypeState:
    """State of one type at a client.

    Attributes:
        wildcard: Whether it subscribes to everything.
        names: The number of names it subscribes to.
        pending: The names of what it should have and was not sent or has not accepted.
        waiting: Seconds since the response it has not answered; None if it has answered all.
        has: The version of each resource that it has accepted, by name; only if requested.
    """

    wildcard: bool
    names: int
    pending: tuple[str, ...]
    waiting: float | None
    has: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Client:
    """One stream of a client.

    Attributes:
        node: Its node id.
        cluster: Its node's cluster.
        key: The key of the snapshot that it is served.
        peer: Its address, as gRPC writes it.
        method: The gRPC method, which tells the variant.
        since: When the stream began, in seconds since 1970.
        synced: Whether it has accepted all that it subscribes to.
        types: Its state by type URL.
        rejections: What it rejects.
    """

    node: str
    cluster: str
    key: str
    peer: str
    method: str
    since: float
    synced: bool = False
    types: Mapping[str, TypeState] = field(default_factory=dict)
    rejections: tuple[NackGroup, ...] = ()


class Observer:
    """Callbacks on the event loop; override those that you need. They must return quickly."""

    def opened(self, client: Client) -> None:
        """Note that a client's first request arrived, and it is served."""

    def closed(self, client: Client) -> None:
        """Note that a client's stream has ended."""

    def requested(self, client: Client, type_url: str) -> None:
        """Note that a request arrived."""

    def throttled(self, client: Client, seconds: float) -> None:
        """Note that a client exceeds its rate limit: nothing is read from it for so many seconds."""

    def responded(self, client: Client, response: Response) -> None:
        """Note that a response was written."""

    def acked(self, client: Client, ack: Ack) -> None:
        """Note that a client accepted (ACK) or rejected (NACK) a response."""


class Observers(Observer):
    """Calls several observers in turn; an exception of one is logged, and the others are called."""

    def __init__(self, *observers: Observer) -> None:
        """Take the observers to call."""
        self._observers = observers
        self._faults = FaultLog()

    def opened(self, client: Client) -> None:
        """Call all observers."""
        self._tell(lambda each: each.opened(client))

    def closed(self, client: Client) -> None:
        """Call all observers."""
        self._tell(lambda each: each.closed(client))

    def requested(self, client: Client, type_url: str) -> None:
        """Call all observers."""
        self._tell(lambda each: each.requested(client, type_url))

    def throttled(self, client: Client, seconds: float) -> None:
        """Call all observers."""
        self._tell(lambda each: each.throttled(client, seconds))

    def responded(self, client: Client, response: Response) -> None:
        """Call all observers."""
        self._tell(lambda each: each.responded(client, response))

    def acked(self, client: Client, ack: Ack) -> None:
        """Call all observers."""
        self._tell(lambda each: each.acked(client, ack))

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        for each in self._observers:
            try:
                tell(each)
            except Exception as error:
                self._faults.tell(f"The observer {type(each).__name__}", error)
