"""Cache of serialised responses, assembled once for all clients that get the same resources.

Clients share the nonce, too: it is the response's number. Numbers increase, so that a stream on which responses are
sent in the order of their numbers never gets a nonce twice. Before a session repeats a response, it appends another
nonce: of a field that occurs twice in a message, the last one counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple

from xds.protocol import wire
from xds.resources.aliases import Entry
from xds.resources.resource import Resource

_NAME, _VERSION = attrgetter("name"), attrgetter("version")


class CachedResponse(NamedTuple):
    """A serialised response.

    Attributes:
        version: ``version_info`` or ``system_version_info``: a hash of the response's content.
        data: The encoded fields, with the number as the nonce.
        resources: The resources in it.
        number: A number greater than that of each response assembled before.
    """

    version: str
    data: bytes
    resources: tuple[Resource, ...]
    number: int

    @property
    def nonce(self) -> str:
        """The nonce in `data`."""
        return _nonce(self.number)

    @property
    def size(self) -> int:
        """The number of bytes that it takes in memory."""
        return len(self.data) + sum(len(each.body) for each in self.resources)


def _nonce(number: int) -> str:
    return format(number, "x")


class ResponseCache:
    """An LRU cache of responses, shared by all sessions of a server."""

    def __init__(self, limit: int = 16 << 20) -> None:
        """Make an empty cache.

        Args:
            limit: Most bytes to store, of responses and of the resources in them, which nothing else references once
                they are replaced. A single response above the limit is assembled but not stored.
        """
        self.made = 0
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[tuple[object, ...], CachedResponse] = OrderedDict()
        self._by_version: dict[tuple[str, str], CachedResponse] = {}

    def sotw(self, type_url: str, resources: Sequence[Resource], shared: bool = True) -> CachedResponse:
        """Return the DiscoveryResponse of these resources.

        Args:
            type_url: Their type.
            resources: The resources to send.
            shared: Whether other clients may get it, since its bytes follow from the names and versions.
        """

        def make(version: str) -> bytes:
            entries = (wire.sotw_resource(type_url, each.body) for each in resources)
            return b"".join((wire.sotw_header(type_url, version), *entries))

        return self._get(True, type_url, resources, (), make, shared)

    def delta(
        self, type_url: str, resources: Sequence[Resource], removed: Sequence[str], shared: bool = True
    ) -> CachedResponse:
        """Return the DeltaDiscoveryResponse that sends these resources and removes others; see `sotw`."""

        def make(version: str) -> bytes:
            entries = (wire.delta_resource(type_url, each.name, each.version, each.body) for each in resources)
            return b"".join((wire.delta_header(type_url, version), *entries, *map(wire.delta_removed, removed)))

        return self._get(False, type_url, resources, removed, make, shared)

    def aliased(self, type_url: str, entries: Sequence[Entry], removed: Sequence[str]) -> CachedResponse:
        """Return the DeltaDiscoveryResponse with the aliases by which each resource was requested.

        It is not shared, as two clients rarely request the same names in one message.
        """
        self.made += 1
        known = [each.resource for each in entries if each.resource]
        version = version_of(known, removed)
        parts = [wire.delta_header(type_url, version)]
        for name, found, aliases in entries:
            if found is None:
                parts.append(wire.delta_unknown(name))
            else:
                parts.append(wire.delta_resource(type_url, name, found.version, found.body, aliases))
        parts += map(wire.delta_removed, removed)
        return CachedResponse(version, b"".join(parts) + wire.nonce(_nonce(self.made)), tuple(known), self.made)

    def _get(
        self,
        sotw: bool,
        type_url: str,
        resources: Sequence[Resource],
        removed: Sequence[str],
        make: Callable[[str], bytes],
        shared: bool,
    ) -> CachedResponse:
        content = tuple(map(_NAME, resources)), tuple(map(_VERSION, resources)), tuple(removed)
        key = (sotw, type_url, *content)
        body = self._kept.get(key) if shared else None
        if body is not None:
            self._kept.move_to_end(key)
            return body
        self.made += 1
        version = version_of(resources, removed)
        data = make(version) + wire.nonce(_nonce(self.made))
        body = CachedResponse(version, data, tuple(resources), self.made)
        if not shared:
            return body
        self._kept[key] = body
        if sotw:
            self._by_version[type_url, version] = body
        self._size += body.size
        while self._size > self._limit:
            (_, url, *_), oldest = self._kept.popitem(last=False)
            self._size -= oldest.size
            self._by_version.pop((str(url), oldest.version), None)
        return body

    def recall(self, type_url: str, version: str) -> tuple[Resource, ...] | None:
        """Return the resources of the DiscoveryResponse of a version; None if it is not in the cache any more."""
        body = self._by_version.get((type_url, version))
        return body.resources if body else None


def version_of(resources: Sequence[Resource], removed: Sequence[str] = ()) -> str:
    """Return the version of a set of resources: a hash of names and contents, the same on every server."""
    content = "\0".join([f"{each.name}\0{each.version}" for each in resources] + ["", *removed])
    return blake2b(content.encode(), digest_size=8).hexdigest()
