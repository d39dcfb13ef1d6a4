"""What kinds of backends write into the routes that send requests to them."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from translator.envoy.http_filters import BACKEND


def add_backend_filters(route: Route, filters: Iterable[tuple[str, Message]]) -> None:
    """Have a route run filters in the slot of backends, behind what is there; one of a name takes another's place.

    Args:
        route: the route.
        filters: their names and configurations, in their order.
    """
    found, chain = FilterChainConfigPerRoute(), FilterChainConfigPerRoute()
    if BACKEND in route.typed_per_filter_config:
        route.typed_per_filter_config[BACKEND].Unpack(found)
    added = dict(filters)
    chain.filter_chain.filters.extend(each for each in found.filter_chain.filters if each.name not in added)
    for name, config in added.items():
        chain.filter_chain.filters.add(name=name).typed_config.Pack(config, deterministic=True)
    route.typed_per_filter_config[BACKEND].Pack(chain, deterministic=True)


def send_host(route: Route, host: str) -> None:
    """Have requests of a route be sent with a Host, whatever its shares say."""
    for share in route.route.weighted_clusters.clusters:
        share.ClearField("host_rewrite_literal")
    route.route.host_rewrite_literal = host
