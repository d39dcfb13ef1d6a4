"""State of one resource at a client, as far as the server knows."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any, NamedTuple

from xds.resources.resource import Resource


class VersionOnly(NamedTuple):
    """A resource that the client has from an earlier stream: its version is known, its content is not."""

    version: str


class Uncertain(NamedTuple):
    """A resource after a NACK of a response with several resources: the client may have applied any of them or none.

    Attributes:
        acked: The resource that the client had certainly applied before.
        candidates: The resources that it may have applied since.
        version: Empty, which no resource has, so that the name is always sent or removed.
    """

    acked: Resource | VersionOnly | None
    candidates: tuple[Resource, ...]
    version: str = ""


ClientResource = Resource | VersionOnly | Uncertain | None
"""State of one resource name at a client; None if the client has no such resource."""

MAX_CANDIDATES = 8
"""Most candidates stored for one name."""


def candidates(state: ClientResource) -> Iterator[Resource | VersionOnly]:
    """Yield each known resource that the client may have applied."""
    if isinstance(state, Uncertain):
        yield from state.candidates
        state = state.acked
    if state is not None:
        yield state


def last_acked(state: ClientResource) -> Resource | VersionOnly | None:
    """Return the resource that the client certainly applied, whatever it may have applied since."""
    return state.acked if isinstance(state, Uncertain) else state


def after_nack(before: ClientResource, sent: Resource) -> Uncertain:
    """Return the state after a NACK that leaves open whether the client applied a resource."""
    if isinstance(before, Uncertain):
        return before._replace(
            candidates=(*(each for each in before.candidates if each != sent), sent)[-MAX_CANDIDATES:]
        )
    return Uncertain(before, (sent,))


def without(before: ClientResource, sent: Resource) -> ClientResource:
    """Return the state without a resource that the client certainly did not apply."""
    if not isinstance(before, Uncertain):
        return before
    others = tuple(each for each in before.candidates if each != sent)
    return before._replace(candidates=others) if others else before.acked


def forget(names: Set[str], *by_name: dict[str, Any]) -> None:
    """Remove names from some tables of a client."""
    for each in by_name:
        for name in each.keys() & names:
            del each[name]
