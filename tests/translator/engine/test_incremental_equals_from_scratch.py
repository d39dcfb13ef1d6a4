"""Over random programs and edits, incremental evaluation gives the same values as evaluation from scratch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translator.engine.programs import (
    FAILED,
    KEYS,
    NUMBER,
    Compiled,
    Edits,
    IndexNode,
    Inputs,
    Naive,
    Node,
    Program,
    Read,
    edits,
    final,
    programs,
)
from tests.translator.engine.programs import (
    number as as_number,
)
from translator.engine.memo import Memo

pytestmark = pytest.mark.slow

BATCHES = st.lists(edits(), min_size=1, max_size=6)


def nodes(program: Program) -> list[int]:
    """Return the places of the queries in a program."""
    return [place for place, each in enumerate(program) if isinstance(each, Node)]


def apply(compiled: Compiled, batch: Edits) -> None:
    """Apply some edits, without an evaluation."""
    for key, value in batch:
        compiled.database.set(NUMBER, key, value)


def expected(program: Program, inputs: Inputs) -> dict[int, int | str]:
    """Return the value of every query of a program, each evaluated from scratch."""
    return {place: Naive(program, inputs).node(place) for place in nodes(program)}


class Outputs:
    """The outputs of a program, with their last reported values."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.reported: dict[int, Memo] = {}
        self.good: dict[int, object] = {}

    def add_root(self, place: int) -> None:
        """Make a query an output."""

        def changed(memo: Memo) -> None:
            self.reported[place] = memo
            if memo.failure is None:
                self.good[place] = memo.value

        self.compiled.database.add_root(self.compiled.queries[place], (), changed)

    def remove_root(self, place: int) -> None:
        """Remove a query from the outputs."""
        self.compiled.database.remove_root(self.compiled.queries[place], ())
        self.reported.pop(place, None)
        self.good.pop(place, None)

    def check(self, values: dict[int, int | str]) -> None:
        """Assert that the reported values are the expected ones."""
        for place, memo in self.reported.items():
            assert (memo.failure is not None) == (values[place] == FAILED)
            if values[place] != FAILED:
                assert self.good[place] == values[place]

    def check_failing(self) -> None:
        """Assert that a failing output kept its last good value, which is the last reported one unless it was read."""
        for place, memo in self.reported.items():
            if memo.failure is not None and place in self.good:
                assert memo.value == self.good[place]


def with_roots(compiled: Compiled) -> Outputs:
    """Make every query an output."""
    outputs = Outputs(compiled)
    for place in nodes(compiled.program):
        outputs.add_root(place)
    return outputs


def evaluated(compiled: Compiled, batches: list[Edits]) -> Iterator[Inputs]:
    """Apply batches of edits, evaluate after each, and yield the inputs."""
    for number, batch in enumerate(batches, 1):
        apply(compiled, batch)
        compiled.database.evaluate()
        yield final(batches[:number])


@given(programs(), BATCHES)
def test_incremental_equals_from_scratch(program: Program, batches: list[Edits]) -> None:
    """After any edits, every query has its value from scratch, and every changed output was reported."""
    compiled = Compiled(program)
    outputs = with_roots(compiled)
    for inputs in evaluated(compiled, batches):
        values = expected(program, inputs)
        outputs.check(values)
        outputs.check_failing()
        assert {place: compiled.node(place) for place in values} == values


@given(programs(), st.lists(st.tuples(edits(), st.integers(0, 7), st.sampled_from(["add", "remove", "read", ""]))))
def test_outputs_added_and_removed_at_random(program: Program, steps: list[tuple[Edits, int, str]]) -> None:
    """Outputs that are added, removed and read between edits report their values from scratch."""
    compiled = Compiled(program)
    outputs = Outputs(compiled)
    places = nodes(program)
    for number, (batch, which, action) in enumerate(steps, 1):
        apply(compiled, batch)
        values = expected(program, final([each for each, _, _ in steps[:number]]))
        place = places[which % len(places)] if places else None
        if place is not None and action == "read":
            assert compiled.node(place) == values[place]
        elif place is not None and action:
            (outputs.add_root if action == "add" else outputs.remove_root)(place)
        else:
            compiled.database.evaluate()
            outputs.check(values)


@given(programs(cycles=True, indexes=False), BATCHES)
def test_queries_in_cycles_fail_as_from_scratch(program: Program, batches: list[Edits]) -> None:
    """With cyclic reads, the queries that fail are those that fail from scratch."""
    compiled = Compiled(program)
    outputs = with_roots(compiled)
    for inputs in evaluated(compiled, batches):
        values = expected(program, inputs)
        outputs.check(values)
        assert {place: compiled.node(place) for place in values} == values


@given(programs(), BATCHES)
def test_indexes_may_be_listed_in_any_order(program: Program, batches: list[Edits]) -> None:
    """Indexes in an unfavourable order may execute more often, with the same results."""
    compiled = Compiled(program, backwards=True)
    outputs = with_roots(compiled)
    for inputs in evaluated(compiled, batches):
        values = expected(program, inputs)
        assert {place: FAILED if memo.failure else memo.value for place, memo in outputs.reported.items()} == values
        assert {place: compiled.node(place) for place in values} == values


@given(programs(), st.permutations(KEYS), st.lists(st.integers(0, 3), min_size=len(KEYS), max_size=len(KEYS)))
def test_the_order_of_inputs_never_matters(program: Program, order: list[int], numbers: list[int]) -> None:
    """The same inputs in another order, evaluated in between or not, have the same results."""
    inputs = dict(enumerate(numbers))
    compiled = Compiled(program, {key: inputs[key] for key in order})
    one_by_one = Compiled(program)
    outputs = with_roots(one_by_one)
    for key in reversed(order):
        one_by_one.database.set(NUMBER, key, inputs[key])
        one_by_one.database.evaluate()
    outputs.check({place: compiled.node(place) for place in nodes(program)})


@given(programs(bugs=False), BATCHES)
def test_nothing_runs_without_need(program: Program, batches: list[Edits]) -> None:
    """A query runs again only if something that it read in its last run is different now.

    An input that is set twice in a batch counts as different, whatever it comes to; who sets inputs sees to that.
    """
    compiled = Compiled(program)
    with_roots(compiled)
    for inputs in evaluated(compiled, [list(dict(batch).items()) for batch in batches]):
        naive = Naive(program, inputs)
        for call, seen in compiled.reruns:
            gone = call[1] is not None and call[1] not in naive.inputs
            assert gone or any(naive.exactly(read) != value for read, value in seen), call
        compiled.reruns.clear()
        compiled.log = {call: seen for call, seen in compiled.log.items() if call[1] in (None, *naive.inputs)}


@given(programs(), BATCHES)
def test_the_number_of_memos_depends_on_the_inputs_only(program: Program, batches: list[Edits]) -> None:
    """After any edits, a database has no more memos than one that only ever had the last inputs."""
    compiled, fresh = Compiled(program), Compiled(program, final(batches))
    outputs, _ = with_roots(compiled), with_roots(fresh)
    for _ in evaluated(compiled, batches):
        pass
    fresh.database.evaluate()
    assert len(compiled.database) == len(fresh.database)
    for place in nodes(program):
        outputs.remove_root(place)
    apply(compiled, [(key, None) for key in KEYS])
    compiled.database.evaluate()
    assert len(compiled.database) == 0


def test_the_naive_evaluation_is_right() -> None:
    """The naive evaluation agrees with values computed by hand."""
    program = (
        Node("sum", (Read("input", 0, 0), Read("input", 0, 1), Read("input", 0, 2)), 4),
        Node("divide", (Read("input", 0, 0), Read("node", 0, 0), Read("input", 0, 0)), 1),
    )
    assert expected(program, {0: 3, 1: 0, 2: 1}) == {0: 2, 1: 1}
    assert expected(program, {0: 3, 1: 2, 2: 3}) == {0: 0, 1: FAILED}


def test_lists_are_compared_by_their_elements() -> None:
    """Two lists with the same number differ: the reader of one executes again for the other."""
    program, read = (IndexNode(()),), Read("select", 0, 0)
    one, other = Naive(program, {4: 0}), Naive(program, {3: 4, 1: 0, 0: 8})
    assert one.exactly(read) == one.bucket(0, 0) != other.exactly(read)
    assert as_number((6,)) == as_number((0, 2))
