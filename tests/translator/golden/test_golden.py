"""The golden cases: outputs of objects, as a specification."""

from itertools import chain
from pathlib import Path

import pytest

from tests.translator.golden.case import HERE, Case
from tests.translator.golden.envoy import refusal

PATHS = sorted(HERE.glob("*/*.yaml"))


@pytest.fixture(params=PATHS, ids=lambda path: str(path.relative_to(HERE).with_suffix("")))
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the cases."""
    return Case.read(request.param)


def test_case(case: Case, request: pytest.FixtureRequest) -> None:
    """What comes out of a case's objects is what its file says."""
    if request.config.getoption("--rewrite-golden"):
        case.rewrite()
    else:
        assert case.actual() == case.output


def test_nothing_dangles(case: Case) -> None:
    """Every resource that another one names is there."""
    for snapshot in case.translate().snapshots.values():
        assert list(snapshot.dangling()) == []


def test_envoy_takes_all(envoy_path: Path, tmp_path: Path) -> None:
    """The real Envoy takes everything that the cases make."""
    made = {path: tuple(Case.read(path).translate().snapshots.values()) for path in PATHS}
    if refusal(envoy_path, tmp_path, chain.from_iterable(made.values())):
        refused = {path: refusal(envoy_path, tmp_path, snapshots) for path, snapshots in made.items()}
        assert {path: why for path, why in refused.items() if why} == {}
        pytest.fail("Envoy refuses all cases together, but none alone")
