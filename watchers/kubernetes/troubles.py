"""What is wrong now between here and the API server, told once however many are hit by it. Pure."""

from collections import Counter
from collections.abc import Callable, Hashable

from watchers.diagnostic import Diagnostic

Report = Callable[[tuple[Diagnostic, ...], tuple[Diagnostic, ...]], None]
"""Takes what is wrong now and was not before, and what was wrong and is not any more."""


class Troubles:
    """The diagnostics of many, each of whom has one at most.

    Args:
        report: called when something goes wrong that did not before, or nobody suffers from any more.
    """

    def __init__(self, report: Report | None = None) -> None:
        self._report = report or (lambda raised, settled: None)
        self._of: dict[Hashable, Diagnostic] = {}
        self._counts: Counter[Diagnostic] = Counter()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that is wrong now."""
        return tuple(sorted(self._counts, key=str))

    def put(self, owner: Hashable, diagnostic: Diagnostic | None) -> None:
        """Take what is wrong with `owner` now; None if nothing is."""
        before = self._of.get(owner)
        if before == diagnostic:
            return
        raised, settled = [], []
        if diagnostic is not None:
            self._of[owner] = diagnostic
            self._counts[diagnostic] += 1
            raised = [diagnostic] if self._counts[diagnostic] == 1 else []
        else:
            del self._of[owner]
        if before is not None:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
                settled = [before]
        if raised or settled:
            self._report(tuple(raised), tuple(settled))
