"""Who is served which snapshot, and how far it has come: one group of sessions for each key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from xds.protocol.nacks import Refusal, Rejection, grouped
from xds.protocol.session import Session
from xds.resources.snapshot import Snapshot, diff

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
        answered: How many of them have accepted or refused all of it.
    """

    snapshot: Snapshot
    clients: int
    synced: int
    refusals: tuple[Refusal, ...] = ()
    answered: int = 0

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

    __slots__ = ("_answered", "_changed", "_counts", "_listed", "_refused", "_reported", "sessions", "snapshot")

    def __init__(self, changed: Callable[[], None]) -> None:
        """Begin without sessions or snapshot; `changed` is called when the delivery may have changed."""
        self.snapshot: Snapshot | None = None
        self.sessions: dict[Session, Member] = {}
        self._answered: set[Session] = set()
        self._refused: dict[Session, tuple[Refusal, ...]] = {}
        self._counts: Counter[Refusal] = Counter()
        self._listed: tuple[Refusal, ...] | None = ()
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
        self._answered.discard(session)
        self._count(session, ())
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
        answered, refused = session.answered(), session.refusals()
        if answered != (session in self._answered) or refused != self._refused.get(session, ()):
            (self._answered.add if answered else self._answered.discard)(session)
            self._count(session, refused)
            self._changed()

    def _count(self, session: Session, refused: tuple[Refusal, ...]) -> None:
        """Take what a session's client refuses in place of what it did: one answer costs what that client refuses."""
        before = self._refused.pop(session, ())
        if refused == before == ():
            return
        if refused:
            self._refused[session] = refused
        self._counts.update(refused)
        self._counts.subtract(before)
        for each in before:
            if not self._counts[each]:
                del self._counts[each]
        self._listed = None

    def delivery(self) -> Delivery | None:
        """Return how far the newest snapshot has come; None if there is none."""
        if self.snapshot is None:
            return None
        if self._listed is None:
            self._listed = tuple(each for each, _ in self._counts.most_common(MAX_REFUSALS))
        answered, refusing = len(self._answered), len(self._answered & self._refused.keys())
        return Delivery(self.snapshot, len(self.sessions), answered - refusing, self._listed, answered)

    def news(self) -> Delivery | None:
        """Return the delivery if it is another than when this was last asked."""
        before, self._reported = self._reported, self.delivery()
        return self._reported if self._reported != before else None
