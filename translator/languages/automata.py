"""Regular expressions as automata, which a script runs in one pass over a text, whatever it is.

Lua has no regular expressions, and a search by trial and error may take for ever. An automaton takes one step for each
byte. It is made here, where it can be refused, and the script only looks up steps in a table.

The automaton that searches goes forward, and says where the first match ends as RE2 does: of the matches that begin
first, the one that the expression prefers. The one that finds the beginning goes backward from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from translator.languages.expression_parser import parse
from translator.languages.expressions import (
    ALL,
    NEWLINE,
    WORD,
    Assertion,
    Bytes,
    Choice,
    ExpressionError,
    Node,
    Repeat,
    Sequence,
)

MAX_INSTRUCTIONS: Final = 1_000
"""How large an expression may be, once its repetitions are written out."""
MAX_STEPS: Final = 20_000
"""How many steps the table of an automaton may have."""
MAX_EFFORT: Final = 1_000_000
"""How much work it may be to make an automaton."""
END: Final = -1
"""What comes behind the last byte, and before the first."""


class Automaton(NamedTuple):
    """A table of steps.

    Attributes:
        classes: for each byte, the column of the table; the last column is for the end of the text.
        starts: the states to begin in: at the beginning of the text, after a newline, a byte of a word, another one.
        steps: row by row, twice the next state, and one more where a match ends before the byte. State 0 is the end;
            rows begin with state 1.
    """

    classes: tuple[int, ...]
    starts: tuple[int, int, int, int]
    steps: tuple[int, ...]


class Search(NamedTuple):
    """How matches are found.

    Attributes:
        forward: finds where the first match ends.
        backward: finds, from there, where it begins.
    """

    forward: Automaton
    backward: Automaton


@lru_cache(maxsize=256)
def compile_search(text: str) -> Search:
    """Return the automata of an expression.

    Raises:
        ExpressionError: it is none, has something that is not done here, costs too much, or matches the empty text.
    """
    tree = parse(text)
    backward = _Machine(_Program(_reversed(tree)), greedy=True)
    if backward.matches_nothing():
        raise ExpressionError("matches where there is nothing, so everywhere; have it ask for a character")
    return Search(_Machine(_Program(tree).search(), greedy=False).table(), backward.table())


def _reversed(node: Node) -> Node:
    if isinstance(node, Sequence):
        return Sequence(tuple(map(_reversed, reversed(node.items))))
    if isinstance(node, Choice):
        return Choice(tuple(map(_reversed, node.items)))
    if isinstance(node, Repeat):
        return Repeat(_reversed(node.item), node.least, node.most, node.lazy)
    if isinstance(node, Assertion):
        return Assertion(_BACKWARD.get(node.kind, node.kind))
    return node


_BACKWARD: Final = {"begin": "end", "end": "begin", "line-begin": "line-end", "line-end": "line-begin"}


@dataclass(slots=True)
class _Program:
    """The instructions of an expression, by number: a byte of a set, a choice, a condition, or the match."""

    tree: Node
    sets: dict[int, tuple[int, int]] = field(default_factory=dict)
    choices: dict[int, tuple[int, ...]] = field(default_factory=dict)
    places: dict[int, tuple[str, int]] = field(default_factory=dict)
    count: int = 1
    first: int = 0

    def __post_init__(self) -> None:
        self.first = self._add(self.tree, MATCH)

    def search(self) -> _Program:
        """Have a match begin at any place: the first one, which is the one that is preferred."""
        again, anything = self._new(), self._new()
        self.choices[again] = (self.first, anything)
        self.sets[anything] = (ALL, again)
        self.first = again
        return self

    def _new(self) -> int:
        self.count += 1
        if self.count > MAX_INSTRUCTIONS:
            raise ExpressionError("the expression costs too much; repeat less in it, or split it")
        return self.count - 1

    def _add(self, node: Node, after: int) -> int:
        """Write the instructions of a part that goes on with `after`; return the first."""
        if isinstance(node, Bytes):
            self.sets[here := self._new()] = (node.bits, after)
            return here
        if isinstance(node, Assertion):
            self.places[here := self._new()] = (node.kind, after)
            return here
        if isinstance(node, Choice):
            self.choices[here := self._new()] = tuple([self._add(each, after) for each in node.items])
            return here
        if isinstance(node, Repeat):
            return self._repeat(node, after)
        for each in reversed(node.items):
            after = self._add(each, after)
        return after

    def _repeat(self, node: Repeat, after: int) -> int:
        if node.most is None:
            again = self._new()
            body = self._add(node.item, again)
            self.choices[again] = (after, body) if node.lazy else (body, after)
            # Once at least: the loop is entered by its body.
            first, times = (body, node.least - 1) if node.least else (again, 0)
        else:
            first, times = after, node.least
            for _ in range(node.most - node.least):
                body = self._add(node.item, first)
                self.choices[here := self._new()] = (after, body) if node.lazy else (body, after)
                first = here
        for _ in range(times):
            first = self._add(node.item, first)
        return first


MATCH: Final = 0
"""The number of the instruction at which an expression has matched."""


class _State(NamedTuple):
    threads: tuple[int, ...]
    before: int


@dataclass(slots=True)
class _Machine:
    """Makes the table of a program.

    Attributes:
        program: it.
        greedy: whether the longest match counts, in place of the one that the expression prefers.
    """

    program: _Program
    greedy: bool
    effort: int = 0

    def table(self) -> Automaton:
        """Return the table."""
        classes, samples = self._classes()
        starts = [self._start(each) for each in (END, 10, ord("a"), ord(" "))]
        numbers: dict[_State, int] = {}
        rows: list[list[int]] = []

        def number(state: _State) -> int:
            if not state.threads:
                return 0
            if state not in numbers:
                numbers[state] = len(numbers) + 1
                pending.append(state)
            return numbers[state]

        pending: list[_State] = []
        begin = tuple([number(each) for each in starts])
        while pending:
            state = pending.pop(0)
            rows.append([])
            if len(rows) * len(samples) > MAX_STEPS:
                raise ExpressionError("the expression costs too much; repeat less in it, or split it")
            for sample in samples:
                found, has_matched = self._step(state, sample)
                rows[-1].append(2 * number(found) + has_matched)
        steps = tuple(each for row in rows for each in row)
        return Automaton(classes, (begin[0], begin[1], begin[2], begin[3]), steps)

    def matches_nothing(self) -> bool:
        """Return whether the expression may match without a byte, at whatever place."""
        seen, waiting = set(), [self.program.first]
        while waiting:
            here = waiting.pop()
            if here == MATCH:
                return True
            if here not in seen:
                seen.add(here)
                waiting += self.program.choices.get(here, ())
                if here in self.program.places:
                    waiting.append(self.program.places[here][1])
        return False

    def _classes(self) -> tuple[tuple[int, ...], list[int]]:
        """Return the columns of bytes, and a byte of each; bytes that no instruction tells apart have one."""
        sets = {each for each, _ in self.program.sets.values()}
        sets |= {WORD, NEWLINE} if self.program.places else set()
        columns: dict[tuple[bool, ...], int] = {}
        samples: list[int] = []
        classes: list[int] = []
        for byte in range(256):
            key = tuple([bool(each >> byte & 1) for each in sets])
            if key not in columns:
                columns[key] = len(columns)
                samples.append(byte)
            classes.append(columns[key])
        return tuple(classes), [*samples, END]

    def _start(self, before: int) -> _State:
        return _State((self.program.first,), self._seen(before))

    def _seen(self, byte: int) -> int:
        """Return what conditions may ask of a byte: one like it."""
        if not self.program.places:
            return END
        if byte in (END, 10):
            return byte
        return ord("a") if WORD >> byte & 1 else ord(" ")

    def _step(self, state: _State, byte: int) -> tuple[_State, bool]:
        found, has_matched = [], False
        for each in self._reached(state, byte):
            if each == MATCH:
                has_matched = True
                if not self.greedy:
                    break
                continue
            allowed, after = self.program.sets[each]
            if byte != END and allowed >> byte & 1:
                found.append(after)
        threads = tuple(dict.fromkeys(found))
        return _State(tuple(sorted(threads)) if self.greedy else threads, self._seen(byte)), has_matched

    def _reached(self, state: _State, byte: int) -> Iterator[int]:
        """Yield the instructions that take a byte, or match, in the order in which they are preferred."""
        seen: set[int] = set()
        waiting = list(reversed(state.threads))
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            self.effort += 1
            if self.effort > MAX_EFFORT:
                raise ExpressionError("the expression costs too much; repeat less in it, or split it")
            if here in self.program.choices:
                waiting += reversed(self.program.choices[here])
            elif here in self.program.places:
                kind, after = self.program.places[here]
                if _holds(kind, state.before, byte):
                    waiting.append(after)
            else:
                yield here


def _holds(kind: str, before: int, after: int) -> bool:
    if kind == "begin":
        return before == END
    if kind == "end":
        return after == END
    if kind == "line-begin":
        return before in (END, 10)
    if kind == "line-end":
        return after in (END, 10)
    is_boundary = _is_word(before) != _is_word(after)
    return is_boundary == (kind == "boundary")


def _is_word(byte: int) -> bool:
    return byte != END and bool(WORD >> byte & 1)


def to_json(found: Automaton) -> dict[str, Any]:
    """Return an automaton as the script takes it."""
    return {"classes": list(found.classes), "starts": list(found.starts), "steps": list(found.steps)}
