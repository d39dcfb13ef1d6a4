"""The cost of an edit of AI providers among 10,000 routes to 1,000 Services: keys, models, and one more provider."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import Raw, edit, manifest, removal, route
from tests.translator.costs import HOSTS, SERVICES, cost, put_back
from translator.translator import Translator
from xds.resources.types import CLUSTER, LISTENER, ROUTE, SECRET

pytestmark = pytest.mark.slow

TO_IT = {"group": "gateway.headgate.dev", "kind": "Backend", "name": "ai"}


def key(text: str) -> Raw:
    """Return the Secret with the key."""
    return manifest("v1", "Secret", "key", stringData={"apiKey": text})


def ai(*models: str) -> Raw:
    """Return a Backend of providers, one for each model."""
    auth = {"secretRef": {"name": "key"}}
    providers: list[dict[str, Any]] = [
        {"name": f"p{place}", "openai": {}, "auth": auth, "model": model} for place, model in enumerate(models)
    ]
    return manifest("gateway.headgate.dev/v1alpha1", "Backend", "ai", spec={"ai": {"providers": providers}})


def test_changing_providers(large: Translator) -> None:
    """A new key is sent alone; another model replaces one cluster and changes the one route; nothing else runs.

    The first route to a provider has the listeners count tokens.
    """
    to_it = route(7, HOSTS, SERVICES)
    to_it["spec"]["rules"][0]["backendRefs"] = [TO_IT]
    with put_back(large, edit(route(7, HOSTS, SERVICES)), removal(ai("a")), removal(key("first"))):
        first = cost(large, edit(key("first")), edit(ai("a", "b")), edit(to_it))
        sent = {each: len(names) for each, names in first.resources.items()}
        assert sent == {CLUSTER: 2, ROUTE: 1, SECRET: 1, LISTENER: 2}
        renewed = cost(large, edit(key("second")))
        assert renewed.resources == {SECRET: {"shop/key/apiKey"}}
        assert renewed.statuses == []
        assert renewed.runs <= 5
        other = cost(large, edit(ai("a", "c")))
        assert {each: len(names) for each, names in other.resources.items()} == {CLUSTER: 2, ROUTE: 1}
        assert other.statuses == []
        assert other.runs <= 16
        more = cost(large, edit(ai("a", "c", "d")))
        assert {each: len(names) for each, names in more.resources.items()} == {CLUSTER: 2 + 1, ROUTE: 1}
        assert more.runs <= 18
