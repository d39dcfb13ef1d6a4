"""What matches compare headers and parameters with: texts, and regular expressions that Envoy can run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import re2

from translator.ir.http import ValueMatch
from translator.objects.gateway_api.matches import HTTPHeaderMatch, HTTPQueryParamMatch
from translator.outcome import Problem
from translator.proxy import MAX_REGEX_PROGRAM_SIZE

EXPRESSION = "RegularExpression"
"""The type of a match whose value is a regular expression (Gateway API, `HeaderMatchRegularExpression` and others)."""

_RE2 = re2.Options()
_RE2.log_errors = False
# Envoy compares bytes: to it a letter that is not ASCII is two or more, and \x{100} does not exist.
_RE2.encoding = re2.Options.Encoding.LATIN1


def value_matches(found: Iterable[HTTPHeaderMatch | HTTPQueryParamMatch]) -> Iterator[ValueMatch]:
    """Yield what the matches of headers or parameters compare."""
    for each in found:
        yield ValueMatch(each.name, each.value, each.type == EXPRESSION)


def header_matches(found: Iterable[HTTPHeaderMatch]) -> tuple[ValueMatch, ...]:
    """Return what the matches of headers compare.

    Of names that differ only in case the first counts, the others are ignored (`HTTPHeaderMatch.name`).
    """
    firsts: dict[str, ValueMatch] = {}
    for each in value_matches(found):
        firsts.setdefault(each.name.lower(), each)
    return tuple(firsts.values())


def value_problems(found: Iterable[HTTPHeaderMatch | HTTPQueryParamMatch], field: str) -> Iterator[Problem]:
    """Yield what is wrong with the expressions among the matches in the list `field`."""
    for place, each in enumerate(found):
        if each.type == EXPRESSION:
            yield from expression_problems(each.value, f"{field}[{place}].value")


def expression_problems(value: str, field: str) -> Iterator[Problem]:
    """Yield what is wrong with a regular expression for RE2, which Envoy uses; `field` is where it stands."""
    if not value:
        yield Problem("Accepted", "UnsupportedValue", f"{field} is empty: nothing matches it; write an expression.")
        return
    try:
        size = re2.compile(value.encode(), _RE2).programsize
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        text = (
            f"{field}: {value!r} is not a regular expression of RE2: {words}; the match is left out until it is mended."
        )
        yield Problem("Accepted", "UnsupportedValue", text)
        return
    if size > MAX_REGEX_PROGRAM_SIZE:
        # Envoy would refuse not this one alone, but all routes of the port.
        text = (
            f"{field}: the expression costs too much: its RE2 program has a size of {size}, and "
            f"{MAX_REGEX_PROGRAM_SIZE} is the most; repeat less in it, or split it; the match is left out until it is "
            f"mended."
        )
        yield Problem("Accepted", "UnsupportedValue", text)
