"""Models that nobody may use: no request for one reaches a backend, whatever else the request says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import aiohttp
import pytest

from tests.live.model_routes import ask, at_models, model_route, models, post
from tests.live.objects import Manifest, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream

HEADER = "X-Gateway-Model-Name"
DENIED: Manifest = {"rbac": {"action": "Deny", "policy": {"matchExpressions": ["true"]}}}
BY_HEADER: Manifest = {
    "rbac": {
        "action": "Deny",
        "policy": {"matchExpressions": [f"request.headers['{HEADER.lower()}'] == 'secret'"]},
    }
}

OPEN, SECRET = models("open", to="alpha", name="open"), models("secret", to="beta", name="named")
HTTP_RULES = (
    rule("alpha", name="open", matches=[prefix("/", headers=[{"name": HEADER, "value": "open"}])]),
    rule("beta", name="named", matches=[prefix("/", headers=[{"name": HEADER, "value": "secret"}])]),
    rule("gamma"),
)
DENIALS: dict[str, tuple[Manifest, ...]] = {
    "rule of a ModelRoute": (model_route(OPEN, SECRET, models(to="gamma")), at_models("named", **DENIED)),
    "header at a ModelRoute": (model_route(OPEN, SECRET, models(to="gamma")), at_models(**BY_HEADER)),
    "rule of an HTTPRoute": (route(*HTTP_RULES), traffic_policy("rule", **DENIED)),
    "header at an HTTPRoute": (route(*HTTP_RULES), traffic_policy("route", **BY_HEADER)),
}
"""Ways to deny a model; another one is open, and all others go to gamma."""


@pytest.mark.parametrize("denial", DENIALS)
async def test_a_denied_model(proxy: Proxy, beta: Upstream, denial: str) -> None:
    """Requests for the model get an error, with and without a header of the client; others are served."""
    await proxy.apply(*DENIALS[denial])
    for own in ("", "open", "secret", "other"):
        headers = {"X_Gateway_Model_Name": own} if own else {}
        assert (await ask(proxy, "secret", **headers)).status in (403, 500)
        assert (await ask(proxy, "open", **headers)).backend == "alpha"
        assert (await ask(proxy, "other", **headers)).backend == "gamma"
    assert beta.seen == []


def odd_requests(number: int) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Yield requests for the denied model, by all means of saying so that there are."""
    bodies = (
        b'{"model": "secret"}',
        b'{"model":"\\u0073ecret"}',
        b'{"mod\\u0065l": "secret"}',
        b'\n\t {"messages": [], "model" : "secret" }\n',
        b'{"messages": [{"model": "open"}], "model": "secret"}',
        b'{"model": "open", "model": "secret"}',
        b'{"model": "secret", "model": "open"}',
        json.dumps({"input": "a" * 3000, "model": "secret"}).encode(),
        b'{"model": "secret"',
        b'{"model": "secret"} {"model": "open"}',
    )
    owns: tuple[dict[str, str], ...] = (
        {},
        {HEADER: "open"},
        {HEADER.lower(): "secret"},
        {HEADER.upper(): "other"},
        {HEADER: "open, secret"},
    )
    types = (
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data"},
    )
    for place in range(number):
        yield bodies[place % len(bodies)], {**owns[place % len(owns)], **types[place % len(types)]}


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("number", [60, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_no_request_for_a_denied_model_passes(
    proxy: Proxy, beta: Upstream, gamma: Upstream, denial: str, number: int
) -> None:
    """None of ten thousand requests for the model reaches the backend of it, nor that of the rest with this model."""
    await proxy.apply(*DENIALS[denial])
    async with aiohttp.ClientSession() as http:
        for body, headers in odd_requests(number):
            found = await proxy.request("/v1/chat/completions", method="POST", headers=headers, body=body, http=http)
            assert found.status != 200, (body, headers)
    assert beta.seen == gamma.seen == []
    assert (await post(proxy, b'{"model": "open"}')).backend == "alpha"
