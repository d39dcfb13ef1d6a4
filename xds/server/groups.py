"""Sessions by snapshot key, and the sync status of each snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from xds.protocol.nacks import NackGroup, NackState, group_by_message
from xds.protocol.session import Session
from xds.resources.resource import Reference
from xds.resources.snapshot import Snapshot, diff
from xds.validation.guard import fatal_violations

MAX_NACKS = 100
"""Most different NACKs reported for one key."""


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """Sync status of a snapshot: how many clients of its key have accepted it.

    Attributes:
        snapshot: The newest snapshot of the key.
        clients: The number of open streams. A client with one stream by type counts once for each.
        synced: The number of streams whose client has accepted all resources that it subscribes to.
        nacks: The resources that clients reject, with those used instead; equal ones of several clients once.
        acked: The number of streams whose client has accepted or finally rejected all resources that it subscribes to.
    """

    snapshot: Snapshot
    clients: int
    synced: int
    nacks: tuple[NackState, ...] = ()
    acked: int = 0

    @property
    def nack_groups(self) -> tuple[NackGroup, ...]:
        """The NACKs, grouped by type and error text."""
        return group_by_message(each.nack for each in self.nacks)


class Member(NamedTuple):
    """Callbacks to the stream of a session.

    Attributes:
        notify: Called when there may be a response to send.
        fail: Ends the stream with an unexpected error.
    """

    notify: Callable[[], None]
    fail: Callable[[Exception], None]


class SnapshotGroup:
    """The sessions of the clients that get the snapshot of one key."""

    __slots__ = ("_acked", "_changed", "_counts", "_listed", "_nacks", "_reported", "sessions", "snapshot")

    def __init__(self, changed: Callable[[], None]) -> None:
        """Start without sessions or snapshot; `changed` is called when the status may have changed."""
        self.snapshot: Snapshot | None = None
        self.sessions: dict[Session, Member] = {}
        self._acked: set[Session] = set()
        self._nacks: dict[Session, tuple[NackState, ...]] = {}
        self._counts: Counter[NackState] = Counter()
        self._listed: tuple[NackState, ...] | None = ()
        self._reported: SyncStatus | None = None
        self._changed = changed

    def add(self, session: Session, member: Member) -> None:
        """Add a session."""
        if self.snapshot is not None:
            session.update(self.snapshot)
        self.sessions[session] = member
        self._changed()

    def discard(self, session: Session) -> None:
        """Remove a session."""
        self.sessions.pop(session, None)
        self._acked.discard(session)
        self._count(session, ())
        self._changed()

    def publish(self, snapshot: Snapshot, changed: float | None = None) -> tuple[str, ...]:
        """Set the snapshot of all sessions; the difference is computed once for those with the one before.

        A resource that would end Envoy's process is withheld: the one before stays, or there is none.

        Returns:
            What was withheld, and why.
        """
        before = self.snapshot
        if before is snapshot:
            return ()
        changes = diff(before or Snapshot(), snapshot)
        if withheld := _withheld(snapshot, changes):
            snapshot = _with_former(withheld, before or Snapshot(), snapshot)
            changes = diff(before or Snapshot(), snapshot)
        self.snapshot = snapshot
        self._each(lambda session: session.update(snapshot, changes if session.snapshot is before else None, changed))
        self._changed()
        return tuple(f"{each.type_url} {each.name}: {why}" for each, why in withheld.items())

    def retry(self, type_url: str, names: Iterable[str]) -> None:
        """Resend resources to the clients that rejected them."""
        self._each(lambda session: session.retry(type_url, names))

    def _each(self, act: Callable[[Session], None]) -> None:
        """Call a function with each session; an error ends the stream of that session only."""
        for session, member in self.sessions.items():
            try:
                act(session)
                if not session.idle():
                    member.notify()  # before the note, so that the stream writes before the sync status is reported
                self.note(session)
            except Exception as error:
                member.fail(error)

    def note(self, session: Session) -> None:
        """Update the counts after a change of a session's state."""
        if session not in self.sessions:
            return
        acked, nacks = session.acked(), session.nacks()
        if acked != (session in self._acked) or nacks != self._nacks.get(session, ()):
            (self._acked.add if acked else self._acked.discard)(session)
            self._count(session, nacks)
            self._changed()

    def _count(self, session: Session, nacks: tuple[NackState, ...]) -> None:
        """Replace the NACKs of a session in the counts; the cost depends on that session's NACKs only."""
        before = self._nacks.pop(session, ())
        if nacks == before == ():
            return
        if nacks:
            self._nacks[session] = nacks
        self._counts.update(nacks)
        self._counts.subtract(before)
        for each in before:
            if not self._counts[each]:
                del self._counts[each]
        self._listed = None

    def sync_status(self) -> SyncStatus | None:
        """Return the sync status of the newest snapshot; None if there is none."""
        if self.snapshot is None:
            return None
        if self._listed is None:
            self._listed = tuple(each for each, _ in self._counts.most_common(MAX_NACKS))
        acked, nacked = len(self._acked), len(self._acked & self._nacks.keys())
        return SyncStatus(self.snapshot, len(self.sessions), acked - nacked, self._listed, acked)

    def changed_status(self) -> SyncStatus | None:
        """Return the sync status if it changed since the last call, else None."""
        before, self._reported = self._reported, self.sync_status()
        return self._reported if self._reported != before else None


def _withheld(snapshot: Snapshot, changes: Mapping[str, Iterable[str]]) -> dict[Reference, str]:
    """Return the changed resources that must not be sent, and why."""
    found: dict[Reference, str] = {}
    for type_url, names in changes.items():
        for name in names:
            each = snapshot.get(Reference(type_url, name))
            if each is not None and (violations := fatal_violations(type_url, each.body)):
                found[each.reference] = str(violations[0])
    return found


def _with_former(withheld: Iterable[Reference], before: Snapshot, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with some resources as they were before."""
    former = {each: before.get(each) for each in withheld}
    return snapshot.replace(
        (found for found in former.values() if found is not None), (each for each, found in former.items() if not found)
    )
