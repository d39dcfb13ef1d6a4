"""What clients refuse, and what they have refused beyond the streams on which they did.

A client that comes back holds its last good resources, and the newest snapshot still holds what it refused. That is
tried again, as a new process or a port that became free may take it, but apart from all else and last, so that
nothing good waits while the culprit is looked for once more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from xds.protocol.client_state import ClientResource
from xds.resources.resource import Reference, Resource

MAX_CLIENTS = 10_000
"""Most clients of which refusals are remembered; those who refused longest ago are forgotten first."""
MAX_NAMES = 100
"""Most refused resources remembered of a client."""


class NackedResource(NamedTuple):
    """A resource that the client rejected, and the client's error text."""

    resource: Resource
    message: str


class NackGroup(NamedTuple):
    """Resources that a client refuses, and goes on without or with an earlier version of.

    Attributes:
        type_url: Their type.
        names: Their names.
        message: The client's error text.
    """

    type_url: str
    names: tuple[str, ...]
    message: str


class Nack(NamedTuple):
    """One resource that a client refuses.

    Attributes:
        type_url: Its type.
        name: Its name.
        message: The client's error text.
        still_used: What the client goes on with under that name.
    """

    type_url: str
    name: str
    message: str
    still_used: ClientResource


def group_by_message(nacks: Iterable[Nack]) -> tuple[NackGroup, ...]:
    """Return refusals with the names that have an error text in common together."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for each in nacks:
        found.setdefault((each.type_url, each.message), {})[each.name] = None
    return tuple(NackGroup(url, tuple(sorted(names)), message) for (url, message), names in found.items())


class NackHistory:
    """The versions that clients refused; shared by all streams of a server."""

    def __init__(self, max_clients: int = MAX_CLIENTS, max_names: int = MAX_NAMES) -> None:
        """Remember nothing yet."""
        self._max_clients = max_clients
        self._max_names = max_names
        self._clients: OrderedDict[tuple[str, str], OrderedDict[Reference, str]] = OrderedDict()

    def of(self, key: str, node: str) -> ClientNacks:
        """Return what the client of that node id, which is served that key, has refused: a live view."""
        return ClientNacks(self, (key, node))

    def __len__(self) -> int:
        """Return of how many clients refusals are remembered."""
        return len(self._clients)

    def __contains__(self, client: tuple[str, str]) -> bool:
        """Tell whether refusals of a client are remembered."""
        return client in self._clients

    def version(self, client: tuple[str, str], reference: Reference) -> str | None:
        """Return the version of a resource that a client refused last, None if it refused none."""
        known = self._clients.get(client)
        return known.get(reference) if known else None

    def add(self, client: tuple[str, str], resource: Resource) -> None:
        """Note that a client refused a resource."""
        known = self._clients.setdefault(client, OrderedDict())
        self._clients.move_to_end(client)
        known[resource.reference] = resource.version
        known.move_to_end(resource.reference)
        if len(known) > self._max_names:
            known.popitem(last=False)
        if len(self._clients) > self._max_clients:
            self._clients.popitem(last=False)

    def discard(self, client: tuple[str, str], resource: Resource) -> None:
        """Note that a client took a resource."""
        known = self._clients.get(client)
        if known and known.pop(resource.reference, None) is not None and not known:
            del self._clients[client]


class ClientNacks:
    """What one client has refused; false while that is nothing."""

    __slots__ = ("_client", "_nack_history")

    def __init__(self, nacks: NackHistory, client: tuple[str, str]) -> None:
        """See `NackHistory.of`."""
        self._nack_history = nacks
        self._client = client

    def __bool__(self) -> bool:
        """Tell whether the client has refused anything that is remembered."""
        return self._client in self._nack_history

    def __contains__(self, resource: Resource) -> bool:
        """Tell whether the client refused this very version of a resource."""
        return self._nack_history.version(self._client, resource.reference) == resource.version

    def add(self, resource: Resource) -> None:
        """Note that the client refused a resource."""
        self._nack_history.add(self._client, resource)

    def discard(self, resource: Resource) -> None:
        """Note that the client took a resource."""
        self._nack_history.discard(self._client, resource)


def unknown() -> ClientNacks:
    """Return the view of a client of which nothing is known, and which shares it with no other."""
    return NackHistory().of("", "")
