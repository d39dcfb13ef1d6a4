"""Bisection: find the resource that caused the NACK of a response with several resources."""

from __future__ import annotations

import re


def split(names: list[str], message: str) -> tuple[frozenset[str], frozenset[str]]:
    """Split the names of a rejected response into those that the error text does not mention and those that it does.

    The text is only a hint, as it may contain a name by chance. If it mentions none or all, the names are halved.
    """
    named = frozenset(name for name in names if _mentions(message, name))
    if not named or len(named) == len(names):
        named = frozenset(names[: len(names) // 2])
    return frozenset(names) - named, named


def _mentions(message: str, name: str) -> bool:
    return name in message and re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)", message) is not None
