"""Overlays: resources that a client is sent in front of those of a snapshot, while it makes a change before another."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator

from xds.protocol.client_state import ClientResource
from xds.protocol.substream import Substream
from xds.resources.resource import Resource
from xds.resources.snapshot import Resources


class Overlay(ChainMap[str, Resource]):
    """Resources in front of those of a snapshot; immutable. Each use of it derives a class of its own."""

    @classmethod
    def of(cls, front: dict[str, Resource], plain: Resources) -> Resources:
        """Put some in front of others, if there are any."""
        return cls(front, plain) if front else plain  # type: ignore[arg-type]

    @classmethod
    def parts(cls, target: Resources) -> tuple[dict[str, Resource], Resources]:
        """Return what is in front in a target, and the resources of the snapshot."""
        if isinstance(target, cls):
            front, plain = target.maps
            return dict(front), plain
        return {}, target

    @classmethod
    def put(cls, substream: Substream, target: Resources, after: dict[str, Resource]) -> None:
        """Have a client get `after` in front, in place of what is in front in its target now."""
        before, plain = cls.parts(target)
        changed = frozenset(name for name in {*before, *after} if before.get(name) != after.get(name))
        if changed:
            substream.set_target(cls.of(after, plain), changed)

    @property
    def kept(self) -> dict[str, Resource]:
        """What stays in front of the resources of a new snapshot."""
        return dict(self.maps[0])


def carried(before: Resources | None, plain: Resources) -> Resources:
    """Return the resources of a new snapshot with what stays in front of them of the target before."""
    return before.of(before.kept, plain) if isinstance(before, Overlay) else plain


def in_front(substream: Substream) -> Iterator[ClientResource]:
    """Yield the states of the names of which a client is to have something else than what the snapshot has."""
    if isinstance(substream.target, Overlay):
        yield from map(substream.state, substream.target.maps[0])
