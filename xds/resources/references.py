"""References of an xDS message, found by descent into the message and every Any of a known type.

`RULES` lists each message type that refers to another resource; all others are only descended into. The fields of a
message type below which there may be references are computed once, so that matchers and the like are not visited.
A name that another source resolves (a file, a static secret) is not a reference.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from xds.resources.collection import EVERYTHING
from xds.resources.types import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LOCALITY_ENDPOINT,
    ROUTE,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
)

Found = tuple[str, str]
"""A type URL and a name."""

ANY = "google.protobuf.Any"
DEPTH = 64
"""Deepest nesting followed; protobuf's own limit for parsing is 100."""


def of(message: Message) -> frozenset[Found]:
    """Return the (type URL, name) of every resource that a message refers to.

    The message in an Any is visited if its generated module is imported, and skipped if it cannot be parsed.
    """
    return frozenset(each for each in _walk(message, DEPTH) if each[1])


def _walk(message: Message, depth: int) -> Iterator[Found]:
    descriptor = cast(Descriptor, message.DESCRIPTOR)
    if descriptor.full_name == ANY:
        inner = _unpack(cast(Any, message))
        if inner is not None and depth:
            yield from _walk(inner, depth - 1)
        return
    if rule := RULES.get(descriptor.full_name):
        yield from rule(message)
    if depth:
        for name in _paths(descriptor):
            for child in _children(message, name):
                yield from _walk(child, depth - 1)


def _children(message: Message, name: str) -> Iterable[Message]:
    value = getattr(message, name)
    if isinstance(value, Message):
        return (value,) if message.HasField(name) else ()
    return cast(Iterable[Message], value.values() if hasattr(value, "values") else value)


def _unpack(packed: Any) -> Message | None:
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
        return message_factory.GetMessageClass(descriptor).FromString(packed.value)
    except (KeyError, DecodeError):
        return None


@cache
def _paths(descriptor: Descriptor) -> tuple[str, ...]:
    """Return the names of the fields of a message type below which there may be references."""
    if descriptor.full_name in OPAQUE:
        return ()
    return tuple(field.name for field in descriptor.fields if (inner := _message(field)) and _reaches(inner))


def _message(field: FieldDescriptor) -> Descriptor | None:
    """Return the message type of a field; of its values, if it is a map."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return inner.fields_by_name["value"].message_type
    return inner


@cache
def _reaches(descriptor: Descriptor) -> bool:
    """Return whether messages of a type may contain a reference, at any depth."""
    seen: set[str] = set()
    todo = [descriptor]
    while todo:
        each = todo.pop()
        if each.full_name == ANY or each.full_name in RULES:
            return True
        if each.full_name not in seen and each.full_name not in OPAQUE:
            seen.add(each.full_name)
            todo += [inner for field in each.fields if (inner := _message(field))]
    return False


def _from_here(source: Any) -> bool:
    """Return whether a ConfigSource means this server: gRPC or the aggregated stream, not a file."""
    return bool(source.WhichOneof("config_source_specifier") in ("ads", "self", "api_config_source"))


def _named(type_url: str, name_field: str = "name", source: str | None = None) -> Callable[[Any], Iterator[Found]]:
    """Return the rule of a message of which one field has the name, or names, of resources of a type."""

    def rule(message: Any) -> Iterator[Found]:
        value = getattr(message, name_field)
        if source is None or _from_here(getattr(message, source)):
            yield from ((type_url, name) for name in ([value] if isinstance(value, str) else value))

    return rule


def _cluster(message: Any) -> Iterator[Found]:
    eds = message.eds_cluster_config
    if message.type == message.EDS and _from_here(eds.eds_config):
        yield ENDPOINT, eds.service_name or message.name


def _discovered(message: Any) -> Iterator[Found]:
    if message.HasField("config_discovery") and _from_here(message.config_discovery.config_source):
        yield EXTENSION_CONFIG, message.name


def _virtual_hosts(message: Any) -> Iterator[Found]:
    if message.HasField("vhds") and _from_here(message.vhds.config_source):
        yield VIRTUAL_HOST, f"{message.name}/*"


def _scopes(message: Any) -> Iterator[Found]:
    if _from_here(message.scoped_rds_config_source):
        yield SCOPED_ROUTE, message.srds_resources_locator or EVERYTHING


_NETWORK = "envoy.extensions.filters.network."

RULES: dict[str, Callable[[Any], Iterator[Found]]] = {
    "envoy.config.cluster.v3.Cluster": _cluster,
    "envoy.config.core.v3.GrpcService.EnvoyGrpc": _named(CLUSTER, "cluster_name"),
    "envoy.config.core.v3.HttpUri": _named(CLUSTER, "cluster"),
    "envoy.config.endpoint.v3.LedsClusterLocalityConfig": _named(
        LOCALITY_ENDPOINT, "leds_collection_name", "leds_config"
    ),
    "envoy.config.cluster.v3.Filter": _discovered,
    "envoy.config.listener.v3.Filter": _discovered,
    "envoy.config.listener.v3.ListenerFilter": _discovered,
    "envoy.config.route.v3.RouteAction": _named(CLUSTER, "cluster"),
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": _named(CLUSTER, "cluster"),
    "envoy.config.route.v3.RouteConfiguration": _virtual_hosts,
    "envoy.config.route.v3.ScopedRouteConfiguration": _named(ROUTE, "route_configuration_name"),
    "envoy.config.route.v3.WeightedCluster.ClusterWeight": _named(CLUSTER),
    "envoy.extensions.clusters.aggregate.v3.ClusterConfig": _named(CLUSTER, "clusters"),
    _NETWORK + "http_connection_manager.v3.HttpFilter": _discovered,
    _NETWORK + "http_connection_manager.v3.Rds": _named(ROUTE, "route_config_name", "config_source"),
    _NETWORK + "http_connection_manager.v3.ScopedRds": _scopes,
    _NETWORK + "tcp_proxy.v3.TcpProxy": _named(CLUSTER, "cluster"),
    _NETWORK + "tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": _named(CLUSTER),
    "envoy.extensions.filters.udp.udp_proxy.v3.Route": _named(CLUSTER, "cluster"),
    "envoy.extensions.filters.http.composite.v3.DynamicConfig": _discovered,
    "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.SessionFilter": _discovered,
    "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig": _named(CLUSTER, "cluster"),
    "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": _named(SECRET, "name", "sds_config"),
}

OPAQUE = frozenset({"envoy.config.core.v3.ConfigSource", "google.protobuf.Struct", "envoy.config.core.v3.Metadata"})
"""Types that are not visited: the address of a control plane is not a reference to a resource."""
