"""Envoy's ``RouteMatch``: whether a request matches, and what keeps it from that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from headgate_proto.envoy.config.route.v3.route_components_pb2 import HeaderMatcher, QueryParameterMatcher, RouteMatch
from headgate_proto.envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from headgate_proto.envoy.type.matcher.v3.string_pb2 import StringMatcher
from headgate_proto.envoy.type.v3.percent_pb2 import FractionalPercent
from translator.api_group import GROUP
from translator.envoy.ai.model_filters import MODEL_STATE, READ_KEY
from translator.explain.paths import without_query
from translator.explain.patterns import matches_whole
from translator.explain.request import Header, Headers, values

GRPC: Final = "application/grpc"

DENOMINATORS: Final = {
    FractionalPercent.HUNDRED: 100,
    FractionalPercent.TEN_THOUSAND: 10_000,
    FractionalPercent.MILLION: 1_000_000,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as routes see it.

    Attributes:
        method: the method.
        scheme: the scheme.
        authority: the Host.
        path: the normalised path, with its query.
        headers: the others.
        model: the model that filters have read; "" if there is none, None if none has read it.
    """

    method: str
    scheme: str
    authority: str
    path: str
    headers: Headers
    model: str | None = None

    def values(self, name: str) -> list[str]:
        """Return the values of a header, or of one of HTTP/2's pseudo-headers."""
        special = {":method": self.method, ":scheme": self.scheme, ":path": self.path, ":authority": self.authority}
        special["host"] = self.authority
        return [special[name]] if name in special else values(self.headers, name)

    def value(self, name: str) -> str | None:
        """Return the values of a header as one; None without any."""
        found = self.values(name)
        return ",".join(found) if found else None

    @property
    def query(self) -> tuple[Header, ...]:
        """The parameters of the query, as they were written."""
        _, question, query = self.path.partition("?")
        parts = (each.partition("=") for each in query.split("&")) if question else ()
        return tuple(Header(name, value) for name, _, value in parts)

    @property
    def is_grpc(self) -> bool:
        """Whether it is a request of gRPC, by its content type."""
        found = self.value("content-type") or ""
        return found == GRPC or found.startswith(f"{GRPC}+")


class Mismatch(NamedTuple):
    """What keeps a request from matching.

    Attributes:
        reason: the reason.
        near: whether its path matches.
    """

    reason: str
    near: bool


def mismatch(match: RouteMatch, request: Seen) -> Mismatch | None:
    """Return the first thing that keeps a request from matching; None if it matches, but for the share it is of."""
    if not path_matches(match, request.path):
        return Mismatch(f"the path is not {_path_in_words(match)}", near=False)
    if match.HasField("grpc") and not request.is_grpc:
        return Mismatch(f"the content-type is not {GRPC}", near=True)
    for header in match.headers:
        if reason := header_mismatch(header, request):
            return Mismatch(reason, near=True)
    for parameter in match.query_parameters:
        if reason := _parameter_mismatch(parameter, request):
            return Mismatch(reason, near=True)
    return _model_mismatch(match, request)


def _model_mismatch(match: RouteMatch, request: Seen) -> Mismatch | None:
    for state in match.filter_state:
        if state.key != MODEL_STATE:
            return Mismatch(f"the filter state {state.key} is not known", near=False)
        if not request.model:
            return Mismatch("no model was read", near=request.model is not None)
        if not string_matches(state.string_match, request.model):
            wanted = string_in_words(state.string_match).removeprefix("= ")
            return Mismatch(f"the model is {request.model}, not {wanted}", near=True)
    for data in match.dynamic_metadata:
        known = data.filter == GROUP and [each.key for each in data.path] == [READ_KEY]
        if not known or (request.model is not None) == data.invert:
            return Mismatch("the model was read" if data.invert else "no model was read", near=False)
    return None


def share(match: RouteMatch) -> float:
    """Return the share of the requests that match, counted from the first: those that have a lower random number."""
    if not match.HasField("runtime_fraction"):
        return 1.0
    return fraction(match.runtime_fraction.default_value)


def fraction(percent: FractionalPercent) -> float:
    """Return a fraction as a number from 0 to 1."""
    return min(1.0, percent.numerator / DENOMINATORS[percent.denominator])


def path_matches(match: RouteMatch, path: str) -> bool:
    """Return whether a path, with its query, matches."""
    kind, plain = match.WhichOneof("path_specifier"), without_query(path)
    insensitive = match.HasField("case_sensitive") and not match.case_sensitive.value

    def folded(text: str) -> str:
        return text.lower() if insensitive else text

    if kind == "prefix":
        return folded(path).startswith(folded(match.prefix))
    if kind == "path":
        return folded(plain) == folded(match.path)
    if kind == "path_separated_prefix":
        return f"{folded(plain)}/".startswith(f"{folded(match.path_separated_prefix)}/")
    return kind == "safe_regex" and matches_whole(match.safe_regex.regex, plain)


def string_matches(matcher: StringMatcher, text: str) -> bool:
    """Return whether a text matches."""
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return matches_whole(matcher.safe_regex.regex, text)
    if kind is None or kind == "custom":
        return False
    wanted: str = getattr(matcher, kind)
    if matcher.ignore_case:
        wanted, text = wanted.lower(), text.lower()
    if kind == "exact":
        return text == wanted
    if kind == "prefix":
        return text.startswith(wanted)
    return text.endswith(wanted) if kind == "suffix" else wanted in text


def in_words(match: RouteMatch) -> Iterator[str]:
    """Yield the conditions of a match, for people."""
    yield f"path {_path_in_words(match)}"
    if match.HasField("grpc"):
        yield "gRPC"
    for header in match.headers:
        name = "method" if header.name == ":method" else f"header {header.name}"
        yield f"{name} {_condition(header)}"
    for parameter in match.query_parameters:
        yield f"query parameter {parameter.name} {string_in_words(parameter.string_match)}"
    for state in match.filter_state:
        yield f"model {string_in_words(state.string_match)}"


def _path_in_words(match: RouteMatch) -> str:
    kind = match.WhichOneof("path_specifier")
    if kind == "path":
        return match.path
    if kind == "safe_regex":
        return f"~ {match.safe_regex.regex}"
    if kind == "connect_matcher":
        return "that of CONNECT, which has none"
    prefix = match.prefix if kind == "prefix" else match.path_separated_prefix
    return f"{prefix.rstrip('/')}/*"


def header_mismatch(matcher: HeaderMatcher, request: Seen) -> str:
    """Return why a header does not match, "" if it does; one of several values is enough (observed, 1.40)."""
    found = request.values(matcher.name.lower())
    if matcher.WhichOneof("header_match_specifier") == "present_match":
        holds = bool(found) == matcher.present_match
    elif not found and not matcher.treat_missing_header_as_empty:
        return f"there is no header {matcher.name}"
    else:
        holds = any(string_matches(_as_string(matcher), each) for each in found or [""])
    if holds != matcher.invert_match:
        return ""
    name = "the method" if matcher.name == ":method" else f"the header {matcher.name}"
    return f"{name} is {', '.join(found)}, not {_condition(matcher).removeprefix('= ')}"


def _as_string(matcher: HeaderMatcher) -> StringMatcher:
    """Return the condition of a header, which may be written in one of Envoy's older fields."""
    kind = matcher.WhichOneof("header_match_specifier")
    if kind == "string_match":
        return matcher.string_match
    if kind == "safe_regex_match":
        return StringMatcher(safe_regex=RegexMatcher(regex=matcher.safe_regex_match.regex))
    older = {"exact_match": "exact", "prefix_match": "prefix", "suffix_match": "suffix", "contains_match": "contains"}
    return StringMatcher(**{older[kind]: getattr(matcher, kind)}) if kind in older else StringMatcher(prefix="")


def _condition(matcher: HeaderMatcher) -> str:
    negated = "not " if matcher.invert_match else ""
    if matcher.WhichOneof("header_match_specifier") in ("present_match", None):
        return f"{negated}present"
    return negated + string_in_words(_as_string(matcher))


def string_in_words(matcher: StringMatcher) -> str:
    """Return a condition of a text, for people."""
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return f"~ {matcher.safe_regex.regex}"
    if kind is None or kind == "custom":
        return "present"
    signs = {"exact": "=", "prefix": "begins with", "suffix": "ends with", "contains": "contains"}
    return f"{signs[kind]} {getattr(matcher, kind)}"


def _parameter_mismatch(matcher: QueryParameterMatcher, request: Seen) -> str:
    found = values(request.query, matcher.name)
    if not found:
        return f"there is no query parameter {matcher.name}"
    if matcher.WhichOneof("query_parameter_match_specifier") == "string_match" and not string_matches(
        matcher.string_match, found[0]
    ):
        wanted = string_in_words(matcher.string_match).removeprefix("= ")
        return f"the query parameter {matcher.name} is {found[0]}, not {wanted}"
    return ""
