"""Results of TestConformance or TestStandalone, read from the log of `-test.v`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_RESULT: Final = re.compile(r"^ *--- (PASS|FAIL|SKIP): Test(?:Conformance|Standalone)/([^/ ]+) \(")
_UNCLAIMED: Final = re.compile(r"Skipping (\w+): suite does not support (\w+)")
_LEFT_OUT: Final = re.compile(r"Skipping (?:TestStandalone/)?(\w+): (?:test explicitly skipped|it needs|this is)")
MESH: Final = "Mesh"
"""The feature that all tests of service meshes have: Headgate is none."""


@dataclass(frozen=True, slots=True)
class Results:
    """The names of tests, by what became of them.

    Attributes:
        passed: those that passed.
        failed: those that failed.
        skipped: those that were skipped though their features are claimed: as good as failed.
        unclaimed: those that need a feature that is not claimed, with the first such feature of each.
        mesh: those of service meshes.
    """

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    unclaimed: tuple[tuple[str, str], ...]
    mesh: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether tests have run, and all of them passed."""
        return bool(self.passed) and not self.failed and not self.skipped

    def __str__(self) -> str:
        """Say the numbers, and the features that are not claimed."""
        said = f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"
        if self.unclaimed:
            features = ", ".join(sorted({feature for _, feature in self.unclaimed}))
            said += f"; not run: {len(self.unclaimed)} of features that are not claimed ({features})"
        if self.mesh:
            said += f"; {len(self.mesh)} of meshes"
        return said


def read(lines: Iterable[str]) -> Results:
    """Read the results from the lines of a log.

    In none of them are tests that the caller did not choose (`-run-test`, `-skip-tests`), and those of TestStandalone
    that need a cluster or ended at their first request.
    """
    states: dict[str, str] = {}
    unclaimed: dict[str, str] = {}
    left_out: set[str] = set()
    for line in lines:
        if found := _RESULT.match(line):
            states[found[2]] = found[1]
        elif found := _UNCLAIMED.search(line):
            unclaimed[found[1]] = found[2]
        elif found := _LEFT_OUT.search(line):
            left_out.add(found[1])
    told = {name for name, state in states.items() if state == "SKIP" and name in unclaimed}
    skipped = {name for name, state in states.items() if state == "SKIP"} - told - left_out
    return Results(
        passed=tuple(sorted(name for name, state in states.items() if state == "PASS")),
        failed=tuple(sorted(name for name, state in states.items() if state == "FAIL")),
        skipped=tuple(sorted(skipped)),
        unclaimed=tuple(sorted((name, unclaimed[name]) for name in told if unclaimed[name] != MESH)),
        mesh=tuple(sorted(name for name in told if unclaimed[name] == MESH)),
    )


def main(title: str, log: str) -> int:
    """Print the results under a title; return the exit status."""
    results = read(Path(log).read_text(errors="replace").splitlines())
    for state, names in (("FAIL", results.failed), ("SKIP", results.skipped)):
        for name in names:
            print(f"{title}: {state}: {name}")
    print(f"{title}: {results}")
    return 0 if results.good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
