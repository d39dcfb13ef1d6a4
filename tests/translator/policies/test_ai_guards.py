"""The unit `ai`: what it has the proxy do, and what closes its routes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.world import NAMESPACE, Raw, manifest
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from tests.translator.policies.test_transformation import served, serving
from translator.envoy.ai import guard
from translator.envoy.http_filters import AI, CLOSED, GUARD, MARK
from translator.extensions.ai_guard import MAX_GUARD_BYTES
from translator.refs import Ref
from translator.translator import Translator


def policy(**fields: Any) -> Raw:
    """Return a policy for one route."""
    targets = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route-1"}]
    spec = {"targetRefs": targets, "ai": fields}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", "ai", spec=spec)


def guards(*expressions: str, **fields: Any) -> dict[str, Any]:
    """Return a guard for each expression."""
    found = [{"name": f"g{n}", "regex": {"matches": [each]}} for n, each in enumerate(expressions)]
    return {"promptGuard": {"request": found}, **fields}


def program(translator: Translator) -> Any:
    """Return what the script of the route is told."""
    chain, found = FilterChainConfigPerRoute(), Lua()
    assert served(translator).typed_per_filter_config[AI].Unpack(chain)
    (filter_,) = [each for each in chain.filter_chain.filters if each.name == guard.FILTER]
    assert filter_.typed_config.Unpack(found)
    assert found.default_source_code.inline_string == guard.guard_script()
    return json.loads(str(found.filter_context["program"]))


def message(translator: Translator) -> str:
    """Return what the condition Accepted of the policy says."""
    (ancestor,) = translator.statuses[Ref("TrafficPolicy", NAMESPACE, "ai")]["ancestors"]
    return str(next(each["message"] for each in ancestor["conditions"] if each["type"] == "Accepted"))


def test_what_the_script_is_told() -> None:
    """The script is told what the policy says, and nothing that it does not."""
    fields = {"defaults": {"a": 0.5}, "prompt": {"prepend": [{"role": "system", "content": "é"}]}}
    translator = serving(policy(**fields))
    assert program(translator) == {
        "limit": 1 << 20,
        "defaults": {"a": 0.5},
        "prepend": [{"role": "system", "content": "é"}],
    }
    (found,) = program(serving(policy(**guards("ab"), maxBytes="2Mi")))["guards"]
    assert (found["status"], found["message"], found["mask"]) == (403, "The request was rejected by a policy.", False)
    assert [*found["patterns"][0]] == ["forward"]  # nothing looks for the beginning of what is rejected


def test_routes_are_protected() -> None:
    """A request that is moved to another route has to have gone through the same guard."""
    routes = [served(serving(policy(**guards(each)))) for each in ("a", "b")]
    assert all(MARK in each.typed_per_filter_config and GUARD in each.typed_per_filter_config for each in routes)
    assert routes[0].typed_per_filter_config[GUARD] != routes[1].typed_per_filter_config[GUARD]


@pytest.mark.parametrize("expression", ["a*", "(", r"\pL"])
def test_expressions_that_are_refused(expression: str) -> None:
    """An expression of which no automaton can be made closes the routes, and the status tells which it is."""
    translator = serving(policy(**guards("a", expression)))
    assert CLOSED in served(translator).typed_per_filter_config
    assert message(translator).startswith("spec.ai.promptGuard.request[1].regex.matches[0]: ")


def test_guards_that_are_too_long_together() -> None:
    """All guards of a route have a limit together, beyond which it is closed."""
    long = [f"[a-c]{{300}}x?[0-9]{{300}}{each}" for each in "abcdefghijklmnop"]
    assert CLOSED not in served(serving(policy(**guards(*long[:2])))).typed_per_filter_config
    each = {"name": "all", "regex": {"matches": long, "action": "Mask"}}
    translator = serving(policy(promptGuard={"request": [each]}))
    assert CLOSED in served(translator).typed_per_filter_config
    assert f"at most {MAX_GUARD_BYTES} bytes; use fewer or shorter expressions." in message(translator)
