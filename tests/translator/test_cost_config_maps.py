"""The cost of an edit of a ConfigMap that holds bodies of responses, among 10,000 routes."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, manifest, removal
from tests.translator.costs import GATEWAY, HOSTS, cost, put_back
from tests.translator.test_cost_units import PLAIN, TABLES, counted, policy
from translator.translator import Translator

pytestmark = pytest.mark.slow


def texts(**data: str) -> Raw:
    """Return the ConfigMap."""
    return manifest("v1", "ConfigMap", "texts", data=data)


def test_a_body_of_a_direct_response(large: Translator) -> None:
    """An edit of the key that a DirectResponse of one policy reads concerns that route; of another key, nothing."""
    reference = {"bodyFrom": {"configMapRef": {"name": "texts", "key": "page"}}}
    response = manifest("gateway.headgate.dev/v1alpha1", "DirectResponse", "page", spec={"status": 503, **reference})
    override = {"match": {"statusCodes": [{"value": 503}]}, "responseRef": {"name": "page"}}
    near = policy("HTTPRoute", "route-7", responseOverride=[override])
    with put_back(large, *map(removal, (near, response, texts()))):
        cost(large, *map(edit, (near, response, texts(page="1"))))
        found, queries = counted(large, texts(page="2"))
        assert found.resources == PLAIN
        assert queries["route_entries"] == 1
        assert found.runs <= 15
        found, queries = counted(large, texts(page="2", other="3"))
        assert (found.resources, queries["route_entries"]) == ({}, 0)
        assert found.runs <= 2


def test_a_body_of_a_gateway_s_policy(large: Translator) -> None:
    """A body for all routes is written above them: an edit of its ConfigMap sends each table, and looks at no route."""
    body = {"configMapRef": {"name": "texts", "key": "page"}}
    override = {"match": {"statusCodes": [{"value": 503}]}, "response": {"body": body}}
    wide = policy("Gateway", GATEWAY.name, responseOverride=[override])
    with put_back(large, *map(removal, (wide, texts()))):
        cost(large, *map(edit, (wide, texts(page="1"))))
        found, queries = counted(large, texts(page="2"))
        assert found.resources == TABLES
        assert queries["route_entries"] == queries["encoded_host"] == 0
        assert found.runs <= HOSTS // 5
