"""What a client holds under a name, as far as the server knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xds.resources.resource import Resource


class VersionOnly(NamedTuple):
    """A resource that the client says it holds from an earlier stream; its content is not known."""

    version: str


class Uncertain(NamedTuple):
    """What a client holds after it rejected a response of several resources: it may have taken any of them or none.

    Attributes:
        acked: What it held for sure before that.
        candidates: What it may hold instead.
        version: That of no resource, so that something is sent or removed in any case.
    """

    acked: Resource | VersionOnly | None
    candidates: tuple[Resource, ...]
    version: str = ""


ClientResource = Resource | VersionOnly | Uncertain | None
"""What a client holds under a name; None for nothing."""

MAX_CANDIDATES = 8
"""Most rejected resources remembered under one name."""


def candidates(held: ClientResource) -> Iterator[Resource | VersionOnly]:
    """Yield all that a client may hold, as far as is known."""
    if isinstance(held, Uncertain):
        yield from held.candidates
        held = held.acked
    if held is not None:
        yield held


def last_acked(held: ClientResource) -> Resource | VersionOnly | None:
    """Return what a client held for sure, whatever it may have taken since."""
    return held.acked if isinstance(held, Uncertain) else held


def after_nack(before: ClientResource, sent: Resource) -> Uncertain:
    """Return what is held by a client that may have taken what was sent."""
    if isinstance(before, Uncertain):
        return before._replace(
            candidates=(*(each for each in before.candidates if each != sent), sent)[-MAX_CANDIDATES:]
        )
    return Uncertain(before, (sent,))


def without(before: ClientResource, sent: Resource) -> ClientResource:
    """Return what is held by a client that has not taken what was sent."""
    if not isinstance(before, Uncertain):
        return before
    others = tuple(each for each in before.candidates if each != sent)
    return before._replace(candidates=others) if others else before.acked
