"""Shares of children whose own rules have several backends."""

from __future__ import annotations

from math import gcd

import pytest

from tests.translator.delegation.emitted import configuration, translated
from tests.translator.delegation.manifests import child, gateway, root, route, rule, service, to, under
from translator.ir.http import MILLION


@pytest.mark.parametrize("weights", [(500_000, 500_000), (1, 1_000_000), (50, 50), (1, 2)])
def test_backends_are_chosen_whatever_share_a_request_is_of(weights: tuple[int, int]) -> None:
    """The sum of weights of backends has no divisor in common with the number of shares; their ratio is as written."""
    backends = [to(name, weight=weight) for name, weight in zip("ab", weights, strict=True)]
    found = translated(
        [
            gateway(),
            service("a"),
            service("b"),
            root("parent", under("/x", child("one"), child("two", weight=3))),
            route("one", rule(*backends)),
            route("two", rule(*backends)),
        ]
    )
    for each in configuration(found).virtual_hosts[0].routes:
        written = [one.weight.value for one in each.route.weighted_clusters.clusters]
        assert gcd(sum(written), MILLION) == 1
        assert written[0] / sum(written) == pytest.approx(weights[0] / sum(weights), abs=2e-6)
