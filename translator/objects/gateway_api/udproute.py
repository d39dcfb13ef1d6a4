"""UDPRoute (Gateway API, `apis/v1/udproute_types.go`)."""

from translator.objects.gateway_api.l4route import L4Route


class UDPRoute(L4Route):
    """Forwards UDP datagrams of Gateways to backends."""

    kind = "UDPRoute"
    versions = ("v1",)
    plural = "udproutes"
