"""Rewrites of Host and path by TrafficPolicies (`hostRewrite`, `appendXForwardedHost`, `urlRewrite`)."""

from __future__ import annotations

import pytest

from tests.live.objects import Manifest, prefix, route, rule, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.test_header_policies import accepted
from tests.live.test_rewrites import full, instead, rewrite
from tests.live.upstream import Upstream

TENANT = {"pattern": "^/([a-z]+)(/.*)?$", "substitution": r"\1.example.com"}


def named(upstream: Upstream) -> Manifest:
    """Return a Service whose backend Envoy finds by DNS."""
    return service("named", upstream.port, type="ExternalName", externalName="localhost")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ({"literal": "shop.internal:8080"}, "shop.internal:8080"),
        ({"header": "x-tenant-host"}, "blue.example.com"),
        ({"header": "x-missing"}, "example.com"),
        ({"pathRegex": TENANT}, "blue.example.com"),
        ({"auto": {}}, "example.com"),
    ],
    ids=str,
)
async def test_the_host(proxy: Proxy, host: Manifest, expected: str) -> None:
    """Backends get the Host that the policy says: a text, a header, or a part of the path; others keep theirs."""
    await proxy.apply(traffic_policy("gateway", hostRewrite=host), route(rule("alpha")))
    found = await proxy.request("/blue/cart?a=/b", headers={"x-tenant-host": "blue.example.com"})
    assert (found.sent("host"), found.path) == ([expected], "/blue/cart?a=/b")


@pytest.mark.parametrize("short", [{"autoHostRewrite": True}, {"hostRewrite": {"auto": {}}}], ids=str)
async def test_the_name_of_the_backend(proxy: Proxy, alpha: Upstream, short: Manifest) -> None:
    """A backend that is found by DNS gets its own name as Host, and is told the one of before if that is asked for."""
    await proxy.apply(
        named(alpha),
        traffic_policy("gateway", appendXForwardedHost=True, **short),
        route(rule({"name": "named", "port": alpha.port}, matches=[prefix("/named")]), rule("alpha")),
    )
    found = await proxy.request("/named")
    assert (found.sent("host"), found.sent("x-forwarded-host")) == (["localhost"], ["example.com"])
    assert (await proxy.request("/")).sent("host") == ["example.com"]


async def test_levels_of_hosts(proxy: Proxy) -> None:
    """A more specific policy says another way, or that Host stays as it is."""
    await proxy.apply(
        traffic_policy("gateway", name="wide", hostRewrite={"header": "x-host"}),
        traffic_policy("rule", hostRewrite={"literal": "near.example.com"}),
        route(rule("alpha", name="named", matches=[prefix("/near")]), rule("alpha")),
    )
    headers = {"x-host": "wide.example.com"}
    assert (await proxy.request("/", headers=headers)).sent("host") == ["wide.example.com"]
    assert (await proxy.request("/near", headers=headers)).sent("host") == ["near.example.com"]
    await proxy.apply(traffic_policy("rule", hostRewrite={"disable": {}}))
    assert (await proxy.request("/near", headers=headers)).sent("host") == ["example.com"]


async def test_an_enforced_name_of_the_backend(proxy: Proxy, alpha: Upstream) -> None:
    """A rule cannot have another Host where a policy enforces the backend's name."""
    filters = [rewrite(hostname="own.example.com")]
    await proxy.apply(
        named(alpha),
        traffic_policy("gateway", enforced=True, hostRewrite={"auto": {}}),
        route(rule({"name": "named", "port": alpha.port}, filters=filters)),
    )
    assert (await proxy.request("/")).sent("host") == ["localhost"]


async def test_no_backend_has_a_name(proxy: Proxy) -> None:
    """A policy of a route none of whose backends has a name says so; Host stays."""
    await proxy.apply(traffic_policy("route", hostRewrite={"auto": {}}), route(rule("alpha")))
    assert (await proxy.request("/")).sent("host") == ["example.com"]
    status, message = accepted(proxy)
    assert (status, message.partition(": none")[0]) == ("False", "HTTPRoute route: spec.hostRewrite.auto")


@pytest.mark.parametrize("enforced", [False, True])
async def test_hosts_of_rules(proxy: Proxy, enforced: bool) -> None:
    """The Host that filters of a rule set counts, also that of a backend, unless the policy is enforced."""
    modifier = {"requestHeaderModifier": {"set": [{"name": "Host", "value": "own.example.com"}]}}
    modified = {"type": "RequestHeaderModifier", **modifier}
    rewritten = rewrite(hostname="own.example.com")
    await proxy.apply(
        traffic_policy("gateway", hostRewrite={"literal": "policy.example.com"}, enforced=enforced),
        route(
            rule("alpha", matches=[prefix("/modified")], filters=[modified]),
            rule("alpha", matches=[prefix("/rewritten")], filters=[rewritten]),
            rule({"name": "alpha", "filters": [modified]}, matches=[prefix("/weighted")]),
            rule({"name": "alpha", "filters": [rewritten]}, matches=[prefix("/share")]),
        ),
    )
    for path in ("/modified", "/rewritten", "/weighted", "/share"):
        expected = "policy.example.com" if enforced else "own.example.com"
        assert (await proxy.request(path)).sent("host") == [expected], path


async def test_the_path(proxy: Proxy) -> None:
    """All matches of the expression in the path are replaced, and nothing in the query."""
    swap = {"pattern": "^/api/([^/]+)/v([0-9])", "substitution": r"/v\2/\1"}
    await proxy.apply(traffic_policy("route", urlRewrite={"pathRegex": swap}), route(rule("alpha")))
    assert (await proxy.request("/api/cart/v2/items?next=/api/cart/v2")).path == "/v2/cart/items?next=/api/cart/v2"
    assert (await proxy.request("/other")).path == "/other"


@pytest.mark.parametrize("change", [full("/own"), instead("/own")], ids=str)
async def test_paths_of_rules(proxy: Proxy, change: Manifest) -> None:
    """A filter of a rule, or of its backend, that rewrites the path wins; one that rewrites the hostname does not."""
    swap = {"pattern": "^/.*$", "substitution": "/policy"}
    await proxy.apply(
        traffic_policy("route", urlRewrite={"pathRegex": swap}),
        route(
            rule("alpha", matches=[prefix("/rule")], filters=[rewrite(path=change)]),
            rule({"name": "alpha", "filters": [rewrite(path=change)]}, matches=[prefix("/backend")]),
            rule("alpha", matches=[prefix("/host")], filters=[rewrite(hostname="own.example.com")]),
        ),
    )
    assert (await proxy.request("/rule")).path == "/own"
    assert (await proxy.request("/backend")).path == "/own"
    found = await proxy.request("/host")
    assert (found.path, found.sent("host")) == ("/policy", ["own.example.com"])


@pytest.mark.parametrize(
    ("unit", "value", "field"),
    [
        ("urlRewrite", {"pattern": "(a", "substitution": ""}, "pattern"),
        ("urlRewrite", {"pattern": "(a)", "substitution": r"\2"}, "substitution"),
        ("hostRewrite", {"pattern": "a", "substitution": r"\x"}, "substitution"),
        ("hostRewrite", {"pattern": "(((a{100}){100}){100})", "substitution": "a"}, "pattern"),
    ],
)
async def test_wrong_expressions_are_left_out(proxy: Proxy, unit: str, value: Manifest, field: str) -> None:
    """An expression that RE2 refuses, and a group that it has not, are said in the status, and nothing is rewritten."""
    spec: Manifest = {unit: {"pathRegex": value}}
    await proxy.apply(traffic_policy("route", **spec), route(rule("alpha")))
    found = await proxy.request("/a")
    assert (found.path, found.sent("host")) == ("/a", ["example.com"])
    status, message = accepted(proxy)
    assert (status, message.partition(": ")[0]) == ("False", f"spec.{unit}.pathRegex.{field}")
