"""Session persistence (GEP-1619), with several endpoints of a Service and several Services."""

from __future__ import annotations

from collections import Counter
from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest

from tests.live.certificates import client, tls_secret
from tests.live.objects import Manifest, endpoints, gateway, route, rule, service, traffic_policy
from tests.live.proxy import Proxy, Response
from tests.live.test_backend_filters import backend, is_share
from tests.live.test_https import https
from tests.live.test_rewrites import full, rewrite
from tests.live.upstream import Upstream
from translator.refs import Ref

REQUESTS = 30


def cookie(**config: Any) -> Manifest:
    """Return the session persistence by a cookie; `absoluteTimeout` is not the cookie's."""
    timeout = {name: config.pop(name) for name in ("absoluteTimeout",) if name in config}
    return {"type": "Cookie", "cookie": {"path": "/", **config}, **timeout}


def cookies(response: Response) -> list[Morsel[str]]:
    """Return the cookies that a response sets."""
    found: SimpleCookie = SimpleCookie()
    for each in response.headers.getall("set-cookie", []):
        found.load(each)
    return list(found.values())


def sent(*found: Morsel[str]) -> dict[str, str]:
    """Return the header of a client with cookies."""
    return {"cookie": "; ".join(f"{each.key}={each.coded_value}" for each in found)} if found else {}


@pytest.fixture
def everywhere(alpha: Upstream, beta: Upstream, gamma: Upstream) -> list[Manifest]:
    """Return a Service with three endpoints."""
    return [service("sticky"), *endpoints("sticky", [each.port for each in (alpha, beta, gamma)])]


async def visited(proxy: Proxy, headers: dict[str, str], path: str = "/") -> set[str]:
    """Return the backends of many requests with these headers."""
    return {(await proxy.request(path, headers=headers)).backend for _ in range(REQUESTS)}


async def test_a_cookie_keeps_a_client_at_its_endpoint(proxy: Proxy, everywhere: list[Manifest]) -> None:
    """Each client gets a cookie once, with which it always gets to its endpoint; others get to all of them."""
    await proxy.apply(*everywhere, route(rule("sticky", sessionPersistence=cookie(name="where"))))
    assert await visited(proxy, {}) == {"alpha", "beta", "gamma"}
    for _ in range(4):
        first = await proxy.request()
        [found] = cookies(first)
        assert (found.key, found["path"], found["max-age"], found["expires"]) == ("where", "/", "", "")
        assert (found["httponly"], found["samesite"], found["secure"]) == (True, "Strict", "")
        assert await visited(proxy, {"cookie": f"other=1; {sent(found)['cookie']}"}) == {first.backend}
        again = await proxy.request(headers=sent(found))
        assert cookies(again) == []
        assert again.sent("cookie") == [sent(found)["cookie"]]


async def test_an_endpoint_is_gone(
    proxy: Proxy, everywhere: list[Manifest], alpha: Upstream, beta: Upstream, gamma: Upstream
) -> None:
    """Its clients get another one, and a cookie for that; what is no endpoint is never asked."""
    await proxy.apply(*everywhere, route(rule("sticky", sessionPersistence=cookie(name="where"))))
    first = await proxy.request()
    [old] = cookies(first)
    port = {"alpha": alpha, "beta": beta, "gamma": gamma}[first.backend].port
    await proxy.delete(Ref("EndpointSlice", "default", f"sticky-{port}"))
    second = await proxy.request(headers=sent(old))
    [new] = cookies(second)
    assert second.backend != first.backend
    assert await visited(proxy, sent(new)) == {second.backend}
    assert first.backend not in await visited(proxy, {"cookie": "where=bm9uc2Vuc2U="})


async def test_a_permanent_cookie(proxy: Proxy, everywhere: list[Manifest]) -> None:
    """It has the time that the rule gives, and its path; from an HTTPS listener it is for HTTPS only."""
    lasting = cookie(lifetimeType="Permanent", absoluteTimeout="5m", path="/shop")
    made = gateway(https(proxy, "own"))
    await proxy.apply(tls_secret("own", "a.org"), made, *everywhere, route(rule("sticky", sessionPersistence=lasting)))
    response = await proxy.request("/shop/a", ssl=client(), server_hostname="a.org", host="a.org")
    [found] = cookies(response)
    assert (found["max-age"], found["path"], found["secure"]) == ("300", "/shop", True)
    assert found.key.startswith("session-")


async def test_rules_have_cookies_of_their_own(proxy: Proxy, everywhere: list[Manifest]) -> None:
    """Cookies without a name get one for each rule, so that a client has a session with both."""
    rules = [rule("sticky", matches=[{"path": {"value": f"/{each}"}}], sessionPersistence=cookie()) for each in "ab"]
    await proxy.apply(*everywhere, route(*rules))
    found = [cookies(await proxy.request(f"/{each}"))[0] for each in "ab"]
    assert found[0].key != found[1].key
    assert [len(await visited(proxy, sent(*found), f"/{each}")) for each in "ab"] == [1, 1]


@pytest.mark.parametrize("filters", [[], [rewrite(path=full("/x"))]], ids=["plain", "routes-of-their-own"])
async def test_a_session_does_not_choose_the_backend(
    proxy: Proxy, everywhere: list[Manifest], alpha: Upstream, beta: Upstream, filters: list[Manifest]
) -> None:
    """Backends get their shares whatever cookies a client has, and with each it has a session of its own."""
    await proxy.apply(*everywhere, service("pair"), *endpoints("pair", [alpha.port, beta.port]))
    backends = (backend("sticky", *filters, weight=7), backend("pair", weight=3))
    await proxy.apply(route(rule(*backends, sessionPersistence=cookie(name="where"))))
    known: dict[str, Morsel[str]] = {}
    while len(known) < 2:
        known |= {each.key: each for each in cookies(await proxy.request(headers=sent(*known.values())))}
    assert all(name.startswith("where-") for name in known)
    before = await requests(proxy)
    seen = Counter([(await proxy.request(headers=sent(*known.values()))).backend for _ in range(200)])
    after = await requests(proxy)
    assert len(seen) <= 2
    assert is_share(after["sticky"] - before["sticky"], 200, 0.7)
    assert after["pair"] - before["pair"] + after["sticky"] - before["sticky"] == 200


async def requests(proxy: Proxy) -> dict[str, int]:
    """Return how many requests there were so far to the clusters of each Service."""
    found: Counter[str] = Counter()
    for line in (await proxy.admin("/stats?filter=upstream_rq_total")).splitlines():
        name, _, number = line.rpartition(": ")
        found[name.removeprefix("cluster.default/").partition("_80/")[0]] += int(number)
    return found


def persisting(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with session persistence."""
    return traffic_policy(level, name, sessionPersistence=fields)


async def test_a_policy(proxy: Proxy, everywhere: list[Manifest], alpha: Upstream, beta: Upstream) -> None:
    """A Gateway's policy gives each backend a cookie; what a rule asks for wins, and a policy switches it off."""
    rules = [
        rule("sticky", matches=[{"path": {"value": "/a"}}]),
        rule("pair", matches=[{"path": {"value": "/b"}}]),
        rule("sticky", matches=[{"path": {"value": "/own"}}], sessionPersistence=cookie(name="own")),
        rule("sticky", name="named", matches=[{"path": {"value": "/off"}}]),
    ]
    await proxy.apply(*everywhere, service("pair"), *endpoints("pair", [alpha.port, beta.port]), route(*rules))
    await proxy.apply(persisting(cookie={"name": "where"}), persisting("rule", "off", disable={}))
    first = {path: await proxy.request(path) for path in ("/a", "/b", "/own", "/off")}
    found = {path: cookies(each) for path, each in first.items()}
    assert [len(each) for each in found.values()] == [1, 1, 1, 0]
    names = [found[path][0].key for path in ("/a", "/b", "/own")]
    assert names[0] != names[1]
    assert [each.partition("-")[0] for each in names] == ["where", "where", "own"]
    sent_all = sent(*(each[0] for each in found.values() if each))
    for path in ("/a", "/b", "/own"):
        assert await visited(proxy, sent_all, path) == {first[path].backend}
    assert await visited(proxy, sent_all, "/off") == {"alpha", "beta", "gamma"}


async def test_a_policy_that_is_strict(proxy: Proxy, everywhere: list[Manifest]) -> None:
    """Requests whose endpoint is gone are refused, where a policy says so; others get another one."""
    await proxy.apply(*everywhere, route(rule("sticky")))
    gone = {"x-session": "MTI3LjAuMC4xOjE="}  # 127.0.0.1:1
    for strict, status in ((True, 503), (False, 200)):
        await proxy.apply(persisting(type="Header", header={"name": "x-session"}, strict=strict))
        first = await proxy.request()
        assert await visited(proxy, {"x-session": first.headers["x-session"]}) == {first.backend}
        assert (await proxy.request(headers=gone)).status == status


async def test_a_policy_that_envoy_cannot_follow(proxy: Proxy, everywhere: list[Manifest]) -> None:
    """A policy whose sessions cannot be had is left out, and says why."""
    await proxy.apply(*everywhere, route(rule("sticky")), persisting(cookie={}, absoluteTimeout="5m"))
    assert cookies(await proxy.request()) == []
    accepted = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"][0]
    assert (accepted["status"], accepted["reason"]) == ("False", "Invalid")
    assert "spec.sessionPersistence.absoluteTimeout is supported for cookies with lifetimeType" in accepted["message"]


async def test_a_header_keeps_a_client_at_its_endpoint(proxy: Proxy, everywhere: list[Manifest]) -> None:
    """The response has the header that a client sends again to get to its endpoint."""
    sticky = {"type": "Header", "header": {"name": "x-session"}}
    await proxy.apply(*everywhere, route(rule("sticky", sessionPersistence=sticky)))
    for _ in range(4):
        first = await proxy.request()
        assert await visited(proxy, {"x-session": first.headers["x-session"]}) == {first.backend}
