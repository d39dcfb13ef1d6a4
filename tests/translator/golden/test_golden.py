"""The golden cases: what becomes of objects, as a specification."""

from pathlib import Path

import pytest

from tests.translator.golden.case import Case, cases
from tests.translator.golden.envoy import refusal

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_case(case: Case, request: pytest.FixtureRequest) -> None:
    """What comes out of a case's objects is what its file says."""
    if request.config.getoption("--rewrite-golden"):
        case.rewrite()
    else:
        assert case.actual() == case.output


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_nothing_dangles(case: Case) -> None:
    """Every resource that another one names is there."""
    for snapshot in case.translate().snapshots.values():
        assert list(snapshot.dangling()) == []


def test_envoy_takes_all(envoy_path: Path, tmp_path: Path) -> None:
    """The real Envoy takes everything that the cases make."""
    if refusal(envoy_path, tmp_path, CASES):
        refused = {each.name: refusal(envoy_path, tmp_path, [each]) for each in CASES}
        assert {name: why for name, why in refused.items() if why} == {}
        pytest.fail("Envoy refuses all cases together, but none alone")
