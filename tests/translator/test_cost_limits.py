"""The cost of an edit of a limit that has state, among 10,000 routes: the resource that has the state, and no route."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, removal
from tests.translator.costs import GATEWAY, HOSTS, ROUTES, cost, put_back
from tests.translator.test_cost_units import PLAIN, TABLES, counted, policy
from translator.envoy.http_filters import ADMISSION, LOCAL_RATE_LIMIT, LOCAL_RATE_LIMIT_EARLY
from translator.translator import Translator
from xds.resources.types import EXTENSION_CONFIG

pytestmark = pytest.mark.slow


def limit(tokens: int, **fields: str) -> Raw:
    """Return a limit of requests."""
    return {"rateLimit": {"local": {"tokenBucket": {"maxTokens": tokens, "fillInterval": "1s"}, **fields}}}


def admission(rate: int) -> Raw:
    """Return admission control."""
    return {"admissionControl": {"minSuccessRate": rate}}


def only(name: str) -> dict[str, frozenset[str]]:
    """Return that one discovered filter is sent."""
    return {EXTENSION_CONFIG: frozenset({name})}


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (limit(1), limit(2), LOCAL_RATE_LIMIT),
        (limit(1, phase="BeforeAuth"), limit(2, phase="BeforeAuth"), LOCAL_RATE_LIMIT_EARLY),
        (admission(90), admission(95), ADMISSION),
    ],
)
def test_an_edit_sends_one_filter(large: Translator, first: Raw, second: Raw, name: str) -> None:
    """The policy of a route, or of the Gateway: the first is in tables too, a later one in the filter alone."""
    # One of the queries that run is that of each discovered filter of the Gateway: they have one list of parts.
    for kind, target, tables, runs in (("HTTPRoute", "route-7", PLAIN, 26), ("Gateway", GATEWAY.name, TABLES, 31)):
        made = policy(kind, target, **first)
        with put_back(large, removal(made)):
            assert counted(large, made)[0].resources == tables | only(name)
            found, queries = counted(large, policy(kind, target, **second))
            assert found.resources == only(name)
            assert found.statuses == []
            assert found.runs <= runs
            assert queries["route_entries"] == (kind == "HTTPRoute")


def test_an_edit_of_a_route_sends_no_filter(large: Translator) -> None:
    """While many routes have limits of their own, another policy of one of them leaves the filter as it is."""
    limits = [policy("HTTPRoute", f"route-{number}", **limit(number + 1)) for number in range(20)]
    other = policy("Gateway", GATEWAY.name, buffer={"maxRequestSize": 1000})
    with put_back(large, *map(removal, (*limits, other))):
        assert cost(large, *map(edit, limits)).resources == PLAIN | only(LOCAL_RATE_LIMIT)
        assert counted(large, other)[0].resources == TABLES
        changed = {**limits[3], "spec": {**limits[3]["spec"], "csrf": {}}}
        assert counted(large, changed)[0].resources == PLAIN
        assert counted(large, policy("HTTPRoute", "route-3", **limit(9)))[0].resources == PLAIN | only(LOCAL_RATE_LIMIT)


def test_buckets_of_each_route(large: Translator) -> None:
    """With the scope Route at the Gateway each route is made anew once; an edit sends the filter alone."""
    made = policy("Gateway", GATEWAY.name, **limit(1, scope="Route"))
    with put_back(large, removal(made)):
        found, queries = counted(large, made)
        assert found.resources == PLAIN | only(LOCAL_RATE_LIMIT)
        assert (queries["route_entries"], queries["encoded_host"]) == (ROUTES, HOSTS)
        found, queries = counted(large, policy("Gateway", GATEWAY.name, **limit(2, scope="Route")))
        assert found.resources == only(LOCAL_RATE_LIMIT)
        assert queries["encoded_host"] == 0
