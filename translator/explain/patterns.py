"""Regular expressions as Envoy applies them: RE2's, on the whole value, and replaced as ``RE2::GlobalReplace`` does."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

_REFERENCE: Final = re.compile(r"\\([0-9\\])")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import re2

    try:
        return re2.compile(pattern)
    except re2.error:
        return None


def matches_whole(pattern: str, text: str) -> bool:
    """Return whether a pattern matches all of a text; one that RE2 does not take matches nothing."""
    compiled = _compiled(pattern)
    return compiled is not None and compiled.fullmatch(text) is not None


def replace_all(pattern: str, substitution: str, text: str) -> str:
    """Return a text with every match of a pattern replaced, where a backslash and a digit stand for a group."""
    compiled = _compiled(pattern)
    if compiled is None:
        return text
    made: list[str] = []
    place, last = 0, -1
    while place <= len(text):
        found = compiled.search(text, place)
        if found is None:
            break
        start, end = found.span()
        made.append(text[place:start])
        if start == end == last:  # no empty match right behind another match
            made.append(text[start : start + 1])
            place = start + 1
            continue
        made.append(_expanded(substitution, found))
        place = last = end
    return "".join(made) + text[place:]


def extract(pattern: str, substitution: str, text: str) -> str | None:
    """Return a substitution with the groups of a pattern's first match; None without one."""
    compiled = _compiled(pattern)
    found = compiled.search(text) if compiled is not None else None
    return None if found is None else _expanded(substitution, found)


def _expanded(substitution: str, found: Any) -> str:
    return _REFERENCE.sub(lambda each: "\\" if each[1] == "\\" else found.group(int(each[1])) or "", substitution)
