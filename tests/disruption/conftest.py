"""What the tests of disruption share: a `headgate run` over a folder, and file systems to mount.

They run the real thing under load, take minutes and assert times, so `make disruption` runs them and `make test` does
not. Two of what belongs to them take seconds, and run with all others: what a client costs that sends 66 MB before it
is authenticated (tests/xds/server/test_admission.py), and one certificate of 43 that Envoy refuses
(tests/headgate/envoy/test_rejected_certificates.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disruption.mounts import Mounts
from tests.headgate.conftest import headgate, state_root

__all__ = ["headgate", "mounts", "state_root"]


@pytest.fixture
def mounts(state_root: Path) -> Iterator[Mounts]:
    """Mount file systems; they outlive Headgate in a test that names this fixture before `headgate`."""
    made = Mounts()
    yield made
    made.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, which `make test` leaves out."""
    for each in items:
        if each.path.is_relative_to(Path(__file__).parent):
            each.add_marker("disruption")
