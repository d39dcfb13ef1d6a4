"""The filters that kinds of backends have in their routes."""

from __future__ import annotations

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import Buffer
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from translator.envoy.backend_routes import add_backend_filters, send_host
from translator.envoy.http_filters import BACKEND


def names(route: Route) -> list[str]:
    """Return the names of the filters in the slot of backends."""
    chain = FilterChainConfigPerRoute()
    assert route.typed_per_filter_config[BACKEND].Unpack(chain)
    return [each.name for each in chain.filter_chain.filters]


def test_filters_of_several_backends() -> None:
    """A route that is the first one for several kinds of backends has the filters of all, each once."""
    route = Route()
    add_backend_filters(route, (("token", RBAC()), ("picker", RBAC())))
    add_backend_filters(route, (("picker", Buffer()), ("last", RBAC())))
    assert names(route) == ["token", "picker", "last"]
    chain = FilterChainConfigPerRoute()
    route.typed_per_filter_config[BACKEND].Unpack(chain)
    assert chain.filter_chain.filters[1].typed_config.Unpack(Buffer())


def test_a_host() -> None:
    """The Host holds for all shares of a route."""
    route = Route()
    route.route.weighted_clusters.clusters.add(name="a", host_rewrite_literal="a.example.com")
    send_host(route, "b.example.com")
    assert route.route.host_rewrite_literal == "b.example.com"
    assert route.route.weighted_clusters.clusters[0].WhichOneof("host_rewrite_specifier") is None
