"""What matches compare headers and parameters with: texts, and regular expressions that Envoy can run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from translator.ir.http import ValueMatch
from translator.languages.regex import check_regex
from translator.objects.gateway_api.matches import HTTPHeaderMatch, HTTPQueryParamMatch
from translator.outcome import Problem

EXPRESSION = "RegularExpression"
"""The type of a match whose value is a regular expression (Gateway API, `HeaderMatchRegularExpression` and others)."""


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
    elif error := check_regex(value):
        # Envoy would refuse not this one alone, but all routes of the port.
        text = f"{field}: {error}; the match is left out until it is mended."
        yield Problem("Accepted", "UnsupportedValue", text)
