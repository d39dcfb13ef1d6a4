"""HTTPRoute (Gateway API, `apis/v1/httproute_types.go`), without its matches and filters."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field, StrictInt

from translator.objects.gateway_api.filters import HTTPRouteFilters
from translator.objects.gateway_api.matches import HTTPRouteMatch
from translator.objects.gateway_api.route import HostnameRoute, HostnameRouteSpec
from translator.objects.gateway_api.rules import CHECK_RULES, FilteredBackendRef, SessionPersistence
from translator.objects.schema.base import (
    CheckedFields,
    Fields,
    FieldViolation,
    unique,
)
from translator.objects.schema.scalars import Count, Milliseconds, SectionName

MODEL_HEADER: Final = "x-gateway-model-name"
"""The header that tells the model which the body of a request names; it is the proxy that writes it."""


class HTTPBackendRef(FilteredBackendRef):
    """A backend of an HTTPRoute."""

    filters: HTTPRouteFilters = ()


class HTTPRouteTimeouts(CheckedFields):
    """Limits in milliseconds; 0 is none, None is for the implementation to say."""

    request: Milliseconds | None = None
    backend_request: Milliseconds | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if a single try has longer than all of them."""
        if self.request and self.backend_request and self.backend_request > self.request:
            yield FieldViolation(
                ("backendRequest",), "must not be longer than request: shorten it, or lengthen request"
            )


class HTTPRouteRetry(Fields):
    """When to try again (GEP-1731, experimental): `backoff` in milliseconds."""

    codes: Annotated[
        tuple[Annotated[StrictInt, Field(ge=400, le=599)], ...],
        unique(None, "is in the list already: remove it"),
    ] = ()
    attempts: Count = 1
    backoff: Milliseconds | None = None


class HTTPRouteRule(CheckedFields):
    """What to do with requests that one of `matches` matches; by default all of them do."""

    name: SectionName | None = None
    matches: Annotated[tuple[HTTPRouteMatch, ...], Field(max_length=64)] = (HTTPRouteMatch(),)
    """The list can be empty, where it is written as `[]`; that means the same as the default."""
    filters: HTTPRouteFilters = ()
    backend_refs: Annotated[tuple[HTTPBackendRef, ...], Field(max_length=16)] = ()
    timeouts: HTTPRouteTimeouts | None = None
    retry: HTTPRouteRetry | None = None
    session_persistence: SessionPersistence | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Filter fit the backends and the matches."""
        if self.filters:
            yield from self._redirect_violations()
            yield from self._prefix_violations(self.filters, ("filters",))
        for index, backend in enumerate(self.backend_refs):
            if backend.filters:
                yield from self._prefix_violations(backend.filters, ("backendRefs", index, "filters"))

    def _redirect_violations(self) -> Iterator[FieldViolation]:
        for index, filter_ in enumerate(self.filters):
            if filter_.request_redirect and self.backend_refs:
                path = ("filters", index, "requestRedirect")
                yield FieldViolation(path, "cannot go with backendRefs, as no request gets there: remove one of them")

    def _prefix_violations(self, filters: HTTPRouteFilters, path: tuple[str | int, ...]) -> Iterator[FieldViolation]:
        if len(self.matches) == 1 and self.matches[0].path.type == "PathPrefix":
            return
        for index, filter_ in enumerate(filters):
            if filter_.path and filter_.path.type == "ReplacePrefixMatch":
                member = "requestRedirect" if filter_.request_redirect else "urlRewrite"
                message = "ReplacePrefixMatch needs a rule with exactly one match, whose path is a PathPrefix: split it"
                yield FieldViolation((*path, index, member, "path", "type"), message)


HTTPRouteRules = Annotated[tuple[HTTPRouteRule, ...], Field(min_length=1, max_length=16), CHECK_RULES]


class HTTPRouteSpec(HostnameRouteSpec):
    """What a route attaches to, the names it serves (none stands for all), and its rules."""

    rules: HTTPRouteRules = (HTTPRouteRule(),)


class HTTPRoute(HostnameRoute):
    """Routes HTTP requests from Gateways to backends."""

    kind = "HTTPRoute"
    versions = ("v1", "v1beta1")
    plural = "httproutes"

    spec: HTTPRouteSpec

    @property
    def reads_model(self) -> bool:
        """Whether filters read the model of requests, since a match compares the header that tells it."""
        return any(map(asks_for_model, self.spec.rules))


def asks_for_model(rule: object) -> bool:
    """Return whether a match of a rule compares the header that tells the model."""
    matches = rule.matches if isinstance(rule, HTTPRouteRule) else ()
    return any(header.name.lower() == MODEL_HEADER for match in matches for header in match.headers)
