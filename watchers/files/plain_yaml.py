"""Decoder of plain YAML, as tools and most people write manifests: three times as fast as by libyaml's events.

A plain document consists of block mappings and sequences with one key or item a line, of scalars without escapes, and
of comments in lines of their own. Any other text is left to `yaml_decoder`: no value differs from what that decodes,
and no mistake is looked for here. It is fast because it remembers lines, of which thousands of objects have the same.
"""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from watchers.files.yaml_decoder import resolve_plain

MAX_CHARACTERS: Final = 16 * 1024
"""The longest text that is decoded here: as much as libyaml reads between two calls of `Budget.interrupt`."""
MAX_LINE: Final = 200
"""The longest line that is decoded here, in characters."""
MAX_DEPTH: Final = 50
"""The deepest nesting that is decoded here."""

# A plain scalar begins with no character that has a meaning to YAML; no colon in it ends a key, and no space in it
# precedes a comment.
_FIRST, _MORE = "[A-Za-z0-9_./$(]", "[A-Za-z0-9_./$()+=@%~^,;-]*"
_PLAIN = f"-?{_FIRST}{_MORE}(?:[ :]{_FIRST}{_MORE})*"
_QUOTED = r""""[ !#-\[\]-~]*"|'[ -&(-~]*'"""
_LINE: Final = re.compile(
    rf"( *)(?:#[ -~]*|((?:- )*)(?:([A-Za-z_][A-Za-z0-9_./-]*):(?: (?! )|$))?(?:({_PLAIN})|({_QUOTED}))?)"
)


class PlainDocument(NamedTuple):
    """A document.

    Attributes:
        value: its value.
        line: its first line, from 0.
        nodes: how many values it has, keys included.
    """

    value: dict[str, object]
    line: int
    nodes: int


class _Line(NamedTuple):
    """One line.

    Attributes:
        column: where its first dash or key is.
        dashes: how many items of sequences begin in it, each in the one before.
        key: its key; None if it has none.
        value: its scalar.
        is_open: whether it has a key and no scalar, so that the value may follow.
        nodes: how many values it has: a dash begins one, and a key is one and has one.
    """

    column: int
    dashes: int
    key: str | None
    value: str | int | float | bool | None
    is_open: bool
    nodes: int


_BLANK: Final = _Line(-1, 0, None, None, False, 0)


def decode_plain(text: str) -> PlainDocument | None:
    """Decode a text that is one plain document; return None for any other.

    Args:
        text: a part of a file, of which only the first line may be the start of a document.
    """
    if len(text) > MAX_CHARACTERS or max(map(len, written := text.split("\n"))) > MAX_LINE:
        return None
    marked = written[0] == "---"
    lines = [_line(each) for each in written[marked:]]
    document, nodes = _Nesting(), 1
    for line in lines:
        if line is _BLANK:
            continue
        if line is None or not document.add(line):
            return None
        nodes += line.nodes
    first = next((number for number, line in enumerate(lines, marked) if line is not _BLANK), None)
    return None if first is None else PlainDocument(document.root, first, nodes)


@lru_cache(maxsize=8192)  # 4 MB at most
def _line(written: str) -> _Line | None:
    """Return what a line has; None if that is not plain."""
    found = _LINE.fullmatch(written)
    if found is None:
        return None
    indent, dashes, key, plain, quoted = found.groups()
    if key is None and plain is None and quoted is None:
        return None if dashes else _BLANK
    if key is not None and resolve_plain(key) != key:
        return None  # such as `on`, which is a boolean
    if key is None and not dashes:
        return None  # a text of several lines
    value = quoted[1:-1] if quoted is not None else None if plain is None else resolve_plain(plain)
    is_open, begun = plain is None and quoted is None, len(dashes) // 2
    return _Line(len(indent), begun, key, value, is_open, begun + 2 * (key is not None))


class _Nesting:
    """A mapping, and the collections in it to which lines may add, from the outermost, with their columns.

    Attributes:
        root: the mapping.
    """

    def __init__(self) -> None:
        self.root: dict[str, object] = {}
        self._open: list[Any] = [self.root]
        self._columns = [0]
        self._key: str | None = None
        """The key to which the next line may give a value; it is in the innermost mapping."""

    def add(self, line: _Line) -> bool:
        """Add a line; return False if it does not continue the document as plain YAML."""
        column, dashes, key, value, is_open, _ = line
        if dashes:
            if not self._enter_sequence(column):
                return False
            for _ in range(dashes - 1):
                column += 2
                self._append([], column)
            if key is None:
                self._open[-1].append(value)
            else:
                self._append({}, column + 2)
        elif not self._enter_mapping(column):
            return False
        if key is not None:
            mapping = self._open[-1]
            if key in mapping:
                return False
            mapping[key] = value
        self._key = key if is_open else None
        return len(self._columns) <= MAX_DEPTH

    def _enter_sequence(self, column: int) -> bool:
        """Make a sequence at a column the innermost collection; a new one may be at the column of its key."""
        if self._key is not None and column >= self._columns[-1]:
            self._set([], column)
        else:
            self._leave(column)
        return self._columns[-1] == column and type(self._open[-1]) is list

    def _enter_mapping(self, column: int) -> bool:
        """Make a mapping at a column the innermost collection; a new one is to the right of its key."""
        if column > self._columns[-1]:
            if self._key is None:
                return False
            self._set({}, column)
            return True
        self._leave(column)
        if type(self._open[-1]) is list and self._columns[-1] == column:
            self._open.pop()
            self._columns.pop()
        return self._columns[-1] == column and type(self._open[-1]) is dict

    def _leave(self, column: int) -> None:
        """Complete the collections to the right of a column."""
        while self._columns[-1] > column:
            self._open.pop()
            self._columns.pop()

    def _set(self, value: object, column: int) -> None:
        self._open[-1][self._key] = value
        self._open.append(value)
        self._columns.append(column)

    def _append(self, value: object, column: int) -> None:
        self._open[-1].append(value)
        self._open.append(value)
        self._columns.append(column)
