"""Reads regular expressions in RE2's syntax into trees (`translator.languages.expressions`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from translator.languages.expressions import (
    ASCII,
    CLASSES,
    CONTROLS,
    MAX_GROUP_LEVELS,
    NEWLINE,
    NOT_ASCII,
    PLACES,
    POSIX,
    Assertion,
    Bytes,
    Choice,
    ExpressionError,
    Node,
    Repeat,
    Sequence,
    characters,
    literal,
)
from translator.languages.regex import check_regex

_COUNT: Final = re.compile(r"\{(\d+)(,(\d*))?\}")
_FLAGS: Final = re.compile(r"\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
_NAMED: Final = re.compile(r"\?P?<\w+>")
_HEXADECIMAL: Final = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")
_POSIX: Final = re.compile(r"\[:(\^?)(\w+):\]")
_TIMES: Final = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True, slots=True)
class _Flags:
    i: bool = False
    m: bool = False
    s: bool = False
    U: bool = False


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises:
        ExpressionError: it is no expression of RE2, or one with what is not done here.
    """
    if fault := check_regex(text):
        raise ExpressionError(fault)
    parser = _Parser(text)
    found = parser.choice(_Flags(), 0)
    assert parser.place == len(text)
    return found


class _Parser:
    """Reads an expression that RE2 takes: what RE2 refuses does not come here."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def choice(self, flags: _Flags, level: int) -> Node:
        """Read up to the end of a group, or of the text."""
        if level > MAX_GROUP_LEVELS:
            raise ExpressionError(f"groups are nested in more than {MAX_GROUP_LEVELS} levels; write it with fewer")
        items: list[Node] = []
        here: list[Node] = []
        while self.place < len(self.text) and self.text[self.place] != ")":
            if self._skip("|"):
                items.append(Sequence(tuple(here)))
                here = []
                continue
            if changed := self._take(_FLAGS, "(", ")"):
                flags = _changed(flags, changed)
                continue
            here.append(self._times(self._atom(flags, level), flags))
        items.append(Sequence(tuple(here)))
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def _take(self, expression: re.Pattern[str], before: str, end: str) -> re.Match[str] | None:
        """Skip what begins with a text, goes on with an expression, and ends with a character."""
        if not self.text.startswith(before, self.place):
            return None
        found = expression.match(self.text, self.place + len(before))
        if found is None or not found[0].endswith(end):
            return None
        self.place = found.end()
        return found

    def _skip(self, text: str) -> bool:
        found = self.text.startswith(text, self.place)
        self.place += len(text) if found else 0
        return found

    def _next(self) -> str:
        self.place += 1
        return self.text[self.place - 1]

    def _atom(self, flags: _Flags, level: int) -> Node:
        found = self._next()
        if found == "(":
            return self._group(flags, level)
        if found == "[":
            return self._class(flags)
        if found == ".":
            return Choice((Bytes(ASCII if flags.s else ASCII & ~NEWLINE), NOT_ASCII))
        if found == "^":
            return Assertion("line-begin" if flags.m else "begin")
        if found == "$":
            return Assertion("line-end" if flags.m else "end")
        if found == "\\":
            return self._escaped(flags)
        return literal(found, flags.i)

    def _group(self, flags: _Flags, level: int) -> Node:
        if changed := self._take(_FLAGS, "", ":"):
            flags = _changed(flags, changed)
        else:
            self._take(_NAMED, "", ">")
        found = self.choice(flags, level + 1)
        self._skip(")")
        return found

    def _escaped(self, flags: _Flags) -> Node:
        found = self.text[self.place]
        if found in PLACES:
            self.place += 1
            return Assertion(PLACES[found])
        if found == "Q":
            raise ExpressionError(r"\Q is not taken here; write a backslash before each sign")
        if found.lower() in CLASSES:
            self.place += 1
            return characters(CLASSES[found.lower()], frozenset(), found.isupper(), False)
        return literal(self._character(), flags.i)

    def _character(self) -> str:
        """Read what is behind a backslash, as one character."""
        if found := self._take(_HEXADECIMAL, "", ""):
            return chr(int(found[1] or found[2], 16))
        character = self._next()
        if character in CONTROLS:
            return chr(CONTROLS[character])
        if character.isalnum():
            raise ExpressionError(
                f"\\{character} is not taken here; write the characters that it stands for in brackets"
            )
        return character

    def _class(self, flags: _Flags) -> Node:
        negated, known, others = self._skip("^"), 0, set()
        is_first = True
        while is_first or not self._skip("]"):
            is_first = False
            if found := self._take(_POSIX, "", "]"):
                known |= ASCII & ~POSIX[found[2]] if found[1] else POSIX[found[2]]
                self._ascii_only(bool(found[1]))
                continue
            first = self._member()
            if isinstance(first, int):
                known |= first
                continue
            last = first
            if self.text[self.place] == "-" and self.text[self.place + 1] != "]":
                self.place += 1
                end = self._member()
                assert isinstance(end, str)
                last = end
            if last.isascii():
                known |= (1 << (ord(last) + 1)) - (1 << ord(first))
            elif first == last:
                others.add(first)
            else:
                raise ExpressionError(f"the range {first}-{last} goes beyond ASCII; write its characters one by one")
        return characters(known, frozenset(others), negated, flags.i)

    def _member(self) -> int | str:
        """Read a member of a class: a set of bytes, or one character."""
        found = self._next()
        if found != "\\":
            return found
        letter = self.text[self.place]
        if letter.lower() in CLASSES:
            self.place += 1
            self._ascii_only(letter.isupper())
            return CLASSES[letter]
        return self._character()

    def _ascii_only(self, negated: bool) -> None:
        if negated:
            raise ExpressionError("a class cannot have what is not in another one; write what it is to have")

    def _times(self, item: Node, flags: _Flags) -> Node:
        """Read how often an item comes."""
        while self.place < len(self.text):
            least, most = 1, None
            if found := self._take(_COUNT, "", "}"):
                least = int(found[1])
                most = least if found[2] is None else int(found[3]) if found[3] else None
            elif (sign := self.text[self.place]) in _TIMES:
                self.place += 1
                least, most = _TIMES[sign]
            else:
                break
            item = Repeat(item, least, most, self._skip("?") != flags.U)
        return item


def _changed(flags: _Flags, found: re.Match[str]) -> _Flags:
    on, off = set(found[1]), set(found[2] or "")
    return replace(flags, **{each: each in on for each in on | off})
