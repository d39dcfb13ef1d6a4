"""What a client holds under a name, as far as the server knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xds.resources.resource import Resource


class Remembered(NamedTuple):
    """A resource that the client says it holds from an earlier stream; its content is not known."""

    version: str


class Unsure(NamedTuple):
    """What a client holds after it rejected a response of several resources: it may have taken any of them or none.

    Attributes:
        good: What it held for sure before that.
        maybe: What it may hold instead.
        version: That of no resource, so that something is sent or removed in any case.
    """

    good: Resource | Remembered | None
    maybe: tuple[Resource, ...]
    version: str = ""


Held = Resource | Remembered | Unsure | None
"""What a client holds under a name; None for nothing."""

MAX_MAYBE = 8
"""Most rejected resources remembered under one name."""


def possibly(held: Held) -> Iterator[Resource | Remembered]:
    """Yield all that a client may hold, as far as is known."""
    if isinstance(held, Unsure):
        yield from held.maybe
        held = held.good
    if held is not None:
        yield held


def surely(held: Held) -> Resource | Remembered | None:
    """Return what a client held for sure, whatever it may have taken since."""
    return held.good if isinstance(held, Unsure) else held


def perhaps(before: Held, sent: Resource) -> Unsure:
    """Return what is held by a client that may have taken what was sent."""
    if isinstance(before, Unsure):
        return before._replace(maybe=(*(each for each in before.maybe if each != sent), sent)[-MAX_MAYBE:])
    return Unsure(before, (sent,))


def rather(before: Held, sent: Resource) -> Held:
    """Return what is held by a client that has not taken what was sent."""
    if not isinstance(before, Unsure):
        return before
    others = tuple(each for each in before.maybe if each != sent)
    return before._replace(maybe=others) if others else before.good
