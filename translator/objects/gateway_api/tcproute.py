"""TCPRoute (Gateway API, `apis/v1/tcproute_types.go`)."""

from typing import Annotated

from pydantic import Field

from translator.objects.gateway_api.route import Route, RouteSpec
from translator.objects.gateway_api.rules import BackendRef
from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import SectionName


class TCPRouteRule(Fields):
    """The backends that connections are forwarded to, by weight."""

    name: SectionName | None = None
    backend_refs: Annotated[tuple[BackendRef, ...], Field(min_length=1, max_length=16)]


class TCPRouteSpec(RouteSpec):
    """The parents of a route, and its one rule."""

    rules: Annotated[tuple[TCPRouteRule, ...], Field(min_length=1, max_length=1)]


class TCPRoute(Route):
    """Forwards TCP connections of Gateways to backends."""

    kind = "TCPRoute"
    versions = ("v1",)
    plural = "tcproutes"

    spec: TCPRouteSpec
