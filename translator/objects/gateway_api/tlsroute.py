"""TLSRoute (Gateway API, `apis/v1/tlsroute_types.go`)."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from translator.objects.gateway_api.l4route import L4Route, L4RouteSpec
from translator.objects.gateway_api.route import HostnameRoute, HostnameRouteSpec
from translator.objects.schema.base import FieldViolation, raise_violations
from translator.objects.schema.scalars import Hostname, is_ip_address


def _hostname_violations(hostnames: tuple[str, ...]) -> Iterator[FieldViolation]:
    for place, each in enumerate(hostnames):
        if is_ip_address(each):  # which no client may ask for (RFC 6066)
            yield FieldViolation((place,), "must not be an IP address: use a DNS name")


def _check_hostnames(hostnames: tuple[str, ...]) -> tuple[str, ...]:
    raise_violations(_hostname_violations(hostnames))
    return hostnames


class TLSRouteSpec(HostnameRouteSpec, L4RouteSpec):
    """The parents of a route, the server names that it serves, and its one rule."""

    hostnames: Annotated[tuple[Hostname, ...], Field(min_length=1, max_length=1024), AfterValidator(_check_hostnames)]


class TLSRoute(HostnameRoute, L4Route):
    """Forwards TLS connections of Gateways to backends, by the server name that clients ask for (SNI)."""

    kind = "TLSRoute"
    versions = ("v1",)
    plural = "tlsroutes"

    spec: TLSRouteSpec
