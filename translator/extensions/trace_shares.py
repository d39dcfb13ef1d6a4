"""The shares of requests that are traced: what a listener says holds where a route says nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from translator.ir.http import MILLION
from translator.objects.headgate.listenertracing import ListenerTracing
from translator.objects.headgate.tracing import Tracing


class TraceShares(NamedTuple):
    """The shares, in millionths.

    Attributes:
        client: of the requests whose clients ask for it.
        random: of all others.
        overall: the most that is traced.
    """

    client: int
    random: int
    overall: int


ALL: Final = TraceShares(MILLION, MILLION, MILLION)


def shares(asked: Tracing | ListenerTracing, wider: TraceShares = ALL) -> TraceShares:
    """Return the shares that policies ask for; without a field, the wider one."""
    own = (asked.client_sampling, asked.random_sampling, asked.overall_sampling)
    return TraceShares(*(other if share is None else share for share, other in zip(own, wider, strict=True)))


def shares_of_listener(facts: Iterable[object]) -> TraceShares:
    """Return the shares of a listener, of what routes see of it."""
    return next((each for each in facts if isinstance(each, TraceShares)), ALL)
