"""The order of HTTP filters follows from their stages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from headgate_proto.envoy.extensions.filters.http.cors.v3 import cors_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.http_filter import HttpFilter, Stage, encode_filters
from translator.envoy.listener import ROUTER, listener
from translator.extensions import EXTENSIONS
from translator.ir.listener import ChainMatch, FilterChain, HttpChain, PortListener, RouteConfigKey, SocketPort

FILTERS = tuple(found for each in EXTENSIONS for found in each.http_filters)
SOME = tuple(HttpFilter(stage, stage.name, cors_pb2.Cors) for stage in (Stage.FAULT, Stage.CSRF, Stage.WASM))


def test_the_order_of_extensions_does_not_matter() -> None:
    """Filters stand in the order of their stages, the router last, in whatever order they are given."""
    chain = FilterChain(ChainMatch(), HttpChain(RouteConfigKey("shop/web", 80)))
    for given in ((*FILTERS, *SOME), (*SOME, *FILTERS), tuple(reversed((*FILTERS, *SOME)))):
        made = listener(PortListener("shop/web", SocketPort(80), ("::",), (chain,)), given).filter_chains[0]
        manager = HttpConnectionManager.FromString(made.filters[1].typed_config.value)
        assert [each.name for each in manager.http_filters] == [
            "FAULT",
            "envoy.filters.http.cors",
            "CSRF",
            "WASM",
            "envoy.filters.http.stateful_session",
            "envoy.filters.http.router",
        ]


def test_filters_are_disabled_unless_they_need_not_be() -> None:
    """A filter that is not declared otherwise runs only for routes that configure it."""
    written = encode_filters((SOME[0], replace(SOME[1], disabled=False), ROUTER))
    assert [each.disabled for each in written] == [True, False, False]


def test_one_filter_a_stage() -> None:
    """No two filters of extensions have the same stage, nor the router's: their order would be an accident."""
    stages = Counter(each.stage for each in (*FILTERS, ROUTER))
    assert set(stages.values()) == {1}
    assert max(stages) is Stage.ROUTER
