"""The golden cases: outputs of objects, as a specification."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.translator.golden.case import HERE, Case
from tests.translator.golden.envoy import envoy_error
from xds import Snapshot

PATHS = sorted(HERE.glob("*/*.yaml"))


@pytest.fixture(params=PATHS, ids=lambda path: str(path.relative_to(HERE).with_suffix("")))
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the cases."""
    return Case.read(request.param)


def test_case(case: Case, request: pytest.FixtureRequest) -> None:
    """The outputs of each step of a case are those that its file says, and no resource refers to a missing one."""
    if request.config.getoption("--rewrite-golden"):
        case.rewrite()
        return
    found = list(case.evaluate())
    assert [each.output for each in found] == case.expected
    assert [list(snapshot.dangling()) for each in found for snapshot in each.snapshots.values()] == [
        [] for each in found for _ in each.snapshots
    ]


def test_the_table_names_cases() -> None:
    """Each row of the table in README.md names cases, and every case and test module that it names exists."""
    _, _, section = (HERE / "README.md").read_text().partition("## Where to find it")
    rows = [line for line in section.splitlines() if line.startswith("| ") and "`" in line]
    named = [re.findall(r"`(\w+/\w+)`", row) for row in rows]
    existing = {str(path.relative_to(HERE).with_suffix("")) for path in PATHS}
    assert len(rows) >= 20
    assert [row for row, cases in zip(rows, named, strict=True) if not cases] == []
    assert set(chain.from_iterable(named)) - existing == set()
    modules = re.findall(r"`([\w/]+\.py)`", section)
    tests = HERE.parents[1]
    assert [each for each in modules if not any((place / each).exists() for place in (tests, HERE.parent))] == []


def test_envoy_accepts_all(envoy_path: Path, tmp_path: Path) -> None:
    """A real Envoy accepts all resources of the cases, after each step."""
    made = {path: tuple(snapshots(Case.read(path))) for path in PATHS}
    if envoy_error(envoy_path, tmp_path, chain.from_iterable(made.values())):
        errors = {path: envoy_error(envoy_path, tmp_path, snapshots) for path, snapshots in made.items()}
        assert {path: why for path, why in errors.items() if why} == {}
        pytest.fail("Envoy rejects all cases together, but none alone")


def snapshots(case: Case) -> Iterator[Snapshot]:
    """Yield the snapshots of all Gateways after each step."""
    for evaluation in case.evaluate():
        yield from (each for name, each in evaluation.snapshots.items() if "/" in name)
