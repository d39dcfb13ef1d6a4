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
        names: The number of names that it subscribes to.
        pending: The names of resources that it should have, and that were not sent or not accepted.
        waiting: Seconds since its oldest outstanding response was sent; None if it has answered all.
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
        peer: Its address, in gRPC's form.
        method: The gRPC method, which shows the variant.
        since: The time at which the stream began, in seconds since 1970.
        synced: Whether it has accepted all resources that it subscribes to.
        types: Its state by type URL.
        nack_groups: The resources that it rejects, grouped by type and error text.
    """

    node: str
    cluster: str
    key: str
    peer: str
    method: str
    since: float
    synced: bool = False
    types: Mapping[str, TypeState] = field(default_factory=dict)
    nack_groups: tuple[NackGroup, ...] = ()


class Observer:
    """Callbacks on the event loop; override the ones you need. They must return quickly."""

    def opened(self, client: Client) -> None:
        """Observe a new stream, once its client is authorised."""

    def closed(self, client: Client) -> None:
        """Observe the end of a stream."""

    def requested(self, client: Client, type_url: str) -> None:
        """Observe a request."""

    def throttled(self, client: Client, seconds: float) -> None:
        """Observe that a client exceeds its rate limit; its requests are not read for that many seconds."""

    def responded(self, client: Client, response: Response) -> None:
        """Observe a response that was sent."""

    def acked(self, client: Client, ack: Ack) -> None:
        """Observe the ACK or NACK of a response."""


class Observers(Observer):
    """Calls several observers in turn; an exception of one is logged, and does not affect the others."""

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
