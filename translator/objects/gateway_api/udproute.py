"""UDPRoute (Gateway API, `apis/v1/udproute_types.go`)."""

from typing import Annotated

from pydantic import Field

from translator.objects.gateway_api.route import Route, RouteSpec
from translator.objects.gateway_api.tcproute import TCPRouteRule


class UDPRouteSpec(RouteSpec):
    """The parents of a route, and its one rule, which has the fields of a TCPRoute's."""

    rules: Annotated[tuple[TCPRouteRule, ...], Field(min_length=1, max_length=1)]


class UDPRoute(Route):
    """Forwards UDP datagrams of Gateways to backends."""

    kind = "UDPRoute"
    versions = ("v1",)
    plural = "udproutes"

    spec: UDPRouteSpec
