"""Changes of headers by Envoy's filter ``header_mutation``: of requests before the route's, of responses after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from headgate_proto.envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import (
    HeaderMutationPerRoute,
    Mutations,
)
from translator.explain.filters import Levels, allows_origin, configurations
from translator.explain.headers import MATCHING, changed, changes
from translator.explain.matches import Seen, string_in_words, string_matches
from translator.explain.request import Headers
from translator.explain.result import EnabledFilter, HeaderEdit


def mutations(filters: Iterable[EnabledFilter], levels: Levels) -> Iterator[Mutations]:
    """Yield what the filters that run for a route do to headers, in their order; each applies all levels that have it.

    Args:
        filters: the filters.
        levels: their configurations, the most specific first, which is the first to be applied.
    """
    for each in filters:
        for config in configurations(each.name, levels):
            made = HeaderMutationPerRoute()
            if config.Unpack(made):
                yield made.mutations


def request_edits(found: Iterable[Mutations], headers: Headers) -> tuple[HeaderEdit, ...]:
    """Return the changes of a request's headers, of which some depend on what headers it has."""
    edits: list[HeaderEdit] = []
    for each in found:
        for mutation in each.request_mutations:
            made = tuple(_edits(mutation, changed(headers, edits)))
            edits += made
    return tuple(edits)


def response_edits(found: Sequence[Mutations]) -> tuple[HeaderEdit, ...]:
    """Return the changes of a response's headers, which are not known yet."""
    return tuple(edit for each in found for mutation in each.response_mutations for edit in _edits(mutation, ()))


def cors_edits(filters: Iterable[EnabledFilter], levels: Levels, request: Seen) -> Iterator[HeaderEdit]:
    """Yield what the CORS filter sets in the responses of backends, which come from other filters before."""
    for each in filters:
        for config in islice(configurations(each.name, levels), 1):
            policy = CorsPolicy()
            if config.Unpack(policy) and allows_origin(policy, request):
                yield HeaderEdit("set", "access-control-allow-origin", request.value("origin") or "")
                if policy.allow_credentials.value:
                    yield HeaderEdit("set", "access-control-allow-credentials", "true")
                if policy.expose_headers:
                    yield HeaderEdit("set", "access-control-expose-headers", policy.expose_headers)


def _edits(mutation: HeaderMutation, headers: Headers) -> Iterator[HeaderEdit]:
    kind = mutation.WhichOneof("action")
    if kind == "remove":
        yield HeaderEdit("remove", mutation.remove.lower())
    elif kind == "append":
        yield from changes((), [mutation.append])
    elif kind == "remove_on_match":
        matcher = mutation.remove_on_match.key_matcher
        yield HeaderEdit(MATCHING, string_in_words(matcher))
        names = dict.fromkeys(each.name for each in headers if string_matches(matcher, each.name))
        yield from (HeaderEdit("remove", name) for name in names)
