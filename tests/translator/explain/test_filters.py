"""HTTP filters of a request: which run, in their order, and what those answer that answer by themselves."""

from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.config.route.v3.route_components_pb2 import FilterConfig, Route, VirtualHost
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import BufferPerRoute
from headgate_proto.envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.explain.filters import Answer, Levels, answers, enabled_filters
from translator.explain.headers import changed, changes, is_computed
from translator.explain.matches import Seen
from translator.explain.request import Header
from translator.explain.result import EnabledFilter, HeaderEdit

REQUEST = Seen("GET", "http", "x.test", "/", ())


def packed(message: Message) -> AnyMessage:
    """Return a message in an Any."""
    made = AnyMessage()
    made.Pack(message)
    return made


def manager(*names: str, enabled: tuple[str, ...] = ()) -> HttpConnectionManager:
    """Return a connection manager with filters, which are disabled but for some."""
    made = HttpConnectionManager()
    for each in names:
        made.http_filters.add(name=each, disabled=each not in enabled)
    return made


def test_the_most_specific_configuration_decides() -> None:
    """A configuration enables a filter, a more specific one may disable it; the order is that of the manager."""
    route, host, configuration = Route(), VirtualHost(), RouteConfiguration()
    configuration.typed_per_filter_config["a"].CopyFrom(packed(CorsPolicy()))
    configuration.typed_per_filter_config["b"].CopyFrom(packed(CorsPolicy()))
    host.typed_per_filter_config["b"].CopyFrom(packed(FilterConfig(disabled=True)))
    host.typed_per_filter_config["c"].CopyFrom(packed(FilterConfig(disabled=True)))
    route.typed_per_filter_config["c"].CopyFrom(packed(FilterConfig(config=packed(CorsPolicy()))))
    route.typed_per_filter_config["e"].CopyFrom(packed(FilterConfig(disabled=True)))
    levels = Levels((("Route", route), ("VirtualHost", host), ("RouteConfiguration", configuration)))
    found = enabled_filters(manager("c", "b", "a", "d", "e", "router", enabled=("e", "router")), levels)
    assert list(found) == [
        EnabledFilter("c", "Route"),
        EnabledFilter("a", "RouteConfiguration"),
        EnabledFilter("router", "HttpConnectionManager"),
    ]


def answer(config: Message, size: int | None = None, request: Seen = REQUEST) -> list[Answer]:
    """Return the answers of one filter with a configuration."""
    route = Route()
    route.typed_per_filter_config["f"].CopyFrom(packed(config))
    found = answers((EnabledFilter("f", "Route"),), Levels((("Route", route),)), request, size)
    return [each for _, each in found]


def test_a_fault_answers_its_share() -> None:
    """A fault that aborts answers some of the requests; one that only delays none."""
    fault = HTTPFault()
    assert answer(fault) == []
    fault.abort.http_status = 500
    assert answer(fault) == []
    fault.abort.percentage.numerator = 20
    assert answer(fault) == [Answer(500, 0.2, "the filter f answers 500")]
    fault.headers.add(name="x-a").string_match.exact = "1"
    assert answer(fault) == []
    assert answer(fault, None, Seen("GET", "http", "x.test", "/", (Header("x-a", "1"),))) != []


def test_a_status_of_grpc_is_no_status_of_http() -> None:
    """Whoever asks gets 200, and the status in a header."""
    fault = HTTPFault()
    fault.abort.grpc_status = 5
    fault.abort.percentage.numerator = 100
    assert answer(fault) == [Answer(200, 1, "the filter f answers the status 5 of gRPC")]


@pytest.mark.parametrize(("size", "expected"), [(None, []), (10, []), (11, [413])])
def test_a_body_beyond_the_buffer_is_refused(size: int | None, expected: list[int]) -> None:
    """A body may be as long as the buffer."""
    limit = BufferPerRoute()
    limit.buffer.max_request_bytes.value = 10
    assert [each.status for each in answer(limit, size)] == expected


def test_only_preflights_of_known_origins_are_answered() -> None:
    """Others go on."""
    policy = CorsPolicy()
    policy.allow_origin_string_match.add(exact="https://a.test")

    def seen(method: str, origin: str) -> Seen:
        headers = (Header("origin", origin), Header("access-control-request-method", "GET"))
        return Seen(method, "http", "x.test", "/", headers)

    assert answer(policy, None, seen("OPTIONS", "https://a.test")) == [Answer(200, 1, "")]
    assert answer(policy, None, seen("OPTIONS", "https://b.test")) == []
    assert answer(policy, None, seen("GET", "https://a.test")) == []


def test_headers_change_in_order() -> None:
    """A message removes before it adds; each action is Envoy's, and formats are evaluated where that can be done."""
    added = [
        HeaderValueOption(header={"key": "A", "value": "1"}),
        HeaderValueOption(header={"key": "b", "value": "2"}, append_action="ADD_IF_ABSENT"),
        HeaderValueOption(header={"key": "c", "value": "3"}, append_action="OVERWRITE_IF_EXISTS"),
        HeaderValueOption(header={"key": "d", "value": "4%%"}, append_action="OVERWRITE_IF_EXISTS_OR_ADD"),
        HeaderValueOption(header={"key": "e", "value": ""}),
        HeaderValueOption(header={"key": "f", "value": "%REQ(Origin)%"}),
    ]
    made = list(changes(["X"], added))
    assert made[0] == HeaderEdit("remove", "x")
    before = (Header("x", "0"), Header("a", "0"), Header("b", "0"), Header("d", "0"), Header("d", "1"))
    assert changed(before, made, (Header("origin", "o"),)) == (
        Header("a", "0"),
        Header("b", "0"),
        Header("a", "1"),
        Header("d", "4%"),
        Header("f", "o"),
    )
    assert changed((Header("f", "0"),), made[-1:], ()) == (Header("f", "0"),)
    assert changed((), made[-1:], (Header("origin", "o"), Header("origin", "p"))) == (Header("f", "o"),)
    assert is_computed("%CEL(x)%")
    assert not is_computed("100%%")
