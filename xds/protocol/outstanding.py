"""Outstanding responses, which the client has neither accepted (ACK) nor rejected (NACK), by nonce.

A client answers the responses of a type in order, so that an ACK or NACK also covers earlier responses without one:
while Envoy warms a cluster, it sends no ACK of CDS responses, and in the state-of-the-world variant it then sends one
for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xds.protocol.client_state import ClientResource
from xds.resources.resource import Resource

MAX_OUTSTANDING = 8
"""Most responses tracked individually by type of a stream; above it, the two oldest are merged."""
MAX_ANSWERED = 8
"""Most nonces of answered responses that are stored, so that a repeated ACK or NACK is recognised."""


@dataclass(slots=True)
class Outstanding:
    """A response that the client has neither accepted nor rejected.

    Attributes:
        upserts: The resources sent that are new or changed, or that an earlier outstanding response contained.
        before: The client's state of each name in the response, as it was before.
        sent: The time of sending, on the session's clock.
        changed: The time of its oldest change, on the same clock; None if it contains no change.
        batch: The names that it was limited to by a bisection; None outside of one.
        again: The names in `upserts` that an earlier outstanding response contained.
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
        """Start empty."""
        self._by_nonce: dict[str, Outstanding] = {}
        self._answered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._by_nonce)

    def __iter__(self) -> Iterator[Outstanding]:
        """Iterate over them, oldest first."""
        return iter(self._by_nonce.values())

    @property
    def newest(self) -> Outstanding | None:
        """The response that was sent last; None if there is none."""
        return next(reversed(self._by_nonce.values()), None)

    @property
    def oldest(self) -> Outstanding | None:
        """The response that was sent first; None if there is none."""
        return next(iter(self._by_nonce.values()), None)

    def unanswered(self) -> Iterator[tuple[str, Resource, ClientResource]]:
        """Yield the names and resources of all responses, which a full response repeats, with the state before each."""
        yield from ((name, sent, each.before.get(name)) for each in self for name, sent in each.upserts.items())

    def add(self, nonce: str, response: Outstanding) -> None:
        """Add a response that was sent."""
        if len(self._by_nonce) >= MAX_OUTSTANDING:
            first, second, *_ = self._by_nonce
            self._by_nonce = {second: self._merge(first, second), **self._by_nonce}
        self._by_nonce[nonce] = response

    def accept(self, response: Outstanding) -> None:
        """Remove the resources of an accepted response from later responses that repeat them."""
        for each in self:
            for name in each.again & response.upserts.keys():
                del each.upserts[name], each.before[name]
            each.again -= response.upserts.keys()

    def pop(self, nonce: str, rejected: bool) -> Outstanding | None:
        """Remove and return the response that an ACK or NACK answers, merged with those before it.

        Args:
            nonce: The nonce of the ACK or NACK.
            rejected: Whether it is a NACK. One with an unknown nonce is about the oldest response, into which others
                were merged, unless it repeats an earlier NACK.

        Returns:
            The response; None if there is none of that nonce.
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
        """Merge a response into a later one; the client's state before both counts as its state before."""
        old, new = self._by_nonce.pop(earlier), self._by_nonce[later]
        new.upserts = {**old.upserts, **new.upserts}
        new.before |= old.before
        new.changed = new.changed if old.changed is None else old.changed
        new.batch = new.batch or old.batch
        new.again = new.again - old.upserts.keys() | old.again
        return new
