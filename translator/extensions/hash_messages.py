"""What of requests is hashed, as Envoy's ``HashPolicy``: of a route, or of a cluster."""

from __future__ import annotations

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RouteAction
from translator.objects.headgate.forwarding import HashCookie, HashPolicy


def write_hash_policy(message: RouteAction.HashPolicy, found: HashPolicy) -> None:
    """Write a part of requests into an empty message."""
    message.terminal = bool(found.terminal)
    if found.header is not None:
        message.header.header_name = found.header.name
    elif found.cookie is not None:
        _write_cookie(message.cookie, found.cookie)
    elif found.query_param is not None:
        message.query_parameter.name = found.query_param.name
    else:
        message.connection_properties.source_ip = True


def _write_cookie(message: RouteAction.HashPolicy.Cookie, found: HashCookie) -> None:
    message.name, message.path = found.name, found.path or ""
    if found.ttl is not None:
        message.ttl.FromMilliseconds(found.ttl)
    for each in found.attributes or ():
        message.attributes.add(name=each.name, value=each.value or "")
