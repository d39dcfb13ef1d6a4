"""The filters of requests that open a WebSocket."""

from __future__ import annotations

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.filter_chain import WHOLE_REQUESTS, filter_chain
from translator.envoy.http_filters import BUFFER, FILTERS
from translator.ir.listener import ChainMatch, FilterChain, HttpChain, RouteConfigKey


def test_websockets_pass_all_filters_but_those_that_wait_for_the_end() -> None:
    """The filters are those of other requests, in their order, so that none that protects is passed by."""
    chain = filter_chain(FilterChain(ChainMatch(), HttpChain(RouteConfigKey("default/web", 80))), FILTERS)
    manager = HttpConnectionManager()
    chain.filters[-1].typed_config.Unpack(manager)
    (upgrade,) = manager.upgrade_configs
    assert [*upgrade.filters] == [each for each in manager.http_filters if each.name not in WHOLE_REQUESTS]
    assert {BUFFER} == WHOLE_REQUESTS
