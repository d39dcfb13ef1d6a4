"""Headers of all requests and responses of a listener: changes before routes are chosen, and after everything else."""

from __future__ import annotations

import pytest

from tests.live.listener_policies import apply, problem
from tests.live.objects import Manifest, exact, gateway, listener_policy, prefix, route, rule, traffic_policy
from tests.live.processor import Processor
from tests.live.proxy import Proxy
from tests.live.test_listener_filters import filtered

EARLY: Manifest = {
    "set": [{"name": "x-tenant", "value": "red"}, {"name": "x-percent", "value": "50%"}],
    "add": [{"name": "x-more", "value": "%REQ(X-IN)%", "format": True}],
    "addIfAbsent": [{"name": "x-kept", "value": "new"}],
    "remove": ["x-bad"],
    "removeOnMatch": [
        {"prefix": "X-Debug-", "ignoreCase": True},
        {"exact": "x-exact"},
        {"suffix": "-internal"},
        {"contains": "secret"},
        {"regex": "x-re[0-9]+"},
    ],
}
LATE: Manifest = {
    "set": [{"name": "x-frame-options", "value": "DENY"}],
    "add": [{"name": "x-status", "value": "%RESPONSE_CODE%", "format": True}],
    "addIfAbsent": [{"name": "x-added", "value": "1"}],
    "remove": ["server"],
    "removeOnMatch": [{"prefix": "X-Powered-", "ignoreCase": True}],
}


async def test_requests_are_changed_before_routes_are_chosen(proxy: Proxy) -> None:
    """Routes match what the policy has made of the headers of a request, whatever the client sends in them."""
    matched = prefix("/", headers=[{"name": "x-tenant", "value": "red"}])
    await apply(
        proxy,
        listener_policy(httpSettings={"earlyRequestHeaderModifier": EARLY}),
        route(rule("beta", matches=[matched]), rule("alpha")),
    )
    sent = {"x-tenant": "blue", "x-in": "1", "x-more": "0", "x-kept": "old", "x-bad": "1", "x-debug-level": "9"}
    sent |= {"x-exact": "1", "x-one-internal": "1", "x-secrets": "1", "x-re12": "1", "x-re": "stays"}
    found = await proxy.request(headers=sent)
    assert found.backend == "beta"
    assert found.sent("x-tenant") == ["red"]
    assert found.sent("x-percent") == ["50%"]
    assert found.sent("x-more") == ["0", "1"]
    assert found.sent("x-kept") == ["old"]
    for name in sent.keys() - {"x-tenant", "x-in", "x-more", "x-kept", "x-re"}:
        assert found.sent(name) == []
    assert found.sent("x-re") == ["stays"]


async def test_filters_of_the_listener_see_the_changes(proxy: Proxy, one: Processor) -> None:
    """Of a listener with filters, headers are changed once: before the filters, and in responses after them."""
    settings = {"earlyRequestHeaderModifier": EARLY, "lateResponseHeaderModifier": LATE}
    await apply(
        proxy, gateway(filtered(proxy.port, "one")), listener_policy(httpSettings=settings), route(rule("alpha"))
    )
    found = await proxy.request(headers={"x-in": "1"})
    assert found.sent("x-more") == ["1"]
    assert found.headers.getall("x-status") == ["200"]


async def test_all_responses_are_changed(proxy: Proxy) -> None:
    """The headers of responses of backends, of routes that respond by themselves and of the proxy are changed."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "a.org", "statusCode": 302}}
    await apply(
        proxy,
        listener_policy(httpSettings={"lateResponseHeaderModifier": LATE}),
        route(
            rule("alpha", matches=[exact("/backend")]),
            rule(matches=[exact("/redirect")], filters=[redirect]),
            rule("nowhere", matches=[exact("/broken")]),
            rule("alpha", name="named", matches=[exact("/denied")]),
        ),
        traffic_policy(
            "rule", acl={"defaultAction": "Deny", "rules": []} | {"rules": [{"action": "Deny", "cidrs": ["0.0.0.0/0"]}]}
        ),
        traffic_policy(
            "route", "own", headerModifiers={"response": {"set": [{"name": "x-frame-options", "value": "no"}]}}
        ),
    )
    for path, status in (("/backend", 200), ("/redirect", 302), ("/broken", 500), ("/denied", 403), ("/none", 404)):
        found = await proxy.request(path)
        assert found.status == status
        assert found.headers.getall("x-frame-options") == ["DENY"], path
        assert found.headers.getall("x-status") == [str(status)]
        assert "server" not in found.headers
    refused = await proxy.request("/backend", headers={"x_under": "1"})
    assert (refused.status, refused.headers.getall("x-frame-options")) == (400, ["DENY"])


@pytest.mark.parametrize(
    ("field", "wrong", "said"),
    [
        ("earlyRequestHeaderModifier", {"set": [{"name": "x", "value": "%NO%", "format": True}]}, "set[x].value: "),
        ("earlyRequestHeaderModifier", {"removeOnMatch": [{"prefix": ":pa"}]}, "removeOnMatch[0].prefix: "),
        ("lateResponseHeaderModifier", {"removeOnMatch": [{"regex": ".*"}]}, "removeOnMatch[0].regex: "),
    ],
)
async def test_a_wrong_change_is_left_out(proxy: Proxy, field: str, wrong: Manifest, said: str) -> None:
    """A change that Envoy would not take leaves the field out, and the status says which it is."""
    await apply(proxy, listener_policy(httpSettings={field: wrong}), route(rule("alpha")))
    assert (await proxy.request()).status == 200
    assert f"httpSettings.{field}.{said}" in problem(proxy, "Accepted")["message"]
