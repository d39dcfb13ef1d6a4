"""Bisection: find the resource that caused the NACK of a response with several resources."""

from __future__ import annotations

import re


def split(names: list[str], message: str) -> tuple[frozenset[str], frozenset[str]]:
    """Split the names of a rejected response in those that the error does not mention and those it does, neither empty.

    The error's text is only a hint, as a name may be a word of it by chance. Without it, the names are halved.
    """
    named = frozenset(name for name in names if _mentions(message, name))
    if not named or len(named) == len(names):
        named = frozenset(names[: len(names) // 2])
    return frozenset(names) - named, named


def _mentions(message: str, name: str) -> bool:
    return name in message and re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)", message) is not None
