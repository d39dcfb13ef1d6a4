"""The cost of an edit of issuers of tokens among 10,000 routes, counted in executed queries and changed resources."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import Raw, edit, manifest, removal
from tests.translator.costs import GATEWAY, cost, put_back
from tests.translator.test_cost_units import PLAIN, TABLES, counted, policy
from translator.envoy.http_filters import JWT
from translator.translator import Translator
from xds.resources.types import CLUSTER, EXTENSION_CONFIG

pytestmark = pytest.mark.slow

FILTER = {EXTENSION_CONFIG: frozenset({JWT})}
NEAR = 100


def issuers(*hosts: str, **fields: Any) -> Raw:
    """Return a GatewayExtension with an issuer at each host, with these fields."""
    providers = [
        {"name": host.partition(".")[0], "jwks": {"remote": {"url": f"https://{host}/keys"}}, **fields}
        for host in hosts
    ]
    return manifest(
        "gateway.headgate.dev/v1alpha1", "GatewayExtension", "issuers", spec={"jwt": {"providers": providers}}
    )


def asking(kind: str, target: str, **fields: Any) -> Raw:
    """Return a policy that asks for tokens of these issuers."""
    return policy(kind, target, jwtAuth={"extensionRef": {"name": "issuers"}, **fields})


def test_issuers_of_a_gateway_s_policy(large: Translator) -> None:
    """An edit of a provider, or of the policy, sends the one resource of the filter, and looks at no route."""
    wide = asking("Gateway", GATEWAY.name)
    with put_back(large, removal(wide), removal(issuers("a.com"))):
        found = cost(large, edit(issuers("a.com")), edit(wide))
        assert found.resources.keys() == {*TABLES, EXTENSION_CONFIG, CLUSTER}
        for again in (issuers("a.com", audiences=["one"]), asking("Gateway", GATEWAY.name, mode="AllowMissing")):
            found, queries = counted(large, again)
            assert found.resources == FILTER
            assert queries["route_entries"] == queries["encoded_host"] == queries["rules"] == 0
            assert found.statuses == []
            assert found.runs <= 31
        # Its keys come from elsewhere: their cluster, and the resource of the filter.
        found, queries = counted(large, issuers("a.org"))
        assert found.resources.keys() == {EXTENSION_CONFIG, CLUSTER}
        assert queries["route_entries"] == queries["encoded_host"] == 0


def test_issuers_of_many_policies(large: Translator) -> None:
    """An edit of a provider that the policies of many routes share sends one resource as well, and no route."""
    near = [asking("HTTPRoute", f"route-{number}") for number in range(NEAR)]
    with put_back(large, *map(removal, (*near, issuers("a.com")))):
        cost(large, edit(issuers("a.com")), *map(edit, near))
        found, queries = counted(large, issuers("a.com", audiences=["one"]))
        assert found.resources == FILTER
        assert found.statuses == []
        assert queries["route_entries"] <= NEAR
        assert found.runs <= 6 * NEAR


def test_a_policy_among_many(large: Translator) -> None:
    """A policy of one route that comes or goes, or gets another issuer, concerns that route alone."""
    near = asking("HTTPRoute", "route-7")
    with put_back(large, *map(removal, (near, issuers("a.com")))):
        cost(large, edit(issuers("a.com")))
        found, queries = counted(large, near)
        assert found.resources.keys() == {*PLAIN, EXTENSION_CONFIG, CLUSTER}
        assert queries["route_entries"] == 1
        found, queries = counted(large, issuers("a.com", "b.com"))
        # Its claims are elsewhere now, for other filters of the route.
        assert found.resources.keys() == {*PLAIN, EXTENSION_CONFIG, CLUSTER}
        found, queries = counted(large, issuers("a.com", "b.com", clockSkew="5s"))
        assert found.resources == FILTER
