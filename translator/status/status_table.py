"""The status table: the `status` of each object, with the bugs that keep something of it from being computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from translator.conditions import Status
from translator.refs import Ref
from translator.status.bugs import with_bug
from translator.tracked import TrackedMap


class StatusTable:
    """Statuses as they were computed last; that of a Gateway that a bug hits says so meanwhile.

    A status is *pending* while it cannot be computed: what was computed last stands, and that there is none means
    nothing.
    """

    def __init__(self, generation: Callable[[Ref], int], *, standalone: bool) -> None:
        """Start without statuses.

        Args:
            generation: gives the generation of an object.
            standalone: there is no API server. Where there is one, it may hold a status from before a restart, which
                the report of a bug does not replace as long as none was computed.
        """
        self._generation = generation
        self._standalone = standalone
        self._statuses: TrackedMap[Ref, Status] = TrackedMap()
        self._pending: set[Ref] = set()
        self._bugs: Mapping[Ref, str] = {}
        self._computed: dict[Ref, Status | None] = {}  # the statuses of `_bugs` without these, where there was one

    @property
    def statuses(self) -> Mapping[Ref, Status]:
        """The status of each object that has one."""
        return self._statuses.view

    def has_no_status(self, ref: Ref) -> bool:
        """Return whether an object certainly has no status."""
        return ref not in self.statuses and ref not in self._pending

    def set_pending(self, ref: Ref) -> None:
        """Take that the status of an object is not known, or may be out of date."""
        self._pending.add(ref)

    def set(self, ref: Ref, status: Status | None) -> None:
        """Set the status of an object as it was computed; None if it has none."""
        self._pending.discard(ref)
        if ref in self._bugs:
            self._computed[ref] = status
        self._tell(ref, status)

    def set_bugs(self, bugs: Mapping[Ref, str]) -> None:
        """Set the bugs that keep something of Gateways from being computed, by Gateway; those of before are over."""
        before, self._bugs = self._bugs, bugs
        for gateway in before.keys() | bugs.keys():
            if gateway not in before and gateway in self.statuses:
                self._computed[gateway] = self.statuses[gateway]
            if gateway in self._computed:
                self._tell(gateway, self._computed[gateway])
            elif self._standalone and gateway in self._pending:
                self._tell(gateway, {} if gateway in bugs else None)
            if gateway not in bugs:
                self._computed.pop(gateway, None)

    def _tell(self, ref: Ref, status: Status | None) -> None:
        """Give a status out, with the bug of its object; an object that has none is nobody's to tell of."""
        if status is not None and (bug := self._bugs.get(ref)):
            status = with_bug(status, bug, self._generation(ref))
        self._statuses.set(ref, status)

    def take_changes(self) -> dict[Ref, Status | None]:
        """Return the statuses that changed since the last call, None where an object has none any more."""
        return self._statuses.take_changes()
