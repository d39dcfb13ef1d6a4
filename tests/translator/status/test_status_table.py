"""Statuses stand until others are computed, and say so while a bug keeps them from it."""

from __future__ import annotations

import pytest

from translator.conditions import Status
from translator.refs import Ref
from translator.status.status_table import StatusTable

GATEWAY = Ref("Gateway", "shop", "web")
STATUS: Status = {"conditions": [{"type": "Accepted", "status": "True"}]}
OTHER: Status = {"conditions": [{"type": "Accepted", "status": "False"}]}


@pytest.fixture(params=[False, True], ids=["cluster", "standalone"])
def standalone(request: pytest.FixtureRequest) -> bool:
    """Tell whether there is no API server."""
    return bool(request.param)


@pytest.fixture
def table(standalone: bool) -> StatusTable:
    """Make a table without statuses."""
    return StatusTable({GATEWAY: 7}.__getitem__, standalone=standalone)


def programmed(table: StatusTable) -> list[tuple[str, int]]:
    """Return the message and generation of the conditions that tell of a bug."""
    found = table.statuses.get(GATEWAY, {}).get("conditions", ())
    return [(each["message"], each["observedGeneration"]) for each in found if each["type"] == "Programmed"]


def test_pending_is_not_none(table: StatusTable) -> None:
    """An object has certainly no status once that was computed, and not while it is pending."""
    assert table.has_no_status(GATEWAY)
    table.set_pending(GATEWAY)
    assert not table.has_no_status(GATEWAY)
    table.set(GATEWAY, None)
    assert table.has_no_status(GATEWAY)
    assert table.take_changes() == {}


def test_a_status_stands_while_it_is_pending(table: StatusTable) -> None:
    """What was computed last stays, and is no change."""
    table.set(GATEWAY, STATUS)
    assert table.take_changes() == {GATEWAY: STATUS}
    table.set_pending(GATEWAY)
    assert (table.take_changes(), dict(table.statuses)) == ({}, {GATEWAY: STATUS})


def test_a_bug_is_told_beside_the_status(table: StatusTable) -> None:
    """While a bug hits a Gateway its status says so, whichever status is computed; afterwards that is all."""
    table.set(GATEWAY, STATUS)
    table.set_bugs({GATEWAY: "KeyError in x"})
    [(message, generation)] = programmed(table)
    assert "KeyError in x" in message
    assert generation == 7
    assert table.statuses[GATEWAY]["conditions"][0] == STATUS["conditions"][0]
    table.set(GATEWAY, OTHER)
    assert table.statuses[GATEWAY]["conditions"][0] == OTHER["conditions"][0]
    assert len(programmed(table)) == 1
    table.set_bugs({})
    assert table.statuses[GATEWAY] == OTHER


def test_the_same_bug_is_no_change(table: StatusTable) -> None:
    """A bug that is still there changes nothing; another one takes its place."""
    table.set(GATEWAY, STATUS)
    table.set_bugs({GATEWAY: "one"})
    table.take_changes()
    table.set_bugs({GATEWAY: "one"})
    assert table.take_changes() == {}
    table.set_bugs({GATEWAY: "two"})
    assert ["two" in message for message, _ in programmed(table)] == [True]


def test_a_status_that_is_not_known_is_not_overwritten(table: StatusTable, standalone: bool) -> None:
    """Where no status was computed, there may be one in a cluster: a bug is told only where there is no cluster."""
    table.set_pending(GATEWAY)
    table.set_bugs({GATEWAY: "bug"})
    assert bool(programmed(table)) is standalone
    table.set_bugs({GATEWAY: "another"})
    assert bool(programmed(table)) is standalone
    table.set_bugs({})
    assert not table.statuses
    assert not table.has_no_status(GATEWAY)


def test_a_status_that_is_computed_late_is_told_with_the_bug(table: StatusTable) -> None:
    """A bug that was there before the first status is told beside it, and ends with it left."""
    table.set_pending(GATEWAY)
    table.set_bugs({GATEWAY: "bug"})
    table.set(GATEWAY, STATUS)
    assert len(programmed(table)) == 1
    table.set_bugs({})
    assert table.statuses == {GATEWAY: STATUS}
    table.set(GATEWAY, None)
    table.set_bugs({GATEWAY: "bug"})
    assert not table.statuses


def test_no_bug_is_told_of_an_object_without_a_status(table: StatusTable) -> None:
    """A Gateway that turns out to be another controller's loses its status, and gets none for a bug."""
    table.set_bugs({GATEWAY: "bug"})
    assert not table.statuses
    table.set_bugs({})
    table.set(GATEWAY, STATUS)
    table.set_bugs({GATEWAY: "bug"})
    table.set(GATEWAY, None)
    assert table.has_no_status(GATEWAY)
    assert table.take_changes() == {GATEWAY: None}
    table.set_bugs({GATEWAY: "another"})
    table.set_bugs({})
    assert table.take_changes() == {}
