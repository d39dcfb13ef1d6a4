"""CORS of a Gateway or listener by a TrafficPolicy: what all routes inherit, and what rules have of their own."""

from __future__ import annotations

import pytest

from tests.live.cors import preflight, told
from tests.live.objects import Manifest, exact, gateway, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy, Response

WIDE = {"allowOrigins": ["https://wide.com"], "allowMethods": ["PUT"], "exposeHeaders": ["x-wide"], "maxAge": 9}
OWN = {"allowOrigins": ["https://own.com"]}
TO_WIDE = {"allow-origin": "https://wide.com", "allow-methods": "PUT", "expose-headers": "x-wide", "max-age": "9"}


def own(*matches: Manifest) -> Manifest:
    """Return a rule with a CORS filter of its own."""
    return rule("alpha", matches=list(matches), filters=[{"type": "CORS", "cors": OWN}])


async def ask(proxy: Proxy, path: str, origin: str, method: str = "GET", host: str = "example.com") -> Response:
    """Send the preflight for a request to a path."""
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return await proxy.request(path, method="OPTIONS", host=host, headers=headers)


async def test_preflights_of_rules_that_match_a_method(proxy: Proxy) -> None:
    """OPTIONS is no request of such a rule; its preflights are answered all the same, and not by what OPTIONS meets."""
    moved = [{"type": "RequestRedirect", "requestRedirect": {"hostname": "b.com"}}]
    await proxy.apply(
        traffic_policy("gateway", cors=WIDE),
        route(
            rule("alpha", matches=[prefix("/get", method="GET")]),
            rule("alpha", matches=[prefix("/covered/get", method="GET")]),
            rule(matches=[prefix("/covered")], filters=moved),
            rule("beta", matches=[prefix("/any"), exact("/options", method="OPTIONS")]),
        ),
    )
    for path in ("/get", "/covered/get", "/covered", "/any", "/options", "/nothing"):
        assert told(await ask(proxy, path, "https://wide.com")) == TO_WIDE
        foreign = await ask(proxy, path, "https://evil.com")
        assert (foreign.status, told(foreign), foreign.body) == (200, {}, b"")
    plain = await proxy.request("/any", method="OPTIONS", headers={"Origin": "https://wide.com"})
    assert plain.backend == "beta"
    assert told(plain) == {"allow-origin": "https://wide.com", "expose-headers": "x-wide"}


@pytest.mark.parametrize("level", ["gateway", "listener"])
async def test_a_filter_of_a_rule_wins(proxy: Proxy, level: str) -> None:
    """A rule with a filter gets nothing of the policy, and other rules nothing of the filter, preflights neither."""
    await proxy.apply(
        traffic_policy(level, cors=WIDE),
        route(
            own(prefix("/own"), exact("/method", method="GET")),
            rule("beta", matches=[prefix("/own/wide"), prefix("/own", method="POST"), prefix("/")]),
        ),
    )
    for path, method in (("/own", "GET"), ("/own/below", "DELETE"), ("/method", "GET")):
        assert told(await ask(proxy, path, "https://own.com", method)) == {
            "allow-origin": "https://own.com",
            "max-age": "5",
        }
        assert told(await ask(proxy, path, "https://wide.com", method)) == {}
    for path, method in (("/own/wide", "GET"), ("/own", "POST"), ("/method", "PUT"), ("/", "GET")):
        assert told(await ask(proxy, path, "https://wide.com", method)) == TO_WIDE
        assert told(await ask(proxy, path, "https://own.com", method)) == {}
    for path, backend, origin in (("/own", "alpha", "https://own.com"), ("/own/wide", "beta", "https://wide.com")):
        for sent in ("https://own.com", "https://wide.com"):
            actual = await proxy.request(path, headers={"Origin": sent})
            assert actual.backend == backend
            assert told(actual).get("allow-origin") == (sent if sent == origin else None)
            assert told(actual).get("expose-headers") == ("x-wide" if sent == origin == "https://wide.com" else None)


@pytest.mark.parametrize("level", ["gateway", "listener"])
async def test_a_rule_without(proxy: Proxy, level: str) -> None:
    """Where a rule's policy switches it off, or replaces all, no page is allowed anything; other rules stay so."""
    named = rule("alpha", name="named", matches=[prefix("/off")])
    await proxy.apply(traffic_policy(level, cors=WIDE), route(named, rule("beta")))
    nothing: list[Manifest] = [{"cors": {"disable": {}}}, {"inheritance": "Replace", "csrf": {}}]
    for fields in nothing:
        await proxy.apply(traffic_policy("rule", "off", **fields))
        for path, expected in (("/off", {}), ("/other", TO_WIDE)):
            assert told(await ask(proxy, path, "https://wide.com", "PUT")) == expected
            found = await proxy.request(path, headers={"Origin": "https://wide.com"})
            assert found.status == 200
            assert told(found).get("allow-origin") == expected.get("allow-origin")
    await proxy.apply(traffic_policy(level, cors={"disable": {}}))
    assert told(await ask(proxy, "/other", "https://wide.com", "PUT")) == {}


async def test_answers_without_a_backend(proxy: Proxy) -> None:
    """Pages may read errors too: that a backend is missing, or that none of it answers."""
    await proxy.apply(
        traffic_policy("gateway", cors=WIDE),
        route(rule("none", matches=[prefix("/missing")]), rule("alpha", "none", matches=[prefix("/split")])),
    )
    found = await proxy.request("/missing", headers={"Origin": "https://wide.com"})
    assert (found.status, told(found)["allow-origin"]) == (500, "https://wide.com")
    for _ in range(8):
        found = await proxy.request("/split", headers={"Origin": "https://wide.com"})
        assert found.status in (200, 500)
        assert told(found)["allow-origin"] == "https://wide.com"


async def test_header_modifiers_of_a_rule_come_after(proxy: Proxy) -> None:
    """What a rule does to response headers is done to what it inherits too."""
    changes = {"set": [{"name": "access-control-expose-headers", "value": "x-mine"}], "remove": ["vary"]}
    modified = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": changes}]
    await proxy.apply(traffic_policy("gateway", cors=WIDE), route(rule("alpha", filters=modified)))
    found = await proxy.request("/", headers={"Origin": "https://wide.com"})
    assert told(found) == {"allow-origin": "https://wide.com", "expose-headers": "x-mine"}
    assert "vary" not in found.headers


async def test_listeners_of_one_port_differ(proxy: Proxy) -> None:
    """Each listener's routes inherit from its own policy, merged with the Gateway's; without one, from that alone."""
    names = ("http", "other", "plain")
    listeners = [
        {"name": each, "protocol": "HTTP", "port": proxy.port, "hostname": f"{each}.example.com"} for each in names
    ]
    other = traffic_policy("listener", name="other", cors={"allowOrigins": ["https://other.com"]})
    other["spec"]["targetRefs"][0]["sectionName"] = "other"
    await proxy.apply(
        gateway(*listeners), other, traffic_policy("listener", cors=OWN), route(rule("alpha"), own(exact("/own")))
    )
    for host, origin in (("http", "https://own.com"), ("other", "https://other.com"), ("plain", "")):
        for sent in ("https://own.com", "https://other.com"):
            expected = {"allow-origin": sent, "max-age": "5"} if sent == origin else {}
            asked = await ask(proxy, "/", sent, host=f"{host}.example.com")
            assert told(asked) == expected
            assert asked.body == b"" or host == "plain"
    assert (
        told(await ask(proxy, "/own", "https://own.com", host="other.example.com"))["allow-origin"] == "https://own.com"
    )
    await proxy.apply(traffic_policy("gateway", name="wide", cors=WIDE))
    for host, origin in (("http", "https://own.com"), ("other", "https://other.com"), ("plain", "https://wide.com")):
        merged = {"allow-origin": origin, "allow-methods": "PUT", "expose-headers": "x-wide", "max-age": "9"}
        assert told(await ask(proxy, "/", origin, host=f"{host}.example.com")) == merged


async def test_the_longest_lists(proxy: Proxy) -> None:
    """Envoy takes as many and as long origins and names as a policy may have."""
    labels = ".".join("a" * 50 for _ in range(4))
    origins = [f"https://{'*.' if number % 2 else ''}{labels}.{number:02}.example.com:8443" for number in range(64)]
    names = [f"x-{number:02}-{'b' * 100}" for number in range(64)]
    await proxy.apply(
        traffic_policy("gateway", cors={"allowOrigins": origins, "allowHeaders": names, "exposeHeaders": names}),
        route(rule("alpha")),
    )
    assert proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"][0]["status"] == "True"
    for number, start in ((0, ""), (1, "z."), (62, ""), (63, "y.z.")):
        origin = f"https://{start}{labels}.{number:02}.example.com:8443"
        assert told(await preflight(proxy, origin))["allow-headers"] == ", ".join(sorted(names))
        assert told(await preflight(proxy, origin.replace(":8443", ""))) == {}


async def test_odd_names_of_headers(proxy: Proxy) -> None:
    """Names of headers are told as they are, whatever they mean in an expression."""
    odd = ["x-'quoted'", "x-100%", "x-%CEL", "x-`a`|b^c~d#e$f&g*h+i!"]
    await proxy.apply(
        traffic_policy("gateway", cors={"allowOrigins": ["*"], "exposeHeaders": odd}), route(rule("alpha"))
    )
    found = await proxy.request("/", headers={"Origin": "https://a.com"})
    assert found.headers["access-control-expose-headers"] == ", ".join(odd)
