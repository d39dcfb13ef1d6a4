"""The cost of policies that select targets by labels, among thousands of routes, counted in executed queries."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, manifest, removal, route, world
from tests.translator.costs import HOSTS, ROUTES, SERVICES, cost, put_back
from translator.inputs import Settings
from translator.translator import Translator
from xds.resources.types import ROUTE

pytestmark = pytest.mark.slow

TABLE = {ROUTE: {"port-10080"}}


def labelled(number: int, **labels: str) -> Raw:
    """Return a route of the red team, with further labels."""
    found = route(number, HOSTS, SERVICES)
    found["metadata"]["labels"] = {"team": "red", **labels}
    return found


def selecting(origin: str, **labels: str) -> Raw:
    """Return a policy for the routes with these labels."""
    selector = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "matchLabels": labels}
    spec = {"targetSelectors": [selector], "cors": {"allowOrigins": [origin]}}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", f"for-{'-'.join(sorted(labels))}", spec=spec)


SOME = 1_000
"""So many routes a policy selects at once, where it selects all."""


def red_routes(number: int) -> Translator:
    """Return a Gateway with so many routes of one team."""
    made = Translator(Settings(offline=True))
    made.edit([*world(number, HOSTS, SERVICES), *(edit(labelled(each)) for each in range(number))])
    assert made.evaluate().failures == []
    return made


@pytest.fixture(scope="module")
def teams() -> Translator:
    """Return a Gateway with 10,000 routes; tests leave it as they found it."""
    return red_routes(ROUTES)


@pytest.fixture(scope="module")
def team() -> Translator:
    """Return a Gateway with 1,000 routes; tests leave it as they found it."""
    return red_routes(SOME)


def test_a_selector_of_one_label_among_many(teams: Translator) -> None:
    """The first selector has the labels of each route looked at once, and what follows concerns those that it selects.

    That is one route and those some forty that share its part of the namespace.
    """
    policy = selecting("https://a.com", team="red", tier="1")
    gold = labelled(7, tier="1")
    with put_back(teams, edit(labelled(7)), removal(policy)):
        cost(teams, edit(gold))
        first = cost(teams, edit(policy))
        assert first.resources == TABLE
        assert ROUTES < first.runs <= ROUTES + 150
        again = cost(teams, edit(selecting("https://b.com", team="red", tier="1")))
        assert again.resources == TABLE
        assert again.runs <= 18


def test_labelling_a_route_among_many(team: Translator) -> None:
    """A label of one route, by which a policy selects it or no longer does, costs that route only."""
    wide, near = selecting("https://a.com", team="red"), selecting("https://b.com", tier="1")
    near["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    wide["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    with put_back(team, edit(labelled(7)), removal(wide), removal(near)):
        cost(team, edit(wide), edit(near))
        for again in (labelled(7, tier="1"), labelled(7), route(7, HOSTS, SERVICES)):
            found = cost(team, edit(again))
            assert found.resources == TABLE
            assert found.runs <= 25


def test_a_selector_of_all_of_many(team: Translator) -> None:
    """A policy that selects all routes costs each of them a few queries when it comes and goes, and one table."""
    policy = selecting("https://a.com", team="red")
    with put_back(team, removal(policy)):
        first = cost(team, edit(policy))
        assert first.resources == TABLE
        assert first.runs <= 11 * SOME
        gone = cost(team, removal(policy))
        assert gone.resources == TABLE
        assert gone.runs <= 12 * SOME  # one more: that nobody looks for policies any more


def test_a_policy_of_a_rule_among_many(teams: Translator) -> None:
    """An edit of a policy on one rule of 10,000 routes evaluates a handful of queries, and sends one table."""
    named = labelled(7)
    named["spec"]["rules"][0]["name"] = "first"
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route-7", "sectionName": "first"}

    def policy(origin: str) -> Raw:
        spec = {"targetRefs": [target], "cors": {"allowOrigins": [origin]}}
        return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", "rule", spec=spec)

    with put_back(teams, edit(labelled(7)), removal(policy("https://a.com"))):
        cost(teams, edit(named), edit(policy("https://a.com")))
        found = cost(teams, edit(policy("https://b.com")))
        assert found.resources == TABLE
        assert found.statuses == []
        assert found.runs <= 17


def test_nothing_is_left_of_policies(teams: Translator) -> None:
    """Once the policies are gone, the translator remembers as much as before."""
    before = teams.memos
    policy = selecting("https://a.com", team="red", tier="1")
    with put_back(teams, edit(labelled(7)), removal(policy)):
        cost(teams, edit(labelled(7, tier="1")), edit(policy))
    assert teams.memos == before
