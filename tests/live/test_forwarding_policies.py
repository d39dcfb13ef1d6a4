"""Where requests go by TrafficPolicies: mirrors, internal redirects, upgrades, hashes."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from tests.live.certificates import client, tls_secret
from tests.live.objects import Manifest, exact, gateway, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.test_header_policies import condition
from tests.live.test_https import https
from tests.live.test_mirrors import mirror
from tests.live.upstream import Answer, Seen, Upstream
from tests.live.websockets import shout, talk
from translator.conditions import NO_EFFECT

REQUESTS = 300
BETA = {"name": "beta", "port": 80}


async def test_a_mirror(proxy: Proxy, beta: Upstream) -> None:
    """Another backend gets a copy of each request, with the Host that the policy says."""
    mirrored = {"backendRef": BETA, "hostRewriteLiteral": "copy.example.com"}
    await proxy.apply(traffic_policy("gateway", requestMirror=mirrored), route(rule("alpha")))
    assert (await proxy.request("/m?a=b", method="POST", body=b"body")).backend == "alpha"
    [copy] = await beta.saw(1)
    assert (copy.method, copy.path, copy.host, copy.body) == ("POST", "/m?a=b", "copy.example.com", b"body")


async def test_the_suffix_of_mirrors(proxy: Proxy, beta: Upstream) -> None:
    """With `disableShadowHostSuffixAppend: false`, the Host of copies says that they are copies."""
    mirrored = {"backendRef": BETA, "disableShadowHostSuffixAppend": False}
    await proxy.apply(traffic_policy("gateway", requestMirror=mirrored), route(rule("alpha")))
    await proxy.request("/")
    [copy] = await beta.saw(1)
    assert copy.host == "example.com-shadow"


@pytest.mark.parametrize("own", [False, True])
async def test_a_share_is_mirrored(proxy: Proxy, beta: Upstream, own: bool) -> None:
    """Of many requests a share is copied, by the mirror of a policy or by the rule's own that has no share."""
    mirrored: Manifest = {"share": "20%"} if own else {"share": "20%", "backendRef": BETA}
    filters = [mirror("beta")] if own else []
    await proxy.apply(traffic_policy("gateway", requestMirror=mirrored), route(rule("alpha", filters=filters)))
    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(proxy.request("/", http=http) for _ in range(REQUESTS)))
    await proxy.quiet("default/beta:80")
    # Five standard deviations of the binomial distribution: one run in a million is outside.
    assert abs(len(beta.seen) - REQUESTS * 0.2) <= 5 * (REQUESTS * 0.2 * 0.8) ** 0.5


async def test_mirrors_of_rules(proxy: Proxy, beta: Upstream, gamma: Upstream) -> None:
    """A rule keeps its own mirrors, with the Host that the policy gives copies."""
    mirrored = {"backendRef": {"name": "gamma", "port": 80}, "hostRewriteLiteral": "copy.example.com"}
    await proxy.apply(
        traffic_policy("gateway", requestMirror=mirrored),
        route(rule("alpha", matches=[prefix("/own")], filters=[mirror("beta")]), rule("alpha")),
    )
    await proxy.request("/own")
    [copy] = await beta.saw(1)
    await proxy.request("/")
    [other] = await gamma.saw(1)
    assert [(each.path, each.host) for each in (copy, other)] == [
        ("/own", "copy.example.com"),
        ("/", "copy.example.com"),
    ]


async def test_a_missing_mirror(proxy: Proxy) -> None:
    """Requests go on where the backend of a mirror does not exist; the policy says so."""
    await proxy.apply(
        traffic_policy("route", requestMirror={"backendRef": {"name": "missing", "port": 80}}), route(rule("alpha"))
    )
    assert (await proxy.request()).backend == "alpha"
    [ancestor] = proxy.status("TrafficPolicy", "policy")["ancestors"]
    assert "spec.requestMirror.backendRef: Service default/missing does not exist" in json.dumps(ancestor)


def redirecting(status: int, hops: int) -> Answer:
    """Return an answer that redirects below ``/moved/``, from each number to the next, and at last to ``/found``."""

    async def answer(seen: Seen) -> web.Response | None:
        if not seen.path.startswith("/moved/"):
            return None
        number = int(seen.path.rpartition("/")[2]) + 1
        target = "/found?a=b" if number == hops else f"/moved/{number}"
        headers = {"location": f"http://example.com{target}", "x-token": f"t{number}"}
        return web.Response(status=status, headers=headers)

    return answer


def routes() -> Manifest:
    """Return a route to one backend for what redirects, and to another for their target."""
    return route(rule("alpha", matches=[prefix("/moved")]), rule("beta", matches=[exact("/found")]))


async def test_an_internal_redirect(proxy: Proxy, alpha: Upstream) -> None:
    """A redirect of a backend is followed by the proxy: the client gets what its target answers."""
    alpha.answer = redirecting(302, 1)
    await proxy.apply(routes())
    assert (await proxy.request("/moved/0")).status == 302
    await proxy.apply(traffic_policy("gateway", internalRedirect={"responseHeadersToCopy": ["X-Token"]}))
    found = await proxy.request("/moved/0", method="POST", body=b"body")
    assert (found.backend, found.path, found.echo["method"]) == ("beta", "/found?a=b", "POST")
    assert found.sent("x-token") == ["t1"]


@pytest.mark.parametrize(("most", "hops", "status"), [(1, 2, 302), (2, 2, 200), (3, 3, 200), (3, 4, 302)])
async def test_the_number_of_redirects(proxy: Proxy, alpha: Upstream, most: int, hops: int, status: int) -> None:
    """As many redirects are followed as the policy says, to one route too, and the client gets the next."""
    alpha.answer = redirecting(302, hops)
    await proxy.apply(traffic_policy("gateway", internalRedirect={"maxRedirects": most}), routes())
    assert (await proxy.request("/moved/0")).status == status


@pytest.mark.parametrize(("codes", "status"), [([302], 307), ([301, 307], 200)], ids=str)
async def test_the_statuses_of_redirects(proxy: Proxy, alpha: Upstream, codes: list[int], status: int) -> None:
    """Redirects of other statuses are the client's."""
    alpha.answer = redirecting(307, 1)
    await proxy.apply(traffic_policy("gateway", internalRedirect={"redirectResponseCodes": codes}), routes())
    assert (await proxy.request("/moved/0")).status == status


@pytest.mark.parametrize(("status", "method"), [(301, "POST"), (302, "POST"), (303, "GET"), (308, "POST")])
async def test_methods_of_redirected_requests(proxy: Proxy, alpha: Upstream, status: int, method: str) -> None:
    """Only after 303 the next request is a GET; a body is sent again, if it is as long as the proxy keeps."""
    alpha.answer = redirecting(status, 1)
    await proxy.apply(traffic_policy("gateway", internalRedirect={"redirectResponseCodes": [status]}), routes())
    found = await proxy.request("/moved/0", method="POST", body=b"b" * 1_000_000)
    assert (found.backend, found.echo["method"]) == ("beta", method)
    assert (await proxy.request("/moved/0", method="POST", body=b"b" * 1_100_000)).status == status


@pytest.mark.parametrize("location", ["/found", "http://other.example.com/found", "http://example.com/nothing"])
async def test_redirects_elsewhere(proxy: Proxy, alpha: Upstream, location: str) -> None:
    """A redirect is the client's if no route of the listener serves its target, or that is a path alone."""

    async def answer(_: Seen) -> web.Response:
        return web.Response(status=302, headers={"location": location})

    alpha.answer = answer
    found_here = route(
        rule("alpha", matches=[prefix("/moved")]),
        rule("beta", matches=[exact("/found")]),
        hostnames=["example.com"],
    )
    await proxy.apply(traffic_policy("gateway", internalRedirect={}), found_here)
    assert (await proxy.request("/moved/0")).status == 302


@pytest.mark.parametrize("allowed", [False, True])
async def test_redirects_to_another_scheme(proxy: Proxy, alpha: Upstream, allowed: bool) -> None:
    """A client without TLS never gets what it would have to ask for with TLS."""

    async def answer(_: Seen) -> web.Response:
        return web.Response(status=302, headers={"location": "https://example.com/found"})

    alpha.answer = answer
    await proxy.apply(traffic_policy("gateway", internalRedirect={"allowCrossSchemeRedirect": allowed}), routes())
    found = await proxy.request("/moved/0")
    assert (found.status, found.headers["location"]) == (302, "https://example.com/found")


@pytest.mark.parametrize(("allowed", "status"), [(False, 302), (True, 200)])
async def test_redirects_to_http(proxy: Proxy, alpha: Upstream, allowed: bool, status: int) -> None:
    """A redirect from https to http is followed if the policy allows it."""
    alpha.answer = redirecting(302, 1)
    await proxy.apply(
        tls_secret("own", "example.com"),
        gateway(https(proxy, "own")),
        traffic_policy("gateway", internalRedirect={"allowCrossSchemeRedirect": allowed}),
        routes(),
    )
    assert (await proxy.request("/moved/0", ssl=client(), server_hostname="example.com")).status == status


async def test_refused_websockets(proxy: Proxy, alpha: Upstream) -> None:
    """A route may refuse what the listener takes; other routes go on."""
    alpha.raw = shout
    await proxy.apply(
        traffic_policy("rule", httpUpgrade=[{"type": "WebSocket", "enabled": False}]),
        route(rule("alpha", name="named", matches=[prefix("/none")]), rule("alpha")),
    )
    assert await talk(proxy, "/", "a") == ["A"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await talk(proxy, "/none", "a")
    assert refused.value.status == 403


async def test_another_upgrade(proxy: Proxy, alpha: Upstream) -> None:
    """An upgrade that the listener does not know reaches the backends of routes with the policy, and no others."""
    await proxy.apply(
        traffic_policy("gateway", name="wide", httpUpgrade=[{"type": "websocket", "enabled": False}]),
        traffic_policy("rule", httpUpgrade=[{"type": "tunnel"}]),
        route(rule("alpha", name="named", matches=[prefix("/tunnel")]), rule("alpha")),
    )
    upgrade = {"Connection": "Upgrade", "Upgrade": "tunnel"}
    assert (await proxy.request("/", headers=upgrade)).status == 403
    assert (await proxy.request("/tunnel", headers=upgrade)).sent("upgrade") == ["tunnel"]
    # What another policy says of another type holds beside it.
    assert (await proxy.request("/tunnel", headers=upgrade | {"Upgrade": "websocket"})).status == 403
    assert len(alpha.seen) == 1


async def test_hashes_are_what_envoy_takes(proxy: Proxy) -> None:
    """Envoy has the parts of requests as the policy lists them; backends without a hashing load balancer serve."""
    cookie = {"name": "s", "ttl": "1h", "path": "/", "attributes": [{"name": "SameSite", "value": "Lax"}]}
    policies = [
        {"header": {"name": "x-user"}, "terminal": True},
        {"cookie": cookie},
        {"queryParam": {"name": "q"}},
        {"sourceIP": {}},
    ]
    await proxy.apply(traffic_policy("route", hashPolicies=policies), route(rule("alpha")))
    assert (await proxy.request("/")).backend == "alpha"
    status, message = condition(proxy, NO_EFFECT)
    assert (status, "spec.hashPolicies has no effect" in message) == ("True", True)
    dump = json.loads(await proxy.admin("/config_dump?resource=dynamic_route_configs"))
    # A table of an earlier test may not be gone yet.
    hosts = [host for each in dump["configs"] for host in each["route_config"].get("virtual_hosts", ())]
    found = [
        each["route"]["hash_policy"]
        for host in hosts
        for each in host["routes"]
        if "hash_policy" in each.get("route", ())  # another test's may answer by themselves
    ]
    assert found[-1] == [
        {"header": {"header_name": "x-user"}, "terminal": True},
        {"cookie": {**cookie, "ttl": "3600s"}},
        {"query_parameter": {"name": "q"}},
        {"connection_properties": {"source_ip": True}},
    ]
