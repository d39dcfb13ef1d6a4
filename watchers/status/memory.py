"""What a writer remembers of an object between two writes of its status. No I/O."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watchers.informers.observed_status import ObservedStatus, Status

PACE: Final[Mapping[str, float]] = {"Gateway": 1 / 3, "GatewayClass": 1 / 3}
"""The least time between two writes to one object, by kind, in seconds."""
OTHER_PACE: Final = 0.1
"""The same for all other kinds, in seconds."""
COUNT_PACE: Final = 2.0
"""The same for a write of nothing but numbers of attached routes, of which each new route changes one."""
MAX_PACE: Final = 60.0
"""The most that it grows to, doubled each time another client overwrites our status, in seconds."""


@dataclass(slots=True)
class Memory:
    """The state of an object between writes. Times are those of `time.monotonic`.

    Attributes:
        tried: the time of the last write, successful or not.
        rejected: whether the last write was rejected.
        written: the status after the last write, until it is observed.
        wanted: the wanted status of the last write; None if it withdrew the status.
        settled: the version of the object that has it: the resourceVersion after that write.
        since: the time of the last successful write.
        overwrites: the number of repeated writes of `wanted`, since another client overwrote it.
        stale_generation: a generation of the object without a wanted status yet, and the end of the wait for one.
        altered: the status that the last write sent and the one that the API server stored, if they differ: it would
            alter the same write again.
    """

    tried: float = -math.inf
    rejected: bool = False
    written: ObservedStatus | None = None
    wanted: Status | None = None
    settled: str = ""
    since: float = -math.inf
    overwrites: int = 0
    stale_generation: tuple[int, float] | None = None
    altered: tuple[Status, Status] | None = None

    def due(self, kind: str, wanted: Status | None, *, counts_only: bool) -> float:
        """Return the earliest time of the next write.

        Args:
            kind: the kind of the object.
            wanted: the status to write; if it is that of the last write, each time that it is overwritten delays it.
            counts_only: whether only numbers of attached routes change.
        """
        pace = COUNT_PACE if counts_only else PACE.get(kind, OTHER_PACE)
        return self.tried + (min(MAX_PACE, pace * 2 ** min(self.overwrites, 32)) if self.wanted == wanted else pace)

    def is_settled(self, observed: ObservedStatus, wanted: Status | None) -> bool:
        """Return whether the observed status is that of our last write, and the same status is wanted since."""
        return self.settled == observed.resource_version and self.wanted is wanted

    def settle(self, wanted: Status | None, resource_version: str) -> None:
        """Note that there is nothing to write to a version of the object, as long as the same status is wanted."""
        self.wanted, self.settled = wanted, resource_version

    def wrote(self, wanted: Status | None, sent: Status, written: ObservedStatus) -> None:
        """Note a successful write; the same status as the last time was overwritten in the meantime.

        Args:
            wanted: the wanted status.
            sent: the status that the write sent.
            written: the status as the API server stored it.
        """
        now = time.monotonic()
        again = self.wanted == wanted and now < self.since + 2 * MAX_PACE
        self.overwrites = self.overwrites + 1 if again else 0
        self.since, self.written, self.rejected = now, written, False
        self.altered = None if written.status == sent else (sent, written.status)
        self.settle(wanted, written.resource_version)
