"""Matches of requests: what holds, and in words what does not."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_components_pb2 import RouteMatch
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from translator.explain.hosts import filter_chain, virtual_host
from translator.explain.matches import Seen, in_words, mismatch, share
from translator.explain.patterns import extract, matches_whole, replace_all
from translator.explain.request import Header

REQUEST = Seen(
    "POST",
    "https",
    "x.test",
    "/shop/cart?a=1&a=2&b",
    (Header("x-a", "1"), Header("x-a", "2"), Header("content-type", "application/grpc+proto")),
)


def match(**fields: Any) -> RouteMatch:
    """Return a match."""
    return ParseDict(fields if fields.keys() & {"prefix", "path"} else {"prefix": "/", **fields}, RouteMatch())


@pytest.mark.parametrize(
    "fields",
    [
        {"prefix": "/"},
        {"path": "/shop/cart"},
        {"path": "/SHOP/cart", "case_sensitive": False},
        {"grpc": {}},
        {"headers": [{"name": ":method", "string_match": {"exact": "POST"}}]},
        {"headers": [{"name": "X-A", "string_match": {"exact": "2"}}]},
        {"headers": [{"name": "x-a", "string_match": {"safe_regex": {"regex": "[12]"}}}]},
        {"headers": [{"name": "x-a", "present_match": True}]},
        {"headers": [{"name": "x-b", "present_match": True, "invert_match": True}]},
        {"headers": [{"name": "x-a", "string_match": {"exact": "3"}, "invert_match": True}]},
        {"headers": [{"name": "x-b", "string_match": {"exact": ""}, "treat_missing_header_as_empty": True}]},
        {"headers": [{"name": "host", "string_match": {"suffix": ".TEST", "ignore_case": True}}]},
        {"headers": [{"name": ":path", "string_match": {"contains": "?a=1"}}]},
        {"headers": [{"name": "x-a", "exact_match": "1"}]},
        {"query_parameters": [{"name": "a", "string_match": {"exact": "1"}}]},
        {"query_parameters": [{"name": "b", "present_match": True}]},
    ],
)
def test_a_match_holds(fields: Any) -> None:
    """Every condition of a route is evaluated as Envoy does it."""
    assert mismatch(match(**fields), REQUEST) is None


@pytest.mark.parametrize(
    ("fields", "reason", "near"),
    [
        ({"path": "/shop"}, "the path is not /shop", False),
        ({"headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}, "the method is POST, not GET", True),
        ({"headers": [{"name": "x-a", "string_match": {"exact": "1,2"}}]}, "the header x-a is 1, 2, not 1,2", True),
        ({"headers": [{"name": "x-b", "string_match": {"exact": "1"}}]}, "there is no header x-b", True),
        (
            {"headers": [{"name": "x-b", "string_match": {"exact": "1"}, "invert_match": True}]},
            "there is no header x-b",
            True,
        ),
        (
            {"query_parameters": [{"name": "a", "string_match": {"exact": "2"}}]},
            "the query parameter a is 1, not 2",
            True,
        ),
        ({"query_parameters": [{"name": "c", "present_match": True}]}, "there is no query parameter c", True),
    ],
)
def test_what_does_not_hold_is_told(fields: Any, reason: str, near: bool) -> None:
    """The first condition that fails is the reason; a route whose path matches is near."""
    assert mismatch(match(**fields), REQUEST) == (reason, near)


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [("/p", "/p", True), ("/p", "/p/", True), ("/p", "/p?x", True), ("/p", "/pq", False), ("/p/q", "/p", False)],
)
def test_a_separated_prefix_is_whole_segments(prefix: str, path: str, expected: bool) -> None:
    """A prefix ends where a segment of the path ends."""
    found = mismatch(RouteMatch(path_separated_prefix=prefix), Seen("GET", "http", "x.test", path, ()))
    assert (found is None) == expected


def test_a_match_is_written_in_words() -> None:
    """People read conditions, not messages."""
    found = match(
        path="/a",
        grpc={},
        headers=[
            {"name": ":method", "string_match": {"exact": "GET"}},
            {"name": "x", "string_match": {"safe_regex": {"regex": "a.*"}}},
            {"name": "y", "present_match": True, "invert_match": True},
        ],
        query_parameters=[{"name": "q", "string_match": {"exact": "1"}}],
    )
    assert list(in_words(found)) == [
        "path /a",
        "gRPC",
        "method = GET",
        "header x ~ a.*",
        "header y not present",
        "query parameter q = 1",
    ]


def test_a_share_is_a_part_of_all_requests() -> None:
    """Without a fraction every request matches."""
    assert share(match()) == 1
    fraction = {"default_value": {"numerator": 250_000, "denominator": "MILLION"}}
    assert share(match(runtime_fraction=fraction)) == 0.25


def configuration(*hosts: tuple[str, ...], ports: bool = True) -> RouteConfiguration:
    """Return a route configuration with a virtual host for each group of domains, named by the first."""
    made = RouteConfiguration(ignore_port_in_host_matching=ports)
    for domains in hosts:
        made.virtual_hosts.add(name=domains[0], domains=domains)
    return made


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.x.test", "a.x.test"),
        ("A.X.test:8080", "a.x.test"),
        ("b.x.test", "*.x.test"),
        ("c.b.x.test", "*.x.test"),
        ("x.test", "*.test"),
        ("test", "*"),
        ("[::1]:80", "*"),
    ],
)
def test_the_most_specific_domain_wins(host: str, expected: str) -> None:
    """An exact domain comes before the longest wildcard, this before any; the port does not matter."""
    found = virtual_host(configuration(("*",), ("*.test",), ("*.x.test",), ("a.x.test", "a.x.test.")), host)
    assert found is not None
    assert found.name == expected


def test_a_host_may_have_no_virtual_host() -> None:
    """Where no domain is for any host, others have none; a port counts unless it is ignored."""
    assert virtual_host(configuration(("a.test",)), "b.test") is None
    assert virtual_host(configuration(("a.test",), ports=False), "a.test:80") is None


def test_a_server_name_chooses_the_filter_chain() -> None:
    """As for virtual hosts; a connection without a server name gets the chain for any, if there is one."""
    listener = Listener()
    for name in ("a.x.test", "*.x.test", "*.test"):
        listener.filter_chains.add(name=name).filter_chain_match.server_names.append(name)
    names = ["a.X.test", "b.x.test", "c.b.x.test", "y.test", "test", ""]
    found = [filter_chain(listener, each) for each in names]
    assert [each and each.name for each in found] == ["a.x.test", "*.x.test", "*.x.test", "*.test", None, None]
    listener.default_filter_chain.name = "default"
    last = filter_chain(listener, "test")
    assert last is not None
    assert last.name == "default"
    listener.filter_chains.add(name="any")
    last = filter_chain(listener, "")
    assert last is not None
    assert last.name == "any"


@pytest.mark.parametrize(
    ("pattern", "substitution", "text", "expected"),
    [
        ("^/a/*", "/", "/a/b", "/b"),
        ("b", "<\\0>", "abcb", "a<b>c<b>"),
        ("(a)(b)?", "\\2\\1\\\\", "ab a", "ba\\ a\\"),
        ("x*", "-", "abxd", "-a-b-d-"),
        ("(", "x", "a", "a"),
    ],
)
def test_all_matches_are_replaced(pattern: str, substitution: str, text: str, expected: str) -> None:
    """As RE2 does it, empty matches too; an invalid pattern changes nothing."""
    assert replace_all(pattern, substitution, text) == expected


def test_an_expression_is_for_the_whole_text() -> None:
    """A part is not enough, and an invalid pattern matches nothing."""
    assert matches_whole("a.*", "abc")
    assert not matches_whole("b", "abc")
    assert not matches_whole("(", "(")
    assert extract("^(a)(.)", "\\2", "abc") == "b"
    assert extract("x", "", "abc") is None
