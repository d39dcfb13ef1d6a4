"""Matching of requests to rules (Gateway API, `HTTPRouteMatch` and the precedence in `HTTPRouteRule.matches`)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.objects import Manifest, exact, prefix, route, rule
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream


async def served(proxy: Proxy, paths: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Who answers each path: the backend's name, else the status."""
    found: list[tuple[str, Any]] = []
    for path, _ in paths:
        response = await proxy.request(path)
        found.append((path, response.backend if response.status == 200 else response.status))
    return found


async def test_without_a_route_the_answer_is_404(proxy: Proxy) -> None:
    """A Gateway without routes answers every request with 404."""
    await proxy.apply()
    assert (await proxy.request("/")).status == 404


@pytest.mark.parametrize("value", ["/v2", "/v2/"])
async def test_a_prefix_is_whole_elements_of_the_path(proxy: Proxy, value: str) -> None:
    """A prefix matches whole elements, whether or not it ends with a slash; case counts."""
    await proxy.apply(route(rule("alpha", matches=[prefix(value)])))
    expected = [
        ("/v2", "alpha"),
        ("/v2/", "alpha"),
        ("/v2/x", "alpha"),
        ("/v2?a=b", "alpha"),
        ("/v2example", 404),
        ("/V2", 404),
        ("/", 404),
        ("/x/v2", 404),
    ]
    assert await served(proxy, expected) == expected


async def test_an_exact_path_is_nothing_but_itself(proxy: Proxy) -> None:
    """An exact path matches itself with any query, and neither a trailing slash nor another case."""
    await proxy.apply(route(rule("alpha", matches=[exact("/one")]), rule("beta", matches=[exact("/two/")])))
    expected = [
        ("/one", "alpha"),
        ("/one?x=/two/", "alpha"),
        ("/one/", 404),
        ("/ONE", 404),
        ("/one/two", 404),
        ("/two/", "beta"),
        ("/two", 404),
    ]
    assert await served(proxy, expected) == expected


async def test_a_regular_expression_matches_the_whole_path(proxy: Proxy) -> None:
    """A regular expression (RE2) has to match all of the path, without the query."""
    match = {"path": {"type": "RegularExpression", "value": "/v[0-9]+/(red|blue)"}}
    await proxy.apply(route(rule("alpha", matches=[match])))
    expected = [
        ("/v1/red", "alpha"),
        ("/v22/blue?x", "alpha"),
        ("/v1/red/", 404),
        ("/x/v1/red", 404),
        ("/v/red", 404),
    ]
    assert await served(proxy, expected) == expected


async def test_the_empty_rule_matches_everything(proxy: Proxy) -> None:
    """A rule without matches takes every path and every method."""
    await proxy.apply(route(rule("alpha")))
    assert (await proxy.request("/any/where", method="DELETE")).backend == "alpha"


async def test_the_parts_of_a_match_must_all_hold_and_one_match_is_enough(proxy: Proxy) -> None:
    """The parts of one match are ANDed, the matches of one rule are ORed."""
    header = [{"name": "version", "value": "v2"}]
    await proxy.apply(route(rule("alpha", matches=[prefix("/foo", headers=header), prefix("/v2/foo")])))
    assert (await proxy.request("/foo")).status == 404
    assert (await proxy.request("/foo", headers={"version": "v2"})).backend == "alpha"
    assert (await proxy.request("/v2/foo/bar")).backend == "alpha"


async def test_headers(proxy: Proxy) -> None:
    """A header's name is matched in any case, its value exactly or by a regular expression that matches all of it."""
    await proxy.apply(
        route(
            rule("alpha", matches=[{"headers": [{"name": "Version", "value": "one"}]}]),
            rule("beta", matches=[{"headers": [{"name": "x", "value": "a.*z", "type": "RegularExpression"}]}]),
            rule("gamma", matches=[{"headers": [{"name": "color", "value": "red"}, {"name": "size", "value": "big"}]}]),
        )
    )

    async def backend(**headers: str) -> str | int:
        response = await proxy.request("/", headers=headers)
        return response.backend if response.status == 200 else response.status

    assert await backend(version="one") == "alpha"
    assert await backend(VERSION="one") == "alpha"
    assert await backend(version="ONE") == 404
    assert await backend(version="one,two") == 404
    assert await backend(x="abcz") == "beta"
    assert await backend(x="abcz!") == 404
    assert await backend(color="red") == 404
    assert await backend(color="red", size="big") == "gamma"


async def test_header_values_of_any_characters(proxy: Proxy) -> None:
    """A value may have several blanks in a row and letters that are not ASCII, which are compared byte by byte."""
    values = {"two  blanks": "alpha", "café": "beta"}
    for_each = [
        rule(backend, matches=[{"headers": [{"name": "X-Value", "value": value}]}]) for value, backend in values.items()
    ]
    expression = {"type": "RegularExpression", "name": "X-Value", "value": "na[ïi]+ve?"}
    await proxy.apply(route(*for_each, rule("gamma", matches=[{"headers": [expression]}])))
    for value, backend in {**values, "naïve": "gamma"}.items():
        assert (await proxy.request(headers={"X-Value": value})).backend == backend


async def test_the_host_header_can_be_matched(proxy: Proxy) -> None:
    """A match on the header `Host` sees what the client wrote."""
    await proxy.apply(route(rule("alpha", matches=[{"headers": [{"name": "Host", "value": "a.example.com"}]}])))
    assert (await proxy.request("/", host="a.example.com")).backend == "alpha"
    assert (await proxy.request("/", host="b.example.com")).status == 404


async def test_query_parameters(proxy: Proxy) -> None:
    """A parameter's name counts as it is written, its value exactly or by a regular expression for all of it."""
    await proxy.apply(
        route(
            rule("alpha", matches=[{"queryParams": [{"name": "animal", "value": "whale"}]}]),
            rule("beta", matches=[{"queryParams": [{"name": "n", "value": "[0-9]+", "type": "RegularExpression"}]}]),
            rule(
                "gamma",
                matches=[{"queryParams": [{"name": "animal", "value": "dog"}, {"name": "color", "value": "blue"}]}],
            ),
        )
    )
    expected = [
        ("/?animal=whale", "alpha"),
        ("/?x=1&animal=whale&y", "alpha"),
        ("/?Animal=whale", 404),
        ("/?animal=whales", 404),
        ("/?n=42", "beta"),
        ("/?n=42a", 404),
        ("/?color=blue&animal=dog", "gamma"),
        ("/?animal=dog", 404),
    ]
    assert await served(proxy, expected) == expected


async def test_methods(proxy: Proxy) -> None:
    """A match with a method takes requests of that method only."""
    await proxy.apply(
        route(rule("alpha", matches=[{"method": "POST"}]), rule("beta", matches=[prefix("/b", method="GET")]))
    )
    assert (await proxy.request("/", method="POST")).backend == "alpha"
    assert (await proxy.request("/b", method="GET")).backend == "beta"
    assert (await proxy.request("/b", method="POST")).backend == "alpha"
    assert (await proxy.request("/", method="GET")).status == 404


async def test_precedence_does_not_depend_on_the_order_of_rules(proxy: Proxy) -> None:
    """An exact path beats a longer prefix, this a shorter one, then a method, then headers, then query parameters."""
    ladder: list[Manifest] = [
        exact("/match"),
        prefix("/match/one"),
        prefix("/match", method="GET"),
        prefix("/match", headers=[{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]),
        prefix("/match", headers=[{"name": "a", "value": "1"}], queryParams=[{"name": "q", "value": "1"}]),
        prefix("/match", headers=[{"name": "a", "value": "1"}]),
        prefix("/match", queryParams=[{"name": "q", "value": "1"}, {"name": "r", "value": "1"}]),
        prefix("/match", queryParams=[{"name": "q", "value": "1"}]),
        prefix("/match"),
        prefix("/"),
    ]

    def answer(place: int) -> Manifest:
        header = {"set": [{"name": "place", "value": str(place)}]}
        return {"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": header}]}

    rules = [rule("alpha", matches=[match], **answer(place)) for place, match in enumerate(ladder)]
    requests: list[tuple[str, str, dict[str, str]]] = [
        ("GET", "/match?q=1&r=1", {"a": "1", "b": "1"}),
        ("GET", "/match/one?q=1&r=1", {"a": "1", "b": "1"}),
        ("GET", "/match/x?q=1&r=1", {"a": "1", "b": "1"}),
        ("PUT", "/match/x?q=1&r=1", {"a": "1", "b": "1"}),
        ("PUT", "/match/x?q=1&r=1", {"a": "1"}),
        ("PUT", "/match/x", {"a": "1"}),
        ("PUT", "/match/x?q=1&r=1", {}),
        ("PUT", "/match/x?q=1", {}),
        ("PUT", "/match/x", {}),
        ("PUT", "/matchx?q=1", {"a": "1"}),
    ]
    for given in (rules, rules[::-1]):
        await proxy.apply(route(*given))
        answers = [await proxy.request(path, method=method, headers=headers) for method, path, headers in requests]
        assert [each.sent("place") for each in answers] == [[str(place)] for place in range(len(ladder))]


async def test_of_equal_matches_the_oldest_route_wins_then_the_first_by_name(proxy: Proxy) -> None:
    """Between routes age decides, then the name; within a route the first rule, even if its backend is broken."""
    await proxy.apply(
        route(rule("alpha", matches=[prefix("/a")]), name="z", created="2024-01-01T00:00:00Z"),
        route(rule("beta", matches=[prefix("/a")]), name="a", created="2025-01-01T00:00:00Z"),
        route(rule("gamma", matches=[prefix("/a")]), name="b", created="2025-01-01T00:00:00Z"),
    )
    assert (await proxy.request("/a")).backend == "alpha"
    await proxy.apply(route(rule("alpha", matches=[prefix("/a")]), name="z", created="2026-01-01T00:00:00Z"))
    assert (await proxy.request("/a")).backend == "beta"
    missing = rule("missing", matches=[prefix("/a")])
    await proxy.apply(route(missing, rule("beta", matches=[prefix("/a")]), name="a", created="2025-01-01T00:00:00Z"))
    assert (await proxy.request("/a")).status == 500


async def test_equal_matches_with_headers_in_another_order(proxy: Proxy) -> None:
    """Of two rules that ask for the same headers in another order, the first one wins."""
    one, two = {"name": "a", "value": "1"}, {"name": "b", "value": "1"}
    await proxy.apply(
        route(rule("alpha", matches=[{"headers": [two, one]}]), rule("beta", matches=[{"headers": [one, two]}]))
    )
    assert (await proxy.request("/", headers={"a": "1", "b": "1"})).backend == "alpha"


async def test_paths_are_brought_into_one_form_before_they_are_matched(proxy: Proxy) -> None:
    """Repeated slashes are merged, dot segments resolved and needless escapes undone before anything is matched."""
    await proxy.apply(route(rule("alpha", matches=[prefix("/admin")]), rule("beta", matches=[prefix("/")])))
    expected = [
        ("//admin", "alpha"),
        ("/admin//x", "alpha"),
        ("/x/../admin", "alpha"),
        ("/./admin", "alpha"),
        ("/%61dmin", "alpha"),
        ("/x/%2e%2e/admin", "alpha"),
        ("/admin/../x", "beta"),
    ]
    assert await served(proxy, expected) == expected
    assert (await proxy.request("/admin//x")).path == "/admin/x"


async def test_a_slash_that_is_escaped_is_redirected_to_a_plain_one(proxy: Proxy) -> None:
    """Whether %2F parts elements is a matter of opinion, so that clients are sent to the path without it."""
    await proxy.apply(route(rule("alpha")))
    response = await proxy.request("/a%2Fb")
    assert (response.status, response.headers["location"]) == (307, "/a/b")


ESCAPED = ["/caf%C3%A9", "/caf%c3%a9", "/a%20b", "/tilde~x", "/tilde%7Ex", "/%2B+", "/semi;x=1", "/at@x", "/q%3Fx"]


@pytest.mark.parametrize("path", ESCAPED)
async def test_a_path_with_escapes_is_matched_as_it_is_written(proxy: Proxy, path: str) -> None:
    """Whatever path the API takes, exact or as a prefix, a request for that very path matches."""
    await proxy.apply(route(rule("alpha", matches=[exact(path)]), rule("beta", matches=[prefix(f"{path}/p")])))
    assert (await proxy.request(path)).backend == "alpha"
    assert (await proxy.request(f"{path}/p/x")).backend == "beta"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_each_method_is_served(proxy: Proxy, alpha: Upstream, method: str) -> None:
    """Whatever method a match names reaches the backend, and no other; CONNECT is told of instead."""
    await proxy.apply(route(rule("alpha", matches=[{"method": method}])))
    assert (await proxy.request(method=method)).status == 200
    assert (await proxy.request(method="GET" if method != "GET" else "POST")).status == 404
    assert [each.method for each in alpha.seen] == [method]
