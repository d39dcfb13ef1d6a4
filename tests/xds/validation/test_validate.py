"""The checker of protoc-gen-validate's rules: each kind by example, then all of Envoy's API against a reference."""

import importlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf import duration_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

import headgate_proto
from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValue
from headgate_proto.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from headgate_proto.envoy.config.core.v3.health_check_pb2 import HealthCheck
from headgate_proto.envoy.config.core.v3.protocol_pb2 import SchemeHeaderTransformation, UpstreamHttpProtocolOptions
from headgate_proto.envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_components_pb2 import (
    DirectResponseAction,
    HeaderMatcher,
    InternalRedirectPolicy,
    RetryPolicy,
    Route,
    RouteMatch,
    VirtualHost,
)
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.file_server.v3.file_server_pb2 import FileServerConfig
from headgate_proto.envoy.extensions.filters.http.mcp_json_rest_bridge.v3.mcp_json_rest_bridge_pb2 import ServerInfo
from headgate_proto.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.http.original_ip_detection.custom_header.v3.custom_header_pb2 import (
    CustomHeaderConfig,
)
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.common_pb2 import SubjectAltNameMatcher
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from headgate_proto.validate import validate_pb2
from tests.xds.random_messages import MessageMaker
from tests.xds.validation.reference import broken_paths
from xds.validation import validate as rules
from xds.validation.constraints import UnknownRuleError, comparable, constraints
from xds.validation.validate import Violation, check

HttpHealthCheck = HealthCheck.HttpHealthCheck
RetryBackOff = RetryPolicy.RetryBackOff

# Each example: a description, a message, and the paths of its violations.
CASES: list[tuple[str, type[Message], dict[str, Any], list[str]]] = [
    ("min_len is kept", HeaderValue, {"key": "a"}, []),
    ("min_len is broken by an unset string", HeaderValue, {}, ["key"]),
    ("max_bytes counts bytes, not characters", HeaderValue, {"key": "é" * 8193}, ["key"]),
    ("bytes keep their length", HeaderValue, {"key": "a", "raw_value": "YQ=="}, []),
    ("bytes break their length", HeaderValue, {"key": "a", "raw_value": "YWFh" * 16385}, ["raw_value"]),
    ("a pattern is kept", RouteMatch, {"path_separated_prefix": "/a"}, []),
    ("a pattern is broken", RouteMatch, {"path_separated_prefix": "/a/"}, ["path_separated_prefix"]),
    (
        "a pattern matches the whole value",
        FileServerConfig,
        {"content_types": {"a\n": "b"}},
        ["content_types['a\\n']", "manager_config"],
    ),
    ("a lenient header name may hold a space", HeaderMatcher, {"name": "a b"}, []),
    ("a lenient header name may hold no newline", HeaderMatcher, {"name": "a\nb"}, ["name"]),
    ("a strict header name may be a pseudo header", CustomHeaderConfig, {"header_name": ":a"}, []),
    ("a strict header name may hold no space", CustomHeaderConfig, {"header_name": "a b"}, ["header_name"]),
    ("a strict header value may hold a tab", HttpHealthCheck, {"path": "/a\tb"}, []),
    ("a strict header value may hold no control code", HttpHealthCheck, {"path": "/a\x01b"}, ["path"]),
    ("in takes a listed value", SchemeHeaderTransformation, {"scheme_to_overwrite": "http"}, []),
    ("in refuses others", SchemeHeaderTransformation, {"scheme_to_overwrite": "ftp"}, ["scheme_to_overwrite"]),
    ("ignore_empty lets nothing pass", UpstreamHttpProtocolOptions, {"override_auto_sni_header": ""}, []),
    (
        "ignore_empty checks anything",
        UpstreamHttpProtocolOptions,
        {"override_auto_sni_header": "a b"},
        ["override_auto_sni_header"],
    ),
    ("a number is at its inclusive bound", DirectResponseAction, {"status": 200}, []),
    ("a number is below its range", DirectResponseAction, {"status": 199}, ["status"]),
    ("a number is at its exclusive bound", DirectResponseAction, {"status": 600}, ["status"]),
    ("a wrapper's number is checked", LbEndpoint, {"load_balancing_weight": 0}, ["load_balancing_weight"]),
    ("an absent wrapper is not", LbEndpoint, {}, []),
    (
        "a wrapper's string is checked",
        ServerInfo,
        {"max_supported_protocol_version": "1"},
        ["max_supported_protocol_version"],
    ),
    ("an enum must be defined", Cluster, {"name": "a", "lb_policy": 99}, ["lb_policy"]),
    ("an enum may exclude a value", SubjectAltNameMatcher, {"matcher": {"exact": "a"}}, ["san_type"]),
    ("a duration is above its bound", Cluster, {"name": "a", "connect_timeout": "0.1s"}, []),
    ("a duration is at its exclusive bound", Cluster, {"name": "a", "connect_timeout": "0s"}, ["connect_timeout"]),
    ("a required duration is missing", RetryBackOff, {}, ["base_interval"]),
    ("a required message and oneof are missing", Route, {}, ["match", "action"]),
    ("a member of a oneof is checked when set", RouteMatch, {"connect_matcher": {}}, []),
    ("there are too few items", VirtualHost, {"name": "a"}, ["domains"]),
    (
        "an item breaks its rule",
        Router,
        {"strict_check_headers": ["x-envoy-retry-on", "a"]},
        ["strict_check_headers[1]"],
    ),
    (
        "items must be unique",
        InternalRedirectPolicy,
        {"response_headers_to_copy": ["a", "b", "a"]},
        ["response_headers_to_copy"],
    ),
    (
        "messages in a map are checked",
        ClusterLoadAssignment,
        {"cluster_name": "a", "named_endpoints": {"x": {"health_check_config": {"port_value": 65536}}}},
        ["named_endpoints['x'].health_check_config.port_value"],
    ),
]


@pytest.mark.parametrize(("kind", "content", "paths"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_kinds_of_rules(kind: type[Message], content: dict[str, Any], paths: list[str]) -> None:
    """Each kind of rule is broken where protoc-gen-validate reports it, and nowhere else."""
    assert [violation.path for violation in check(ParseDict(content, kind()))] == paths


def test_violation_names_field_and_rule() -> None:
    """A violation has the path of field names, and Envoy's own message."""
    route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": []}}}
    host = ParseDict({"name": "a", "domains": ["*"], "routes": [route]}, VirtualHost())
    path = "routes[0].route.weighted_clusters.clusters"
    assert check(host) == [Violation(path, "value must contain at least 1 item(s)")]
    assert str(check(host)[0]) == f"{path}: value must contain at least 1 item(s)"


def nested(router: dict[str, Any]) -> Listener:
    """Return a listener with a router filter in an Any in an Any."""
    manager = HttpConnectionManager(stat_prefix="a")
    manager.route_config.name = "a"
    manager.http_filters.add(name="router").typed_config.Pack(ParseDict(router, Router()))
    listener = Listener(name="a")
    listener.filter_chains.add().filters.add(name="hcm").typed_config.Pack(manager)
    return listener


def test_contents_of_any_are_checked() -> None:
    """A violation in nested Anys is found, with its whole path."""
    path = "filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.strict_check_headers[0]"
    assert [violation.path for violation in check(nested({"strict_check_headers": ["a"]}))] == [path]
    assert check(nested({})) == []


def test_any_of_unknown_type_passes() -> None:
    """An Any of a type unknown to this process is left to Envoy."""
    config = TypedExtensionConfig(name="a")
    config.typed_config.type_url = "type.googleapis.com/example.Unknown"
    assert check(config) == []


def test_any_with_broken_content() -> None:
    """An Any whose bytes are not of the type it names is a violation."""
    config = TypedExtensionConfig(name="a")
    config.typed_config.Pack(Router())
    config.typed_config.value = b"\xff"
    name = "envoy.extensions.filters.http.router.v3.Router"
    assert check(config) == [Violation("typed_config", f"content is not a {name}")]


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        (validate_pb2.DoubleRules(gt=1, lt=3), [2], [1, 3]),
        (validate_pb2.DoubleRules(gte=1, lte=3), [1, 3], [0, 4]),
        (validate_pb2.DoubleRules(gt=3, lt=1), [0, 4], [1, 2, 3]),
        (validate_pb2.DoubleRules(gte=3, lte=1), [1, 3], [2]),
        (validate_pb2.DoubleRules(gte=2, lte=2), [1, 2, 3], []),
        (validate_pb2.DoubleRules(gte=0), [0, float("nan")], [-1]),
    ],
)
def test_bounds(bounds: validate_pb2.DoubleRules, inside: list[float], outside: list[float]) -> None:
    """Bounds apply alone and together; an upper one not above the lower one requires a value outside; NaN passes."""
    (constraint,) = constraints(bounds)
    assert [value for value in inside if constraint.broken(value)] == []
    assert [value for value in outside if not constraint.broken(value)] == []


def test_durations_compare_to_the_nanosecond() -> None:
    """A duration one nanosecond beyond its bound breaks the rule, and the text shows the bound as a duration."""
    (constraint,) = constraints(validate_pb2.DurationRules(lte=duration_pb2.Duration(seconds=1)))
    assert constraint.text == "value must be less than or equal to 1s"
    assert not constraint.broken(comparable(duration_pb2.Duration(seconds=1)))
    assert constraint.broken(comparable(duration_pb2.Duration(seconds=1, nanos=1)))


def test_unknown_rule_raises() -> None:
    """A rule that the checker does not know raises."""
    with pytest.raises(UnknownRuleError, match=r"validate\.StringRules\.email"):
        constraints(validate_pb2.StringRules(email=True))


def all_descriptors(descriptors: Iterable[Descriptor]) -> Iterator[Descriptor]:
    """Yield the message types and those nested in them."""
    for descriptor in descriptors:
        yield descriptor
        yield from all_descriptors(descriptor.nested_types)


@cache
def all_messages() -> list[type[Message]]:
    """Return every message type of Envoy's API, by name."""
    root = Path(headgate_proto.__file__).parent
    modules = [path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*_pb2.py"))]
    files = [importlib.import_module(".".join(module.parts)).DESCRIPTOR for module in modules]
    found = [d for file in files for d in all_descriptors(file.message_types_by_name.values())]
    return [GetMessageClass(descriptor) for descriptor in found if not descriptor.GetOptions().map_entry]


def test_every_rule_of_the_api_is_known() -> None:
    """Every message type of Envoy's API compiles, so that the checker knows all rules."""
    for kind in all_messages():
        rules.check(kind())


CONTENTS = (HttpConnectionManager, Router, UpstreamTlsContext, Route)
MAIN_KINDS = [Route, VirtualHost, RouteConfiguration, Listener, Cluster, ClusterLoadAssignment, HttpConnectionManager]


def assert_as_reference(kind: type[Message], seed: int, breaking: float) -> None:
    """Compare the violations of a random message with the reference."""
    message = MessageMaker(Random(seed), CONTENTS, breaking).make(kind)
    assert sorted({violation.path for violation in check(message)}) == sorted(set(broken_paths(message)))


SEEDS = st.integers(0, 2**32)
BREAKING = st.sampled_from([0.0, 0.01, 0.05, 0.2])


@given(kind=st.sampled_from(MAIN_KINDS), seed=SEEDS, breaking=BREAKING)
def test_agrees_with_the_reference(kind: type[Message], seed: int, breaking: float) -> None:
    """On random listeners, routes, clusters and endpoints, the checker finds the same violations as the reference."""
    assert_as_reference(kind, seed, breaking)


@given(kind=st.deferred(lambda: st.sampled_from(all_messages())), seed=SEEDS, breaking=BREAKING)
def test_agrees_with_the_reference_everywhere(kind: type[Message], seed: int, breaking: float) -> None:
    """On random messages of every type of Envoy's API, the checker agrees with the reference."""
    assert_as_reference(kind, seed, breaking)
