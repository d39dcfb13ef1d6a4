"""HTTPRoutes that match the header for the model: what the body names counts, not what the client sends."""

from __future__ import annotations

import pytest

from tests.live.delegation import GRANTS, OF_GATEWAY, teams
from tests.live.model_routes import ask, post
from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream
from tests.live.websockets import shout, talk
from tests.translator.delegation.manifests import child
from tests.translator.delegation.manifests import route as child_route

HEADER = "X-Gateway-Model-Name"


def of_model(model: str, **fields: str) -> dict[str, list[Manifest]]:
    """Return the part of a match for a model."""
    return {"headers": [{"name": HEADER, "value": model, **fields}]}


RULES = (
    rule("alpha", matches=[prefix("/", **of_model("gpt-4o"))]),
    rule("beta", matches=[prefix("/", **of_model("gpt-.*", type="RegularExpression"))]),
    rule("gamma"),
)


@pytest.mark.parametrize(
    ("model", "backend"), [("gpt-4o", "alpha"), ("gpt-5", "beta"), ("other", "gamma"), ("", "gamma"), (None, "gamma")]
)
@pytest.mark.parametrize("own", ["", "gpt-4o", "gpt-5", "other"])
async def test_the_model_of_the_body(proxy: Proxy, model: str | None, backend: str, own: str) -> None:
    """The body decides, whatever header a client sends; backends hear the model of the body."""
    await proxy.apply(route(*RULES))
    headers = {"X_Gateway_Model_Name": own} if own else {}
    found = await ask(proxy, model, **headers)
    assert (found.backend, found.sent(HEADER)) == (backend, [model] if model else [])


async def test_requests_without_a_body(proxy: Proxy) -> None:
    """What has no body has no model, and goes on to rules that ask for none."""
    await proxy.apply(route(*RULES))
    for headers in ({}, {HEADER: "gpt-4o"}):
        found = await proxy.request("/v1/models", headers=headers)
        assert (found.backend, found.sent(HEADER)) == ("gamma", [])
    assert (await post(proxy, b"", X_Gateway_Model_Name="gpt-4o")).backend == "gamma"
    assert (await post(proxy, b"gpt-4o")).status == 400


async def test_an_error_is_one_of_its_model(proxy: Proxy) -> None:
    """A rule that is an error refuses the requests of its model, and no others."""
    broken = rule("missing", matches=[prefix("/", **of_model("broken"))])
    await proxy.apply(route(broken, rule("alpha")))
    assert (await ask(proxy, "broken")).status == 500
    assert (await ask(proxy, "other")).backend == "alpha"


async def test_only_where_it_is_asked_for(proxy: Proxy) -> None:
    """Routes that no rule for models shares its path with read no body; what is more specific comes first."""
    plain = rule("beta", matches=[exact("/v1/files")])
    await proxy.apply(route(plain, rule("alpha", matches=[prefix("/v1", **of_model("gpt-4o"))]), rule("gamma")))
    assert (await ask(proxy, "gpt-4o")).backend == "alpha"
    assert (await post(proxy, b"no json", "/v1/files")).backend == "beta"
    assert (await post(proxy, b"no json", "/other", X_Gateway_Model_Name="gpt-4o")).backend == "gamma"
    assert (await ask(proxy, "gpt-4o", "/other", X_Gateway_Model_Name="gpt-4o")).backend == "gamma"


async def test_policies_of_the_route_hold_for_all_models(proxy: Proxy) -> None:
    """A policy of the route holds before the model is read and after; requests without what it asks for are refused."""
    csrf = traffic_policy("route", csrf={})
    await proxy.apply(csrf, route(*RULES))
    for model, backend in (("gpt-4o", "alpha"), ("gpt-5", "beta"), ("other", "gamma")):
        assert (await ask(proxy, model, Origin="http://example.com")).backend == backend
        assert (await ask(proxy, model, Origin="https://evil.com")).status == 403


async def test_delegation_by_model(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """A rule that asks for a model delegates its requests to the routes of a team; others do not get there."""
    own = {**prefix("/anything", headers=[{"name": HEADER, "value": "own"}])}
    children = child_route("child", rule("httpbin", matches=[own]), namespace="team1")
    to_team = {"matches": [own], "backendRefs": [child("*", "team1")]}
    rest = rule("gamma", matches=[prefix("/anything")])
    parent = child_route("route", to_team, rest, parents=[OF_GATEWAY])
    await proxy.apply(teams(upstreams), *GRANTS, parent, children)
    assert (await ask(proxy, "own", "/anything/x")).backend == "alpha"
    for model in ("other", None):
        assert (await ask(proxy, model, "/anything/x", X_Gateway_Model_Name="own")).backend == "gamma"


async def test_websockets(proxy: Proxy, gamma: Upstream) -> None:
    """What changes the protocol has no model, and goes on to the rule that asks for none."""
    gamma.raw = shout
    await proxy.apply(route(*RULES))
    assert await talk(proxy, "/chat", "hello") == ["HELLO"]
