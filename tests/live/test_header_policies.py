"""Changes of headers by TrafficPolicies (`headerModifiers`)."""

from __future__ import annotations

import pytest
from aiohttp import web

from tests.live.objects import Manifest, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream


def header(name: str, value: str, **fields: object) -> Manifest:
    """Return a header of a list."""
    return {"name": name, "value": value, **fields}


def modifier(request: Manifest | None = None, response: Manifest | None = None) -> Manifest:
    """Return a filter or two of a rule."""
    found = {"requestHeaderModifier": request, "responseHeaderModifier": response}
    return next({"type": name[0].upper() + name[1:], name: each} for name, each in found.items() if each)


def accepted(proxy: Proxy, name: str = "policy") -> tuple[str, str]:
    """Return the status and message of the condition Accepted of a policy."""
    return condition(proxy, "Accepted", name)


def condition(proxy: Proxy, type_: str, name: str = "policy") -> tuple[str, str]:
    """Return the status and message of a condition of a policy."""
    [ancestor] = proxy.status("TrafficPolicy", name)["ancestors"]
    [found] = (each for each in ancestor["conditions"] if each["type"] == type_)
    return found["status"], found["message"]


async def test_each_way(proxy: Proxy, alpha: Upstream) -> None:
    """Headers are set, added, added where they are missing, and removed by name or match, in both directions."""

    async def answer(_: Seen) -> web.Response:
        headers = [("x-set", "old"), ("x-add", "1"), ("x-there", "old"), ("x-gone", "1"), ("x-internal-a", "1")]
        return web.json_response({"backend": "alpha"}, headers=headers)

    changes = {
        "set": [header("X-Set", "100% new")],
        "add": [header("x-add", "2")],
        "addIfAbsent": [header("x-there", "new"), header("x-missing", "new")],
        "remove": ["X-Gone"],
        "removeOnMatch": [{"prefix": "X-Internal-"}],
    }
    await proxy.apply(
        traffic_policy("gateway", headerModifiers={"request": changes, "response": changes}), route(rule("alpha"))
    )
    sent = [("x-set", "old"), ("x-add", "1"), ("x-there", "old"), ("x-gone", "1"), ("X-Internal-A", "1")]
    alpha.answer = answer
    found = await proxy.request("/", headers=sent)
    [seen] = alpha.seen
    names = ("x-set", "x-add", "x-there", "x-missing", "x-gone", "x-internal-a")
    expected = [["100% new"], ["1", "2"], ["old"], ["new"], [], []]
    assert [seen.values(each) for each in names] == expected
    assert [found.headers.getall(each, []) for each in names] == expected


async def test_a_format(proxy: Proxy) -> None:
    """With `format`, commands stand for parts of the request and response."""
    request = {"set": [header("x-route", "%REQ(:METHOD)% %REQ(x-tenant)%", format=True)]}
    response = {"set": [header("x-code", "%RESPONSE_CODE%", format=True), header("x-literal", "%RESPONSE_CODE%")]}
    await proxy.apply(
        traffic_policy("route", headerModifiers={"request": request, "response": response}), route(rule("alpha"))
    )
    found = await proxy.request("/", headers={"x-tenant": "blue"})
    assert found.sent("x-route") == ["GET blue"]
    assert (found.headers["x-code"], found.headers["x-literal"]) == ("200", "%RESPONSE_CODE%")


async def test_responses_of_the_proxy(proxy: Proxy) -> None:
    """Responses that the proxy makes have the headers too: redirects, and errors of missing backends."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "b.com"}}
    await proxy.apply(
        traffic_policy("gateway", headerModifiers={"response": {"set": [header("x-frame-options", "DENY")]}}),
        route(rule(matches=[prefix("/moved")], filters=[redirect]), rule("alpha")),
    )
    found = await proxy.request("/moved")
    assert (found.status, found.headers["x-frame-options"]) == (302, "DENY")


async def test_levels_are_merged_by_name(proxy: Proxy) -> None:
    """A header is changed as the most specific level that names it says, in whichever list that is."""
    wide = {"set": [header("x-a", "wide"), header("x-b", "wide"), header("x-c", "wide")], "remove": ["x-d", "x-e"]}
    near = {"set": [header("x-b", "near"), header("x-d", "near")], "remove": ["x-c"]}
    await proxy.apply(
        traffic_policy("gateway", name="wide", headerModifiers={"request": wide}),
        traffic_policy("rule", headerModifiers={"request": near}),
        route(rule("alpha", name="named", matches=[prefix("/near")]), rule("alpha")),
    )
    names = ("x-a", "x-b", "x-c", "x-d", "x-e")
    sent = dict.fromkeys(names, "sent")
    found = await proxy.request("/", headers=sent)
    assert [found.sent(each) for each in names] == [["wide"], ["wide"], ["wide"], [], []]
    found = await proxy.request("/near", headers=sent)
    assert [found.sent(each) for each in names] == [["wide"], ["near"], [], ["near"], []]


@pytest.mark.parametrize("enforced", [False, True])
async def test_filters_of_a_rule(proxy: Proxy, enforced: bool) -> None:
    """What a rule does to a header by itself counts, in both directions, unless the policy is enforced."""
    policy = {"set": [header("x-a", "policy"), header("x-b", "policy")], "remove": ["x-c"]}
    own: Manifest = {
        "set": [header("x-a", "rule"), header("x-c", "rule")],
        "remove": ["x-b"],
        "add": [header("x-d", "rule")],
    }
    await proxy.apply(
        traffic_policy("gateway", headerModifiers={"request": policy, "response": policy}, enforced=enforced),
        route(rule("alpha", filters=[modifier(request=own), modifier(response=own)])),
    )
    names = ("x-a", "x-b", "x-c", "x-d")
    found = await proxy.request("/", headers={"x-b": "sent", "x-c": "sent"})
    expected = [["policy"], ["policy"], [], ["rule"]] if enforced else [["rule"], [], ["rule"], ["rule"]]
    assert [found.sent(each) for each in names] == expected
    assert [found.headers.getall(each, []) for each in names] == expected


@pytest.mark.parametrize("match", [{"suffix": "s"}, {"contains": "TAT"}, {"regex": "[^:].*s"}], ids=str)
async def test_a_match_leaves_the_status(proxy: Proxy, alpha: Upstream, match: Manifest) -> None:
    """A match that the name of the status in HTTP/2 has too removes headers only."""

    async def answer(_: Seen) -> web.Response:
        return web.json_response({"backend": "alpha"}, status=201, headers={"x-status": "1", "x-kept": "1"})

    alpha.answer = answer
    await proxy.apply(
        traffic_policy("route", headerModifiers={"response": {"removeOnMatch": [match]}}), route(rule("alpha"))
    )
    found = await proxy.request("/")
    assert (found.status, "x-status" in found.headers, "x-kept" in found.headers) == (201, False, True)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"request": {"set": [header("x-a", "%NOTHING%", format=True)]}}, "request.set[x-a].value"),
        ({"response": {"addIfAbsent": [header("x-a", "50%", format=True)]}}, "response.addIfAbsent[x-a].value"),
        ({"response": {"removeOnMatch": [{"regex": ".*"}]}}, "response.removeOnMatch[0].regex"),
        ({"request": {"removeOnMatch": [{"regex": "(x"}]}}, "request.removeOnMatch[0].regex"),
        ({"request": {"removeOnMatch": [{"prefix": ":"}]}}, "request.removeOnMatch[0].prefix"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_wrong_values_are_left_out(proxy: Proxy, changes: Manifest, path: str) -> None:
    """What Envoy would refuse, or responses would break by, is said in the status, and requests go on without it."""
    await proxy.apply(traffic_policy("route", headerModifiers=changes), route(rule("alpha")))
    assert (await proxy.request("/", headers={"x-a": "1"})).sent("x-a") == ["1"]
    status, message = accepted(proxy)
    assert status == "False"
    assert message.startswith(f"spec.headerModifiers.{path}: ")


async def test_values_of_secrets_are_closed(proxy: Proxy) -> None:
    """While a Secret is missing, no request reaches the backend without its value; other routes are served."""
    changes = {"set": [{"name": "authorization", "secretRef": {"name": "token", "key": "value"}}]}
    await proxy.apply(
        traffic_policy("rule", headerModifiers={"request": changes}),
        route(rule("alpha", name="named", matches=[prefix("/closed")]), rule("alpha")),
    )
    found = await proxy.request("/closed")
    assert found.status == 500
    assert (await proxy.request("/")).backend == "alpha"
    status, message = condition(proxy, "ResolvedRefs")
    assert (status, message.partition(": ")[0]) == (
        "False",
        "spec.headerModifiers.request.set[authorization].secretRef",
    )
