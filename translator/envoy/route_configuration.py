"""Envoy's ``VirtualHost`` and ``RouteConfiguration``, concatenated from serialised parts.

Encoded fields of a message can be concatenated, so that what does not change is never written again: a virtual host is
its head and its routes, a route configuration its head and its virtual hosts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2
from translator.envoy.hooks import ROUTE_CONFIGURATION, VIRTUAL_HOST
from translator.envoy.names import route_configuration_name
from translator.envoy.retry import BUFFER_BYTES, SAFE
from translator.envoy.route import EncodedRoute
from translator.envoy.route_policies import inherited_references
from translator.envoy.scoped_routes import SCOPE_HEADER
from translator.ir.listener import RouteConfigKey
from xds import ROUTE, Reference, Resource, encode_field

_ROUTES = route_components_pb2.VirtualHost.DESCRIPTOR.fields_by_name["routes"].number
_VIRTUAL_HOSTS = route_pb2.RouteConfiguration.DESCRIPTOR.fields_by_name["virtual_hosts"].number

MISDIRECTED = 421
"""The status for a Host of another listener than the one whose certificate the client was shown (RFC 9110, 15.5.20)."""


@dataclass(frozen=True, slots=True)
class EncodedHost:
    """A ``VirtualHost``, serialised as a field of its route configuration; what it needs, and its routes."""

    body: bytes
    references: frozenset[Reference]
    entries: tuple[EncodedRoute, ...] = field(default=(), compare=False, repr=False)


def encoded(route: route_components_pb2.Route) -> bytes:
    """Serialise a route as a field of its virtual host."""
    return encode_field(_ROUTES, route.SerializeToString(deterministic=True))


def domains(domain: str) -> list[str]:
    """Return the names of a virtual host: with a dot at the end a name is the same, and is forwarded as it came."""
    return [domain, f"{domain}."] if domain else ["*"]


def virtual_host(
    domain: str, entries: Iterable[EncodedRoute], settings: Iterable[object] = (), held_bytes: int = 0
) -> EncodedHost:
    """Make the virtual host of a domain ("" for any) from its routes, the first to be tried first.

    Without routes it answers 404, and keeps requests for the domain from those of wider domains.

    Args:
        domain: the domain.
        entries: its routes.
        settings: what all of them inherit from it.
        held_bytes: how many bytes of a body the filters hold that they inherit.
    """
    found, settings = tuple(entries), tuple(settings)
    head = route_components_pb2.VirtualHost(name=domain or "*", domains=domains(domain))
    if found:
        head.retry_policy.CopyFrom(SAFE)
        head.request_body_buffer_limit.value = max(BUFFER_BYTES, held_bytes)
    for setting in VIRTUAL_HOST.of(settings):
        setting.apply_to_virtual_host(head)
    parts = [head.SerializeToString(deterministic=True)]
    parts += [each.body for each in found]
    body = encode_field(_VIRTUAL_HOSTS, b"".join(parts))
    sets = {*[each.references for each in found], inherited_references(settings)} - {frozenset()}
    # Most hosts have one route, and share its set.
    needs = next(iter(sets)) if len(sets) == 1 else frozenset().union(*sets)
    return EncodedHost(body, needs, found)


def misdirected_host(domain: str) -> EncodedHost:
    """Make a virtual host that tells clients to use another connection."""
    made = route_components_pb2.VirtualHost(name=f"misdirected/{domain or '*'}", domains=domains(domain))
    route = made.routes.add(name="misdirected")
    route.match.prefix = "/"
    route.direct_response.status = MISDIRECTED
    return EncodedHost(encode_field(_VIRTUAL_HOSTS, made.SerializeToString(deterministic=True)), frozenset())


def client_route_configuration(name: str, host: EncodedHost) -> Resource:
    """Make the resource of a target of gRPC clients from its one virtual host."""
    head = route_pb2.RouteConfiguration(name=name)
    body = head.SerializeToString(deterministic=True) + host.body
    return Resource.of(ROUTE, name, body, host.references, origin=(host.entries,))


def route_configuration(
    table: RouteConfigKey,
    scope: int | None,
    hosts: Iterable[EncodedHost],
    settings: Iterable[object] = (),
    nearest_wins: bool = False,
) -> Resource:
    """Make the resource of a table, or of a scope of it, from its virtual hosts; its origin are the entries of each.

    Args:
        table: the table.
        scope: the scope; None if one RouteConfiguration has the whole table.
        hosts: the virtual hosts.
        settings: what all routes inherit.
        nearest_wins: whether a route's own changes of headers come after the inherited ones.
    """
    found, settings = tuple(hosts), tuple(settings)
    name = route_configuration_name(table, scope)
    # A request's Host may name a port, which says nothing about the listener.
    head = route_pb2.RouteConfiguration(name=name, ignore_port_in_host_matching=True)
    if scope is not None:
        head.request_headers_to_remove.append(SCOPE_HEADER)
    if nearest_wins:
        head.most_specific_header_mutations_wins = True
    for setting in ROUTE_CONFIGURATION.of(settings):
        setting.apply_to_route_configuration(head)
    parts = [head.SerializeToString(deterministic=True)]
    parts += [each.body for each in found]
    needs = frozenset().union(*[each.references for each in found], inherited_references(settings))
    return Resource.of(ROUTE, name, b"".join(parts), needs, origin=tuple(each.entries for each in found))
