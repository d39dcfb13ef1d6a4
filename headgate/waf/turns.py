"""Whose turn it is to have a process: requests wait in a queue for each *share*, and the shares take turns.

A share is what is fair to other ones: a profile, as the routes of one HTTPRoute use it. One whose inspections were
long of late is *heavy*: one process is kept for those that are not, so that they never wait for a long inspection.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import Final, Generic, TypeVar

Share = tuple[str, str]
"""The route and the text of the profile."""

HEAVY_SECONDS: Final = 0.1
"""From this time of an inspection on a share is heavy."""
COOLING: Final = 0.95
"""By what the time that is remembered of a share is multiplied with each inspection."""
MOST_HEAVY: Final = 1_000
"""The most shares that are known as heavy; the one that was so longest ago is forgotten."""


Turn = TypeVar("Turn")


class Turns(Generic[Turn]):
    """The queues of shares, and what is known of these.

    Args:
        size: how many processes there are to be.
        most: the most requests that wait.
    """

    def __init__(self, size: int, most: int) -> None:
        self._size = size
        self._most = most
        self._queues: OrderedDict[Share, deque[Turn]] = OrderedDict()
        self._count = 0
        self._running: Counter[Share] = Counter()
        self._heavy: OrderedDict[Share, float] = OrderedDict()

    def may_run(self, share: Share, processes: int) -> bool:
        """Return whether a share may take a process, of so many that there are."""
        if share not in self._heavy or self._size == 1:
            return True
        return sum(count for each, count in self._running.items() if each in self._heavy) < processes - 1

    def begin(self, share: Share) -> None:
        """Note that an inspection begins."""
        self._running[share] += 1

    def end(self, share: Share, seconds: float | None = None) -> None:
        """Note that an inspection has ended, and how long it took; None if it was given up before it began."""
        self._running[share] -= 1
        if not self._running[share]:
            del self._running[share]
        if seconds is None:
            return
        remembered = max(seconds, COOLING * self._heavy.pop(share, 0.0))
        if remembered >= HEAVY_SECONDS:
            self._heavy[share] = remembered
            if len(self._heavy) > MOST_HEAVY:
                self._heavy.popitem(last=False)

    def wait(self, share: Share, turn: Turn) -> Turn | None:
        """Put a request at the end of the queue of its share.

        Where too many wait, the one that came last to the longest queue is taken out and returned.
        """
        self._queues.setdefault(share, deque()).append(turn)
        self._count += 1
        if self._count <= self._most:
            return None
        # Of queues of the same length the newcomer's is the longest.
        longest = max(self._queues, key=lambda each: (len(self._queues[each]), each == share))
        given_up = self._queues[longest].pop()
        self._removed(longest)
        return given_up

    def leave(self, share: Share, turn: Turn) -> None:
        """Take a request out of the queue of its share, if it is there."""
        queue = self._queues.get(share)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self._removed(share)

    def take(self, processes: int) -> tuple[Share, Turn] | None:
        """Return whose turn it is, with its share; None if nobody may run now."""
        share = next((each for each in self._queues if self.may_run(each, processes)), None)
        if share is None:
            return None
        turn = self._queues[share].popleft()
        self._queues.move_to_end(share)
        self._removed(share)
        return share, turn

    def _removed(self, share: Share) -> None:
        self._count -= 1
        if not self._queues[share]:
            del self._queues[share]
