"""NACKs of clients, and a history of them that outlives streams.

A reconnecting client has its last good resources, and the newest snapshot still contains those that it rejected. They
are sent again, since a new Envoy process may accept them, but last and in a response of their own, so that no valid
resource waits for another bisection.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from xds.protocol.client_state import ClientResource
from xds.resources.resource import Reference, Resource

MAX_CLIENTS = 10_000
"""Most clients in the history; the client whose last NACK is oldest is dropped first."""
MAX_NAMES = 100
"""Most rejected resources stored for one client."""


class NackedResource(NamedTuple):
    """A resource that the client rejected, and the client's error text."""

    resource: Resource
    message: str


class NackGroup(NamedTuple):
    """Rejected resources of one type with the same error text.

    Attributes:
        type_url: Their type.
        names: Their names.
        message: The client's error text.
    """

    type_url: str
    names: tuple[str, ...]
    message: str


class Nack(NamedTuple):
    """One resource that a client rejects.

    Attributes:
        type_url: Its type.
        name: Its name; "" where the client did not tell.
        message: The client's error text.
    """

    type_url: str
    name: str
    message: str


class NackState(NamedTuple):
    """A NACK in force, and the resource that the client uses instead.

    Attributes:
        nack: The NACK.
        still_used: The client's state of the resource's name.
    """

    nack: Nack
    still_used: ClientResource


def group_by_message(nacks: Iterable[Nack]) -> tuple[NackGroup, ...]:
    """Group NACKs by type and error text."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for each in nacks:
        found.setdefault((each.type_url, each.message), {})[each.name] = None
    return tuple(NackGroup(url, tuple(sorted(names)), message) for (url, message), names in found.items())


class NackHistory:
    """The versions that clients rejected; shared by all streams of a server."""

    def __init__(self, max_clients: int = MAX_CLIENTS, max_names: int = MAX_NAMES) -> None:
        """Start with an empty history."""
        self._max_clients = max_clients
        self._max_names = max_names
        self._clients: OrderedDict[tuple[str, str], OrderedDict[Reference, str]] = OrderedDict()

    def of(self, key: str, node: str) -> ClientNacks:
        """Return a live view of the NACKs of one client, identified by its snapshot's key and its node id."""
        return ClientNacks(self, (key, node))

    def __len__(self) -> int:
        """Return the number of clients."""
        return len(self._clients)

    def __contains__(self, client: tuple[str, str]) -> bool:
        """Return whether a client is in the history."""
        return client in self._clients

    def version(self, client: tuple[str, str], reference: Reference) -> str | None:
        """Return the version of a resource that a client last rejected; None if it rejected none."""
        known = self._clients.get(client)
        return known.get(reference) if known else None

    def add(self, client: tuple[str, str], resource: Resource) -> None:
        """Record that a client rejected a resource."""
        known = self._clients.setdefault(client, OrderedDict())
        self._clients.move_to_end(client)
        known[resource.reference] = resource.version
        known.move_to_end(resource.reference)
        if len(known) > self._max_names:
            known.popitem(last=False)
        if len(self._clients) > self._max_clients:
            self._clients.popitem(last=False)

    def discard(self, client: tuple[str, str], resource: Resource) -> None:
        """Record that a client accepted a resource."""
        known = self._clients.get(client)
        if known and known.pop(resource.reference, None) is not None and not known:
            del self._clients[client]


class ClientNacks:
    """View of the history of one client; falsy while it is empty."""

    __slots__ = ("_client", "_nack_history")

    def __init__(self, nacks: NackHistory, client: tuple[str, str]) -> None:
        """See `NackHistory.of`."""
        self._nack_history = nacks
        self._client = client

    def __bool__(self) -> bool:
        """Return whether the history holds NACKs of the client."""
        return self._client in self._nack_history

    def __contains__(self, resource: Resource) -> bool:
        """Return whether the client rejected this version of a resource."""
        return self._nack_history.version(self._client, resource.reference) == resource.version

    def add(self, resource: Resource) -> None:
        """Record that the client rejected a resource."""
        self._nack_history.add(self._client, resource)

    def discard(self, resource: Resource) -> None:
        """Record that the client accepted a resource."""
        self._nack_history.discard(self._client, resource)


def unknown() -> ClientNacks:
    """Return the view of an empty history, for a client that is not identified."""
    return NackHistory().of("", "")
