"""Regular expressions as trees over bytes: those of RE2 that automata can do (`translator.languages.automata`).

Texts are UTF-8. What is not here, such as classes of Unicode, is refused with words for users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ALL: Final = (1 << 256) - 1
"""Sets of bytes are numbers with a bit for each."""
ASCII: Final = (1 << 128) - 1
MAX_GROUP_LEVELS: Final = 100
"""How deep groups may be nested."""


class ExpressionError(ValueError):
    """An expression that is not taken; its text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """One byte of a set."""

    bits: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; without any, the empty text."""

    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several, the earlier ones first."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part again and again: `most` is None without an end; those that are lazy try to stop first."""

    item: Node
    least: int
    most: int | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Assertion:
    """A condition on a place: begin, end, line-begin, line-end, boundary or no-boundary."""

    kind: str


Node = Bytes | Sequence | Choice | Repeat | Assertion


def bits(text: str) -> int:
    """Return the set of the characters of an ASCII text."""
    return sum(1 << each for each in set(text.encode("ascii")))


def _range(first: int, last: int) -> int:
    return (1 << (last + 1)) - (1 << first)


DIGITS: Final = bits("0123456789")
LETTERS: Final = _range(65, 90) | _range(97, 122)
WORD: Final = DIGITS | LETTERS | bits("_")
SPACE: Final = bits("\t\n\f\r ")
NEWLINE: Final = bits("\n")
CLASSES: Final = {"d": DIGITS, "w": WORD, "s": SPACE}
POSIX: Final = {
    "alnum": DIGITS | LETTERS,
    "alpha": LETTERS,
    "ascii": ASCII,
    "blank": bits("\t "),
    "cntrl": _range(0, 31) | 1 << 127,
    "digit": DIGITS,
    "graph": _range(33, 126),
    "lower": _range(97, 122),
    "print": _range(32, 126),
    "punct": _range(33, 47) | _range(58, 64) | _range(91, 96) | _range(123, 126),
    "space": SPACE | bits("\v"),
    "upper": _range(65, 90),
    "word": WORD,
    "xdigit": DIGITS | bits("abcdefABCDEF"),
}
CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
PLACES: Final = {"A": "begin", "z": "end", "b": "boundary", "B": "no-boundary"}
_REST: Final = Bytes(_range(0x80, 0xBF))
NOT_ASCII: Final = Choice(
    (
        Sequence((Bytes(_range(0xC2, 0xDF)), _REST)),
        Sequence((Bytes(_range(0xE0, 0xEF)), _REST, _REST)),
        Sequence((Bytes(_range(0xF0, 0xF4)), _REST, _REST, _REST)),
    )
)
"""Any character that is not ASCII, in a text that is UTF-8."""


def folded(found: int) -> int:
    """Return a set of bytes with the letters of the other case, too."""
    upper, lower = found & _range(65, 90), found & _range(97, 122)
    return found | upper << 32 | lower >> 32


def characters(ascii_bits: int, others: frozenset[str], negated: bool, ignore_case: bool) -> Node:
    """Return a class of characters.

    Args:
        ascii_bits: those that are ASCII.
        others: those that are not.
        negated: whether it is all but these.
        ignore_case: whether letters stand for both cases.
    """
    if ignore_case:
        ascii_bits = folded(ascii_bits)
    if negated:
        if others:
            raise ExpressionError("a class cannot leave out characters that are not ASCII; write what it is to have")
        return Choice((Bytes(ASCII & ~ascii_bits), NOT_ASCII))
    items: list[Node] = [Bytes(ascii_bits)] if ascii_bits else []
    items += (literal(each, ignore_case) for each in sorted(others))
    return items[0] if len(items) == 1 else Choice(tuple(items))


def literal(character: str, ignore_case: bool = False) -> Node:
    """Return one character."""
    if character.isascii():
        return Bytes(folded(1 << ord(character)) if ignore_case else 1 << ord(character))
    if ignore_case and character.lower() != character.upper():
        raise ExpressionError(
            f"{character!r} has two cases, which only letters of ASCII may have with (?i); write both"
        )
    return Sequence(tuple(Bytes(1 << each) for each in character.encode()))
