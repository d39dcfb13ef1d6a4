"""Who is served which snapshot, and how far it has come: one group of sessions for each key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from xds.refusals import Refusal, Rejection, grouped
from xds.session import Session
from xds.snapshot import Snapshot, diff

MAX_REFUSALS = 100
"""Most different refusals reported for one key."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a snapshot has come among the clients of its key.

    Attributes:
        snapshot: The snapshot it is about: the newest of the key.
        clients: How many streams are open. A client that uses a stream by type counts once for each.
        synced: How many of them have accepted all of the snapshot that they subscribe to.
        refusals: What clients refuse, each once, however many refuse it.
    """

    snapshot: Snapshot
    clients: int
    synced: int
    refusals: tuple[Refusal, ...] = ()

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """What clients refuse, grouped by error text."""
        return grouped(self.refusals)


class Member(NamedTuple):
    """How the stream of a session is reached.

    Attributes:
        wake: Is called when there may be something to send to its client.
        fail: Ends the stream because of an error that nothing expects.
    """

    wake: Callable[[], None]
    fail: Callable[[Exception], None]


class Group:
    """The sessions that are served the snapshot of one key."""

    __slots__ = ("_changed", "_refused", "_reported", "_synced", "sessions", "snapshot")

    def __init__(self, changed: Callable[[], None]) -> None:
        """Begin without sessions or snapshot; `changed` is called when the delivery may have changed."""
        self.snapshot: Snapshot | None = None
        self.sessions: dict[Session, Member] = {}
        self._synced: set[Session] = set()
        self._refused: dict[Session, tuple[Refusal, ...]] = {}
        self._reported: Delivery | None = None
        self._changed = changed

    def add(self, session: Session, member: Member) -> None:
        """Take in a session."""
        if self.snapshot is not None:
            session.update(self.snapshot)
        self.sessions[session] = member
        self._changed()

    def discard(self, session: Session) -> None:
        """Let a session go."""
        self.sessions.pop(session, None)
        self._synced.discard(session)
        self._refused.pop(session, None)
        self._changed()

    def publish(self, snapshot: Snapshot, changed: float | None = None) -> None:
        """Give all sessions a new snapshot; the difference is worked out once for those that have the one before."""
        before, self.snapshot = self.snapshot, snapshot
        if before is snapshot:
            return
        changes = diff(before or Snapshot(), snapshot)
        self._each(lambda session: session.update(snapshot, changes if session.snapshot is before else None, changed))
        self._changed()

    def retry(self, type_url: str, names: Iterable[str]) -> None:
        """Have resources that clients refused sent to them once more."""
        self._each(lambda session: session.retry(type_url, names))

    def _each(self, act: Callable[[Session], None]) -> None:
        """Do something with all sessions; one that cannot take it ends, and the others are served."""
        for session, member in self.sessions.items():
            try:
                act(session)
                self.note(session)
            except Exception as error:
                member.fail(error)
            member.wake()

    def note(self, session: Session) -> None:
        """Look anew at how far a session has come."""
        if session not in self.sessions:
            return
        synced, refused = session.synced(), session.refusals()
        if synced != (session in self._synced) or refused != self._refused.get(session, ()):
            (self._synced.add if synced else self._synced.discard)(session)
            self._refused[session] = refused
            if not refused:
                del self._refused[session]
            self._changed()

    def delivery(self) -> Delivery | None:
        """Return how far the newest snapshot has come; None if there is none."""
        if self.snapshot is None:
            return None
        counted = Counter(each for refused in self._refused.values() for each in refused)
        refusals = tuple(each for each, _ in counted.most_common(MAX_REFUSALS))
        return Delivery(self.snapshot, len(self.sessions), len(self._synced), refusals)

    def news(self) -> Delivery | None:
        """Return the delivery if it is another than when this was last asked."""
        before, self._reported = self._reported, self.delivery()
        return self._reported if self._reported != before else None
