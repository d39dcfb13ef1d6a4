"""The output table: who wants which output, and what is left to assemble."""

from __future__ import annotations

import pytest

from translator.db import Db
from translator.engine.query import query
from translator.refs import Ref
from translator.resources.output_table import OutputTable
from translator.resources.outputs import Output, Outputs
from xds import Reference, Resource
from xds.resources.types import CLUSTER

ONE, TWO = (Ref("Gateway", "shop", name) for name in ("one", "two"))


@query
def cluster(_db: Db, name: str) -> Resource | None:
    """Return a cluster of that name."""
    return made(name)


def made(name: str, body: bytes = b"1") -> Resource:
    """Make a cluster."""
    return Resource.of(CLUSTER, name, body)


def output(name: str) -> Output:
    """Return the output whose resource is the cluster of that name."""
    return cluster, (name,)


def outputs(*names: str) -> Outputs:
    """Return the outputs of several clusters."""
    return frozenset(map(output, names))


A, B = output("a"), output("b")


@pytest.fixture
def table() -> OutputTable:
    """Make two Gateways that share the cluster `a`, all assembled; only the first wants `b`."""
    table = OutputTable()
    table.set_outputs(ONE, outputs("a", "b"))
    table.set_outputs(TWO, outputs("a"))
    table.set_resource(A, made("a"))
    table.set_resource(B, made("b"))
    table.set_assembled([ONE, TWO])
    assert not table.incomplete
    return table


def test_an_output_begins_with_its_first_gateway_and_ends_with_its_last() -> None:
    """Only what no Gateway wanted before is new, and only what none wants any more is over."""
    table = OutputTable()
    assert table.set_outputs(ONE, outputs("a", "b")) == (outputs("a", "b"), outputs())
    assert table.set_outputs(TWO, outputs("a", "c")) == (outputs("c"), outputs())
    assert table.gateways(A) == (ONE, TWO)
    assert table.set_outputs(ONE, outputs("a")) == (outputs(), outputs("b"))
    assert table.set_outputs(TWO, None) == (outputs(), outputs("c"))
    assert table.set_outputs(ONE, outputs()) == (outputs(), outputs("a"))
    assert table.gateways(A) == ()


def test_a_gateway_is_dirty_even_if_it_wants_nothing() -> None:
    """A Gateway without outputs is to be published, as empty, and one that goes is to be withdrawn."""
    table = OutputTable()
    table.set_outputs(ONE, outputs())
    table.set_outputs(TWO, None)
    assert table.dirty == {ONE, TWO}
    assert (table.wanted(ONE), table.wanted(TWO)) == (outputs(), None)
    assert table.update(ONE) == ([], [])


def test_a_resource_makes_those_dirty_that_want_it(table: OutputTable) -> None:
    """Each Gateway gets what changed of what it wants, and nothing else."""
    table.set_resource(B, made("b", b"2"))
    assert table.dirty == {ONE}
    table.set_resource(A, made("a", b"2"))
    assert table.dirty == {ONE, TWO}
    assert table.update(TWO) == ([made("a", b"2")], [])
    assert {each.name for each in table.update(ONE).upserts} == {"a", "b"}


def test_what_is_wanted_no_more_is_removed_and_forgotten(table: OutputTable) -> None:
    """A removal names the resource until it is assembled; then the table does not hold it any more."""
    table.set_outputs(ONE, outputs("a"))
    assert table.update(ONE) == ([], [Reference(CLUSTER, "b")])
    table.set_assembled([ONE])
    table.set_outputs(ONE, outputs("a", "b"))
    assert table.update(ONE) == ([], [])
    assert table.find(ONE, Reference(CLUSTER, "b")) is None


def test_what_another_gateway_has_not_assembled_is_kept(table: OutputTable) -> None:
    """A resource that nobody wants any more is kept until all Gateways that had it are assembled."""
    table.set_outputs(ONE, None)
    table.set_outputs(TWO, None)
    table.set_assembled([ONE])
    assert table.update(TWO) == ([], [Reference(CLUSTER, "a")])


def test_a_failing_output_holds_up_those_that_want_it(table: OutputTable) -> None:
    """Its last resource stays; the Gateways that want it are not complete until it is computed again."""
    table.set_failing(B)
    assert (table.is_complete(ONE), table.is_complete(TWO)) == (False, True)
    assert not table.dirty
    assert table.find(ONE, Reference(CLUSTER, "b")) == B
    table.set_resource(B, made("b"))
    assert table.is_complete(ONE)
    assert table.dirty == {ONE}


def test_a_failing_output_that_comes_to_nothing_is_over(table: OutputTable) -> None:
    """An output that ends without a resource makes a Gateway dirty only where it was failing."""
    table.set_resource(B, None)
    assert not table.dirty
    table.set_failing(B)
    table.set_resource(B, None)
    assert table.is_complete(ONE)
    assert table.dirty == {ONE}


def test_a_failing_output_that_goes_does_not_come_back_failing(table: OutputTable) -> None:
    """That an output failed is forgotten along with it."""
    table.set_failing(B)
    table.set_outputs(ONE, outputs("a"))
    table.set_assembled([ONE])
    table.set_outputs(ONE, outputs("a", "b"))
    assert table.is_complete(ONE)


def test_an_unlisted_gateway_keeps_what_it_wanted(table: OutputTable) -> None:
    """Which outputs it wants is as it was, it is not complete, and it has nothing new to assemble."""
    table.set_unlisted(ONE)
    assert table.wanted(ONE) == outputs("a", "b")
    assert (table.is_complete(ONE), table.is_complete(TWO)) == (False, True)
    assert (table.incomplete, set(table.dirty)) == ({ONE}, set())
    table.set_outputs(ONE, outputs("a", "b"))
    assert table.is_complete(ONE)


def test_a_resource_is_found_by_its_gateway(table: OutputTable) -> None:
    """The output behind a resource is found only among those that the Gateway wants."""
    assert table.find(ONE, Reference(CLUSTER, "b")) == B
    assert table.find(TWO, Reference(CLUSTER, "b")) is None
    assert table.find(Ref("Gateway", "shop", "none"), Reference(CLUSTER, "a")) is None
