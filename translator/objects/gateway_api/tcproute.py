"""TCPRoute (Gateway API, `apis/v1/tcproute_types.go`)."""

from translator.objects.gateway_api.l4route import L4Route


class TCPRoute(L4Route):
    """Forwards TCP connections of Gateways to backends."""

    kind = "TCPRoute"
    versions = ("v1",)
    plural = "tcproutes"
