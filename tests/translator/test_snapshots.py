"""Snapshots are assembled of what changed, and never refer to what is missing."""

from __future__ import annotations

import pytest

from translator.db import Db
from translator.engine.query import query
from translator.refs import Ref
from translator.resources.output_table import OutputTable
from translator.resources.outputs import Output
from translator.snapshots import SnapshotAssembler, without_dangling
from xds import Reference, Resource, Snapshot, diff
from xds.resources.types import CLUSTER, ROUTE

GATEWAY = Ref("Gateway", "shop", "web")


@query
def output(_db: Db, _name: str) -> Resource | None:
    """Stand for the query of an output."""
    return None


TABLE: Output = (output, ("table",))
OLD: Output = (output, ("old",))
NEW: Output = (output, ("new",))


def resource(kind: str, name: str, body: bytes, *needs: str) -> Resource:
    """Make a resource that refers to clusters."""
    return Resource.of(kind, name, body, [Reference(CLUSTER, each) for each in needs])


@pytest.fixture
def outputs() -> OutputTable:
    """Make a Gateway that wants a RouteConfiguration and the cluster that it needs."""
    outputs = OutputTable()
    outputs.set_outputs(GATEWAY, frozenset({TABLE, OLD}))
    outputs.set_resource(TABLE, resource(ROUTE, "table", b"1", "old"))
    outputs.set_resource(OLD, resource(CLUSTER, "old", b"1"))
    return outputs


@pytest.fixture
def assembler(outputs: OutputTable) -> SnapshotAssembler:
    """Make the assembler of its snapshot."""
    return SnapshotAssembler(outputs)


def published(assembler: SnapshotAssembler) -> Snapshot:
    """Assemble the Gateway for the first time."""
    assembler.assemble(stale=False)
    found = assembler.take_changes()[GATEWAY]
    assert found is not None
    return found


def to_new_cluster(outputs: OutputTable) -> None:
    """Have the RouteConfiguration need another cluster than before."""
    outputs.set_outputs(GATEWAY, frozenset({TABLE, NEW}))
    outputs.set_resource(TABLE, resource(ROUTE, "table", b"2", "new"))


def test_a_snapshot_is_assembled_once(outputs: OutputTable, assembler: SnapshotAssembler) -> None:
    """What is assembled is clean, and stays as it is until something changes."""
    before = published(assembler)
    assert {each.name for each in before} == {"table", "old"}
    assert not outputs.incomplete
    assembler.assemble(stale=False)
    assert assembler.take_changes() == {}
    assert assembler.snapshots == {GATEWAY: before}


def test_a_snapshot_of_nothing_is_published(outputs: OutputTable, assembler: SnapshotAssembler) -> None:
    """A Gateway that wants nothing has an empty snapshot, which does not change with the next evaluation."""
    outputs.set_outputs(GATEWAY, frozenset())
    before = published(assembler)
    assert len(before) == 0
    outputs.set_outputs(GATEWAY, frozenset())
    assembler.assemble(stale=False)
    assert assembler.take_changes() == {}


def test_the_first_snapshot_is_whole_or_none(outputs: OutputTable, assembler: SnapshotAssembler) -> None:
    """While an output of a new Gateway fails nothing of it is published; it stays dirty until then."""
    outputs.set_failing(OLD)
    assembler.assemble(stale=False)
    assert assembler.take_changes() == {}
    assert outputs.dirty == {GATEWAY}
    outputs.set_resource(OLD, resource(CLUSTER, "old", b"1"))
    assert len(published(assembler)) == 2


def test_what_needs_nothing_that_is_missing_goes_on(outputs: OutputTable, assembler: SnapshotAssembler) -> None:
    """A RouteConfiguration whose new cluster fails stays as it was, with its old cluster, until that is there."""
    before = published(assembler)
    to_new_cluster(outputs)
    outputs.set_failing(NEW)
    assembler.assemble(stale=False)
    assert assembler.take_changes() == {}
    assert assembler.snapshots[GATEWAY] is before
    assert outputs.dirty == {GATEWAY}
    outputs.set_resource(NEW, resource(CLUSTER, "new", b"1"))
    assembler.assemble(stale=False)
    assert {each.name for each in assembler.snapshots[GATEWAY]} == {"table", "new"}
    assert not outputs.incomplete


def test_outputs_that_do_not_fit_wait_while_an_index_is_stale(
    outputs: OutputTable, assembler: SnapshotAssembler
) -> None:
    """A RouteConfiguration that needs a cluster which an old index entry does not list stays as it was."""
    before = published(assembler)
    outputs.set_resource(TABLE, resource(ROUTE, "table", b"2", "new"))
    assembler.assemble(stale=True)
    assert assembler.snapshots[GATEWAY] is before
    assert assembler.inconsistent == {GATEWAY}
    assert outputs.dirty == {GATEWAY}
    to_new_cluster(outputs)
    outputs.set_resource(NEW, resource(CLUSTER, "new", b"1"))
    assembler.assemble(stale=True)
    assert not assembler.inconsistent
    assert {each.name for each in assembler.snapshots[GATEWAY]} == {"table", "new"}


def test_a_first_snapshot_that_does_not_fit_waits(outputs: OutputTable, assembler: SnapshotAssembler) -> None:
    """Of a new Gateway whose outputs do not fit each other nothing is published."""
    outputs.set_resource(TABLE, resource(ROUTE, "table", b"1", "new"))
    assembler.assemble(stale=True)
    assert (assembler.snapshots, assembler.inconsistent) == ({}, {GATEWAY})


def test_an_unlisted_gateway_keeps_its_snapshot(outputs: OutputTable, assembler: SnapshotAssembler) -> None:
    """Where it is not known what a Gateway wants, what changed in what it wanted goes on, and nothing goes."""
    before = published(assembler)
    outputs.set_unlisted(GATEWAY)
    outputs.set_resource(OLD, resource(CLUSTER, "old", b"2"))
    assembler.assemble(stale=False)
    assert diff(before, assembler.snapshots[GATEWAY]) == {CLUSTER: frozenset({"old"})}
    assert outputs.incomplete == {GATEWAY}


def test_a_gateway_that_may_have_come_back_keeps_its_snapshot(
    outputs: OutputTable, assembler: SnapshotAssembler
) -> None:
    """A Gateway that went and came back in one batch, and is unlisted since, is not withdrawn."""
    before = published(assembler)
    outputs.set_outputs(GATEWAY, None)
    outputs.set_unlisted(GATEWAY)
    assembler.assemble(stale=False)
    assert assembler.snapshots == {GATEWAY: before}
    outputs.set_outputs(GATEWAY, None)
    assembler.assemble(stale=False)
    assert assembler.snapshots == {}


def test_a_gateway_that_is_gone_has_no_snapshot(outputs: OutputTable, assembler: SnapshotAssembler) -> None:
    """It is withdrawn once, and one that never was published is not."""
    published(assembler)
    outputs.set_outputs(GATEWAY, None)
    outputs.set_outputs(Ref("Gateway", "shop", "other"), None)
    assembler.assemble(stale=True)
    assert assembler.take_changes() == {GATEWAY: None}
    assert not outputs.incomplete


@pytest.mark.parametrize("new", ["b", "a"])
def test_what_refers_to_what_is_missing_stays_as_it_was(new: str) -> None:
    """A table that needs a missing cluster goes back, with its clusters; the rest of the change holds."""
    before = Snapshot.of([resource(ROUTE, "r", b"1", "a"), resource(CLUSTER, "a", b"1"), resource(CLUSTER, "c", b"1")])
    made = [resource(ROUTE, "r", b"2", new), resource(ROUTE, "new", b"1", "b"), resource(CLUSTER, "c", b"2")]
    after = without_dangling(before, before.replace(made, [Reference(CLUSTER, "a")]))
    assert after.dangling() == []
    assert diff(before, after) == {CLUSTER: frozenset({"c"})}
