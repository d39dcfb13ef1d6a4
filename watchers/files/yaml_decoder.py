"""Decoder from YAML to JSON values, bounded, compatible with kubectl.

It processes libyaml's events instead of composing a tree of nodes: composing recurses in C without a limit, so that a
file of brackets crashes the process. No tag can run code or create objects.

Plain scalars have the same values as in kubectl, whose library (sigs.k8s.io/yaml) follows YAML 1.1 here: `yes`, `no`,
`on`, `off`, `y`, `n` are booleans and `010` is octal. Timestamps stay strings. Keys become strings, as in JSON.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from yaml import CSafeLoader
from yaml.error import Mark
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

Path = tuple[str | int, ...]

MAX_DEPTH = 100
"""Deepest nesting of values; Kubernetes objects stay below 30."""

MAX_EXPANSION = 1_000_000
"""Most characters and values that aliases may add to those in the text of a file."""

MAX_NODES = 1_000_000
"""Most values in a file; a route has about 50, so that is 20,000 routes."""

_TAG = "tag:yaml.org,2002:"
_CONSTANTS: dict[str, bool | None] = {
    spelling: value
    for value, words in ((True, "y yes true on"), (False, "n no false off"), (None, "null"))
    for word in words.split()
    for spelling in (word, word.capitalize(), word.upper())
} | {"": None, "~": None}
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*|0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAX_INTEGER = 24
"""Most characters of an integer: enough for 64 bits in any usual base; longer ones are read as floats."""


class ValueFault(Exception):
    """A text has an invalid value; it has the message and the line in the text, from 0."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def resolve_plain(text: str) -> str | int | float | bool | None:
    """Return the value of a plain scalar: a constant, a number, or the text itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "-+.0123456789":
        return text
    digits = text.replace("_", "")
    if len(digits) <= _MAX_INTEGER and _INTEGER.fullmatch(digits):
        body = digits.lstrip("+-")
        octal = len(body) > 1 and body.isdigit() and body[0] == "0"
        return int(digits, 8 if octal else 0)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def _never() -> None:
    """Do not interrupt."""


@dataclass(slots=True)
class Budget:
    """The remaining budget of a file, for all its parts together; charged while they are parsed.

    Attributes:
        nodes: the most further values.
        expansion: the most further characters and values that aliases may add.
        interrupt: called before every 16 KB of text; its exceptions end the parsing.
    """

    nodes: int = MAX_NODES
    expansion: int = MAX_EXPANSION
    interrupt: Callable[[], None] = _never


class Lines:
    """The line (from 0) of a value, and of the values in it: that of the key in a mapping, of the item in a sequence.

    The values of an alias have no lines. It is a tree, since storing the path of each value would cost its depth.
    """

    __slots__ = ("_below", "_line")

    def __init__(self, line: int = 0) -> None:
        self._line = line
        self._below: dict[str | int, Lines] | None = None

    def add(self, key: str | int, line: int) -> "Lines":
        """Add the line of a value in this one."""
        if self._below is None:
            self._below = {}
        return self._below.setdefault(key, Lines(line))

    def of(self, path: Path) -> int:
        """Return the line of the value at a path or, if it is missing, of its nearest existing parent."""
        here = self
        for key in path:
            below = here._below and here._below.get(key)
            if not below:
                break
            here = below
        return here._line


class _Text:
    """A text as a file for libyaml, read in pieces, so that it can be interrupted and other threads can run."""

    def __init__(self, text: str, interrupt: Callable[[], None]) -> None:
        self._text = text
        self._interrupt = interrupt
        self._position = 0

    def read(self, size: int) -> str:
        self._interrupt()
        start, self._position = self._position, self._position + size
        return self._text[start : self._position]


class YamlValues:
    """The documents of one text.

    Args:
        text: YAML, of which JSON is a subset.
        lines: gets the lines of all values in the documents read, if given.
        budget: the budget of the file, which is charged.
    """

    def __init__(self, text: str, lines: Lines | None = None, budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        self._parser = CSafeLoader(_Text(text, self._budget.interrupt))  # type: ignore[arg-type]  # it accepts files, too
        self._text = text
        self._lines = lines
        self._anchors: dict[str, tuple[object, int]] = {}
        self._size = 0

    def documents(self) -> Iterator[tuple[object, int, str]]:
        """Yield each document's value, its first line (from 0), and its text from the start of that line.

        Raises:
            ValueFault: a value exceeds a limit, or is not a JSON value.
            yaml.YAMLError: the text is not well-formed.
        """
        while (event := self._next()) is not None:
            if isinstance(event, DocumentStartEvent):
                self._anchors.clear()
                root = cast(Event, self._next())
                value = self._value(root, 0, self._lines)
                start, end = _start(root), _start(cast(Event, self._parser.peek_event()))
                yield value, start.line, self._text[start.index - start.column : end.index]

    def _next(self) -> Event | None:
        return self._parser.get_event()

    def _value(self, event: Event, depth: int, lines: Lines | None) -> object:
        self._charge(1, event)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        before = self._size
        self._size += 1
        if isinstance(event, ScalarEvent):
            value = self._scalar(event)
        elif depth >= MAX_DEPTH:
            raise ValueFault(f"values are nested more than {MAX_DEPTH} deep", _line(event))
        else:
            value = self._collection(cast(CollectionStartEvent, event), depth + 1, lines)
        if (anchor := cast(NodeEvent, event).anchor) is not None:
            self._anchors[anchor] = (value, self._size - before)
        return value

    def _charge(self, nodes: int, event: Event) -> None:
        self._budget.nodes -= nodes
        if self._budget.nodes < 0:
            raise ValueFault(f"the file holds more than {MAX_NODES:,} values; split it", _line(event))

    def _alias(self, event: AliasEvent) -> object:
        found = self._anchors.get(str(event.anchor))
        if found is None:
            raise ValueFault(
                f"the alias *{event.anchor} has no anchor &{event.anchor} before it; "
                "a text that begins with '*' must be put in quotes",
                _line(event),
            )
        value, size = found
        self._size += size
        self._budget.expansion -= size
        if self._budget.expansion < 0:
            raise ValueFault("aliases (*name) repeat so much that the file is too large; write it out", _line(event))
        return value

    def _scalar(self, event: ScalarEvent) -> object:
        self._size += len(event.value)
        if event.tag is None:
            return resolve_plain(event.value) if event.implicit[0] else event.value
        kind = event.tag.removeprefix(_TAG)
        if kind == "str":
            return event.value
        value = resolve_plain(event.value)
        if not isinstance(value, _TYPES.get(kind, ())):
            raise _unknown_tag(event)
        return value

    def _collection(self, event: CollectionStartEvent, depth: int, lines: Lines | None) -> object:
        mapping = isinstance(event, MappingStartEvent)
        if event.tag not in (None, _TAG + ("map" if mapping else "seq")):
            raise _unknown_tag(event)
        return self._mapping(depth, lines) if mapping else self._sequence(depth, lines)

    def _sequence(self, depth: int, lines: Lines | None) -> list[object]:
        out: list[object] = []
        while not isinstance(event := cast(Event, self._next()), SequenceEndEvent):
            here = lines.add(len(out), _line(event)) if lines else None
            out.append(self._value(event, depth, here))
        return out

    def _mapping(self, depth: int, lines: Lines | None) -> dict[str, object]:
        out: dict[str, object] = {}
        first: dict[str, int] = {}
        merged: list[object] = []
        while not isinstance(event := cast(Event, self._next()), MappingEndEvent):
            key = self._key(event)
            if key in first:
                raise ValueFault(
                    f"the key {key!r} is there twice, first on line {first[key] + 1}; remove one of them", _line(event)
                )
            first[key] = _line(event)
            here = lines.add(key, _line(event)) if lines else None
            value = self._value(cast(Event, self._next()), depth, here)
            if key == "<<" and cast(ScalarEvent, event).implicit[0]:
                merged = _merge_sources(value, event)
            else:
                out[key] = value
        for source in merged:
            self._charge(len(cast(dict[str, object], source)), event)
            for key, value in cast(dict[str, object], source).items():
                out.setdefault(key, value)
        return out

    def _key(self, event: Event) -> str:
        """Return a key as a string, as in JSON; called for scalars and, rarely, for aliases of scalars."""
        value = self._value(event, MAX_DEPTH, None) if isinstance(event, ScalarEvent | AliasEvent) else None
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | float):
            raise ValueFault("a key must be a text; put it in quotes", _line(event))
        return str(value)


def _start(event: Event) -> Mark:
    """Return the start of an event, which always has one, unlike in the stubs."""
    return cast(Mark, event.start_mark)


def _line(event: Event) -> int:
    return _start(event).line


def _unknown_tag(event: ScalarEvent | CollectionStartEvent) -> ValueFault:
    name = str(event.tag).replace(_TAG, "!!")
    return ValueFault(f"the tag {name} has no meaning in a Kubernetes object; remove it", _line(event))


def _merge_sources(value: object, event: Event) -> list[object]:
    """Return the mappings that `<<` merges, in ascending order of precedence."""
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise ValueFault("'<<' merges mappings; give it an alias of one, or a list of such", _line(event))
    # Of several merged mappings, earlier ones take precedence.
    return sources
