"""Responses that a client has neither accepted nor rejected, by nonce.

A client answers the responses of a type in their order, so that an answer also stands for the responses before it that
it left unanswered: while Envoy warms a cluster, it withholds its answers to CDS responses, and in the
state-of-the-world variant it then gives one for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xds.protocol.client_state import ClientResource
from xds.resources.resource import Resource

MAX_OUTSTANDING = 8
"""Most responses kept apart for a type of a stream; beyond, the two oldest are merged."""
MAX_ANSWERED = 8
"""Most answered responses whose nonces are remembered, so that an answer which is repeated is about nothing else."""


@dataclass(slots=True)
class Outstanding:
    """A response that the client has neither accepted nor rejected.

    Attributes:
        upserts: The resources sent that are new or changed, or that an earlier outstanding response held.
        before: What the client held under each name that the response touched.
        sent: When, on the session's clock.
        changed: When the oldest change in it was made, on the same clock; None if it holds none.
        batch: The names that it was limited to while looking for a culprit; None if it was not.
        again: The names of those that an earlier one held, which was outstanding.
    """

    upserts: dict[str, Resource]
    before: dict[str, ClientResource]
    sent: float
    changed: float | None
    batch: frozenset[str] | None = None
    again: set[str] = field(default_factory=set)


class OutstandingResponses:
    """The outstanding responses of one type on one stream, oldest first."""

    __slots__ = ("_answered", "_by_nonce")

    def __init__(self) -> None:
        """Begin with none."""
        self._by_nonce: dict[str, Outstanding] = {}
        self._answered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._by_nonce)

    def __iter__(self) -> Iterator[Outstanding]:
        """Iterate over them, oldest first."""
        return iter(self._by_nonce.values())

    @property
    def newest(self) -> Outstanding | None:
        """The one that was sent last; None if there is none."""
        return next(reversed(self._by_nonce.values()), None)

    @property
    def oldest(self) -> Outstanding | None:
        """The one that was sent first; None if there is none."""
        return next(iter(self._by_nonce.values()), None)

    def unanswered(self) -> Iterator[tuple[str, Resource, ClientResource]]:
        """Yield what they hold, by name, with what the client held before: a full response holds it once more."""
        yield from ((name, sent, each.before.get(name)) for each in self for name, sent in each.upserts.items())

    def add(self, nonce: str, response: Outstanding) -> None:
        """Add a response that was sent."""
        if len(self._by_nonce) >= MAX_OUTSTANDING:
            first, second, *_ = self._by_nonce
            self._by_nonce = {second: self._merge(first, second), **self._by_nonce}
        self._by_nonce[nonce] = response

    def accept(self, response: Outstanding) -> None:
        """Take what a response held, which was accepted, out of those that hold it once more."""
        for each in self:
            for name in each.again & response.upserts.keys():
                del each.upserts[name], each.before[name]
            each.again -= response.upserts.keys()

    def pop(self, nonce: str, rejected: bool) -> Outstanding | None:
        """Remove and return the response that an answer is about, merged with those before it; None if there is none.

        Args:
            nonce: The answer's.
            rejected: Whether the answer is a NACK. One whose nonce is not known is about the oldest response, which
                others were merged into, unless it repeats an answer.
        """
        if rejected and nonce and nonce not in self._by_nonce and nonce not in self._answered:
            nonce = next(iter(self._by_nonce), "")
        if nonce not in self._by_nonce:
            return None
        while (first := next(iter(self._by_nonce))) != nonce:
            self._merge(first, nonce)
            self._answered = (*self._answered, first)
        self._answered = (*self._answered, nonce)[-MAX_ANSWERED:]
        return self._by_nonce.pop(nonce)

    def _merge(self, earlier: str, later: str) -> Outstanding:
        """Merge a response into a later one: what was held before both is what may still be in use."""
        old, new = self._by_nonce.pop(earlier), self._by_nonce[later]
        new.upserts = {**old.upserts, **new.upserts}
        new.before |= old.before
        new.changed = new.changed if old.changed is None else old.changed
        new.batch = new.batch or old.batch
        new.again = new.again - old.upserts.keys() | old.again
        return new
