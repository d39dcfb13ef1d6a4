"""The order of HTTP filters follows from their stages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from headgate_proto.envoy.extensions.filters.http.cors.v3 import cors_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.filter_chain import ROUTER
from translator.envoy.http_filter import ON_DEMAND, HttpFilter, Stage, encode_filters
from translator.envoy.http_filters import CORS, CSRF, FAULT, GUARD, JWT, MARK, STATEFUL_SESSION
from translator.envoy.listener import listener
from translator.extensions import EXTENSIONS
from translator.ir.listener import ChainMatch, FilterChain, HttpChain, PortListener, RouteConfigKey, SocketPort

FILTERS = tuple(found for each in EXTENSIONS for found in each.http_filters)


def test_the_order_of_extensions_does_not_matter() -> None:
    """Filters stand in the order of their stages, the router last, in whatever order they are given."""
    chain = FilterChain(ChainMatch(), HttpChain(RouteConfigKey("shop/web", 80)))
    for given in (FILTERS, tuple(reversed(FILTERS))):
        made = listener(PortListener("shop/web", SocketPort(80), ("::",), (chain,)), given).filter_chains[0]
        manager = HttpConnectionManager.FromString(made.filters[1].typed_config.value)
        names = [each.name for each in manager.http_filters]
        some = (MARK, FAULT, CORS, CSRF, JWT, STATEFUL_SESSION, GUARD, ROUTER.name)
        assert [each for each in names if each in some] == [*some]
        assert names[-2:] == [GUARD, ROUTER.name]


def test_filters_are_disabled_unless_they_need_not_be() -> None:
    """A filter that is not declared otherwise runs only for routes that configure it: all but the guard and router."""
    one = HttpFilter(Stage.FAULT, "fault", cors_pb2.Cors)
    written = encode_filters((one, replace(one, stage=Stage.CSRF, disabled=False), ROUTER))
    assert [each.disabled for each in written] == [True, False, False]
    assert [each.name for each in FILTERS if not each.disabled] == [GUARD]


def test_a_discovered_filter_names_its_resource() -> None:
    """Its configuration is the resource of its name; without it only the routes that enable the filter wait for it."""
    (written,) = encode_filters((HttpFilter(Stage.JWT, "jwt", cors_pb2.Cors, discovered=True),))
    assert written.config_discovery.type_urls == ["type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"]
    assert not written.config_discovery.apply_default_config_without_warming


def test_one_filter_a_stage() -> None:
    """Each stage has one filter: of two the order would be an accident, and without one a listener would change."""
    stages = Counter(each.stage for each in (*FILTERS, ROUTER))
    assert stages + Counter(ON_DEMAND) == Counter(Stage)
