"""GRPCRoute (Gateway API, `apis/v1/grpcroute_types.go`; GEP-1016)."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.gateway_api.filters import RouteFilter, check_filters
from translator.objects.gateway_api.matches import HTTPHeaderMatches
from translator.objects.gateway_api.route import HostnameRoute, HostnameRouteSpec
from translator.objects.gateway_api.rules import CHECK_RULES, FilteredBackendRef, SessionPersistence
from translator.objects.schema.base import CheckedFields, Fields, FieldViolation
from translator.objects.schema.scalars import SectionName

# The API server's expression is without regard to case, to which RE2 counts the long s and the sign of kelvin.
_START: Final = "[A-Za-z\u017f\u212a_]"
_NAME: Final = rf"{_START}(?:{_START}|[0-9])*"
_SERVICE: Final = re.compile(rf"\.?{_NAME}(?:\.{_NAME})*")
_METHOD: Final = re.compile("[A-Za-z_][A-Za-z_0-9]*")

Element = Annotated[str, StringConstraints(max_length=1024)]
"""The name of a service or method, or an expression for it; "" stands for all."""


class GRPCMethodMatch(CheckedFields):
    """Matches the service and method that a request calls, with regard to case."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    service: Element | None = None
    method: Element | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if there is neither service nor method, and those of names that cannot be any."""
        if self.service is None and self.method is None:
            yield FieldViolation((), "needs a service or a method: add one of them, or remove the match")
        if self.type == "Exact":
            if self.service is not None and not _SERVICE.fullmatch(self.service):
                yield FieldViolation(("service",), "must be the full name of a service, like shop.cart.v1.CartService")
            if self.method is not None and not _METHOD.fullmatch(self.method):
                yield FieldViolation(("method",), "must be the name of a method, like AddItem")


class GRPCRouteMatch(Fields):
    """Matches a request that fulfils all of it; by default every gRPC request."""

    method: GRPCMethodMatch | None = None
    headers: HTTPHeaderMatches = ()


class GRPCRouteFilter(RouteFilter):
    """A filter of a GRPCRoute."""

    type: Literal["ResponseHeaderModifier", "RequestHeaderModifier", "RequestMirror", "ExtensionRef"]


GRPCRouteFilters = Annotated[tuple[GRPCRouteFilter, ...], Field(max_length=16), AfterValidator(check_filters)]


class GRPCBackendRef(FilteredBackendRef):
    """A backend of a GRPCRoute."""

    filters: GRPCRouteFilters = ()


class GRPCRouteRule(Fields):
    """What to do with requests that one of `matches` matches; without any, all of them do."""

    name: SectionName | None = None
    matches: Annotated[tuple[GRPCRouteMatch, ...], Field(max_length=64)] = ()
    filters: GRPCRouteFilters = ()
    backend_refs: Annotated[tuple[GRPCBackendRef, ...], Field(max_length=16)] = ()
    session_persistence: SessionPersistence | None = None


class GRPCRouteSpec(HostnameRouteSpec):
    """What a route attaches to, the names it serves, and its rules; without any it serves nothing."""

    rules: Annotated[tuple[GRPCRouteRule, ...], Field(max_length=16), CHECK_RULES] = ()


class GRPCRoute(HostnameRoute):
    """Routes gRPC requests from Gateways to backends."""

    kind = "GRPCRoute"
    versions = ("v1",)
    plural = "grpcroutes"

    spec: GRPCRouteSpec
