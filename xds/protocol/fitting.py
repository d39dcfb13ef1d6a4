"""Size limit of responses: gRPC clients accept messages of 4 MiB by default.

A full response (LDS, CDS and SRDS in the state-of-the-world variant) cannot be split: what it leaves out is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from operator import attrgetter

from xds.protocol.exclusive import groups
from xds.protocol.restated import STORED_FIRST, together
from xds.protocol.substream import Substream
from xds.resources.resource import Resource

RESPONSE_BYTES = 3 << 20
"""Most bytes of a response of several resources; a single one may have more."""
ENTRY_BYTES = 160
"""Estimated bytes of a response entry besides name and content: the type URL, the version and the length prefixes."""

_BODY, _NAME = attrgetter("body"), attrgetter("name")


def fitting(substream: Substream, upserts: dict[str, Resource]) -> dict[str, Resource]:
    """Return the resources of a type that fit in one response; the others follow in later ones."""
    if substream.type_url in STORED_FIRST:
        upserts = together(upserts)
    if substream.full_state or len(upserts) <= 1 or _total(upserts) <= RESPONSE_BYTES:
        return upserts
    bound = groups(substream)
    names = sorted(upserts, key=lambda name: (name not in bound, name))
    count = _count(_size(name, upserts[name]) for name in names)
    return {name: upserts[name] for name in names[:count]}


def fitting_names(upserts: dict[str, Resource], removed: list[str]) -> list[str]:
    """Return the removed names that fit in a response beside some resources."""
    if not removed:
        return removed
    room = RESPONSE_BYTES - _total(upserts)
    if sum(len(name) + ENTRY_BYTES for name in removed) <= room:
        return removed
    return removed[: _count((len(name) + ENTRY_BYTES for name in removed), room)]


def _size(name: str, resource: Resource) -> int:
    return len(resource.body) + len(name) + len(resource.name) + ENTRY_BYTES


def _total(upserts: dict[str, Resource]) -> int:
    """Return the sum of the sizes of resources, of which a client that starts may get tens of thousands."""
    names = sum(map(len, upserts)) + sum(map(len, map(_NAME, upserts.values())))
    return sum(map(len, map(_BODY, upserts.values()))) + names + ENTRY_BYTES * len(upserts)


def _count(sizes: Iterable[int], room: int = RESPONSE_BYTES) -> int:
    """Return how many entries of these sizes fit in the room, at least one."""
    return max(1, sum(1 for total in accumulate(sizes) if total <= room))
