"""Envoy's matchers of texts and headers, for the fields of Headgate's own kinds that compare these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate_proto.envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from headgate_proto.envoy.type.matcher.v3.string_pb2 import StringMatcher
from translator.languages.regex import check_regex
from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.types import StringMatch
from translator.outcome import Problem


def write_string_match(matcher: StringMatcher, found: StringMatch) -> None:
    """Write how a text is compared."""
    member, value = found.member
    if member == "regex":
        matcher.safe_regex.regex = value
        return
    setattr(matcher, member, value)
    matcher.ignore_case = bool(found.ignore_case)


def header_matcher(found: HeaderMatch) -> HeaderMatcher:
    """Return how a header is compared; several values of one are compared as one text, with commas between them."""
    matcher = HeaderMatcher(name=found.name.lower(), invert_match=bool(found.invert))
    # Without the header nothing matches, inverted neither.
    matcher.treat_missing_header_as_empty = matcher.invert_match
    write_string_match(matcher.string_match, found)
    return matcher


def match_problems(found: Iterable[StringMatch], field: str) -> Iterator[Problem]:
    """Yield what is wrong with the regular expressions of the matches in the list `field`."""
    for place, each in enumerate(found):
        if each.regex is not None and (fault := check_regex(each.regex)) is not None:
            yield Problem("Accepted", "Invalid", f"{field}[{place}].regex: {fault}.")
