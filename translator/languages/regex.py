"""Regular expressions of RE2, and substitutions of what they match, as Envoy runs them.

RE2 is imported with the first expression: 1.5 MB that most configurations do not need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from translator.proxy import MAX_REGEX_PROGRAM_SIZE

_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_PLAIN: Final = re.compile(r"[^A-Za-z0-9/_-]")


def quoted(text: str) -> str:
    """Return a regular expression that matches a text of ASCII and nothing else."""
    return _PLAIN.sub(lambda found: f"\\{found[0]}", text)


def check_regex(text: str) -> str | None:
    """Return what is wrong with a regular expression, and the way out; None if Envoy takes it."""
    if not text:
        return "is empty: nothing matches it; write an expression"
    import re2

    try:
        size = _compiled(text).programsize
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        return f"{text!r} is not a regular expression of RE2: {words}"
    if size > MAX_REGEX_PROGRAM_SIZE:
        return (
            f"the expression costs too much: its RE2 program has a size of {size}, and {MAX_REGEX_PROGRAM_SIZE} is the "
            f"most; repeat less in it, or split it"
        )
    return None


def grouped(text: str) -> str:
    r"""Return a regular expression as a group, to which others can be appended: what it quotes by ``\Q`` ends in it."""
    return f"(?:{text})" if check_regex(f"(?:{text})") is None else f"(?:{text}\\E)"


def check_substitution(pattern: str, substitution: str) -> str | None:
    r"""Return what is wrong with a substitution, and the way out; None if all of its groups exist.

    Envoy takes any, and leaves texts as they are if it cannot apply one.

    Args:
        pattern: a regular expression of RE2.
        substitution: a text with ``\0`` for the match, ``\1`` to ``\9`` for groups, and two backslashes for one.
    """
    groups = _compiled(pattern).groups
    for found in _ESCAPE.finditer(substitution):
        escaped = found[1]
        if escaped == "\\":
            continue
        if not (escaped.isascii() and escaped.isdigit()):
            return f"{found[0]!r} is no group: write \\0 to \\9, or two backslashes for one"
        if int(escaped) > groups:
            return f"\\{escaped} is no group of {pattern!r}, which has {groups}: correct the number"
    return None


def fully_matches(pattern: str, text: str) -> bool:
    """Return whether all of a text matches a regular expression, which is valid."""
    found: object = _compiled(pattern).fullmatch(text.encode())
    return found is not None


def escape(text: str) -> str:
    """Return the expression that matches a text, and nothing else."""
    import re2

    found: str = re2.escape(text)
    return found


def _compiled(text: str) -> Any:
    import re2

    return re2.compile(text.encode(), _options())


@cache
def _options() -> Any:
    import re2

    made = re2.Options()
    made.log_errors = False
    # Envoy compares bytes: to it a letter that is not ASCII is two or more, and \x{100} does not exist.
    made.encoding = re2.Options.Encoding.LATIN1
    return made


def other_words(words: Iterable[str], beginnings: Iterable[str] = ()) -> str:
    """Return the expression that matches all texts but some words, and but those that begin in certain ways.

    RE2 cannot say "not": the expression goes through the words letter by letter, and matches where a text leaves them.
    There has to be a word, and no beginning is empty.
    """
    tree: dict[str, Any] = {}
    for each in words:
        _path(tree, each)[""] = None
    for each in beginnings:
        _path(tree, each)[_ALL] = None
    return _leaving(tree)


_ALL: Final = "all"
"""In the place of a letter: whatever follows is meant too."""


def _path(tree: dict[str, Any], word: str) -> dict[str, Any]:
    for letter in word:
        tree = tree.setdefault(letter, {})
    return tree


def _leaving(tree: dict[str, Any]) -> str:
    letters = sorted(each for each in tree if len(each) == 1)
    others = f"[^{''.join(escape(each) for each in letters)}]" if letters else "."
    ways = [f"{escape(each)}{_leaving(tree[each])}" for each in letters if _ALL not in tree[each]]
    return f"(?:{'|'.join([f'{others}.*', *ways])}){'' if '' in tree else '?'}"
