"""Versions of HTTP, and what is changed in messages, by ListenerPolicies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError, web

from tests.live.http2 import announced, pings_until_closed
from tests.live.objects import Manifest, listener_policy, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.raw_requests import exchange, request, status_of
from tests.live.test_edge import configured
from tests.live.upstream import Seen, Upstream
from tests.live.websockets import shout, talk


def settings(**fields: Any) -> Manifest:
    """Return a policy with HTTP settings for the Gateway."""
    return listener_policy(httpSettings=fields)


async def lines(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with the headers as they came."""
    return web.json_response([key.decode() for key, _ in request.raw_headers])


async def test_http10(proxy: Proxy) -> None:
    """HTTP/1.0 is served if a policy says so, with the Host that it gives to requests without one."""
    await proxy.apply(route(rule("alpha", matches=[]), hostnames=["old.example.com"]))
    old = request(version="1.0", host="")
    assert status_of(await exchange(proxy.port, old)) == 426
    await proxy.apply(settings(acceptHttp10=True))
    assert status_of(await exchange(proxy.port, old)) == 400
    assert status_of(await exchange(proxy.port, request(version="1.0", host="old.example.com"))) == 200
    await proxy.apply(settings(acceptHttp10=True, defaultHostForHttp10="old.example.com"))
    assert status_of(await exchange(proxy.port, old)) == 200


async def test_upper_and_lower_case(proxy: Proxy, alpha: Upstream) -> None:
    """Backends get the names of headers as the client wrote them, or in lower case."""
    alpha.raw = lines
    asked = request("X-Two-Words: 1", "Connection: close")
    for preserved, name in ((False, "x-two-words"), (True, "X-Two-Words")):
        await proxy.apply(settings(preserveHttp1HeaderCase=preserved), route(rule("alpha")))
        assert f'"{name}"' in await exchange(proxy.port, asked)


async def test_trailers(proxy: Proxy, alpha: Upstream) -> None:
    """Trailers of requests are passed on, or dropped."""
    chunked = request("Transfer-Encoding: chunked", "Trailer: x-sum", "Connection: close", method="POST")
    chunked += b"2\r\nab\r\n0\r\nx-sum: 7\r\n\r\n"
    for enabled in (True, False):
        before = await trailers(proxy)
        await proxy.apply(settings(enableTrailers=enabled), route(rule("alpha")))
        assert status_of(await exchange(proxy.port, chunked)) == 200
        manager = (await configured(proxy))["filter_chains"][0]["filters"][-1]["typed_config"]
        assert manager["http_protocol_options"].get("enable_trailers", False) is enabled
        assert await trailers(proxy) == before
    assert [seen.body for seen in alpha.seen] == [b"ab", b"ab"]


async def trailers(proxy: Proxy) -> int:
    """Return how many errors of the codec there were."""
    found = json.loads(await proxy.admin("/stats?format=json&filter=downstream_cx_protocol_error"))["stats"]
    return sum(each.get("value", 0) for each in found)


async def test_ignored_upgrades(proxy: Proxy) -> None:
    """An upgrade that a policy ignores is taken off its request, which is served; any other gets 403."""
    await proxy.apply(settings(ignoredUpgradeTypes=["h2c"]), route(rule("alpha")))
    for name, status in (("H2C", 200), ("other", 403)):
        asked = request(f"Upgrade: {name}", "Connection: Upgrade, close")
        assert status_of(await exchange(proxy.port, asked)) == status


async def test_enabled_upgrades(proxy: Proxy, alpha: Upstream) -> None:
    """Clients may change to the protocols in the list only; WebSocket is one unless there is a list without it."""
    alpha.raw = shout
    await proxy.apply(route(rule("alpha")))
    assert await talk(proxy, "/", "a") == ["A"]
    await proxy.apply(settings(upgradeConfig={"enabledUpgrades": []}))
    with pytest.raises(WSServerHandshakeError) as refused:
        await talk(proxy, "/", "a")
    assert refused.value.status == 403
    await proxy.apply(settings(upgradeConfig={"enabledUpgrades": ["other", "WebSocket"]}))
    assert await talk(proxy, "/", "a", "b") == ["A", "B"]


async def test_upgrades_pass_the_filters(proxy: Proxy, alpha: Upstream) -> None:
    """Protocols of the list pass all that protects a route, as WebSocket does."""
    await proxy.apply(
        settings(upgradeConfig={"enabledUpgrades": ["other"]}),
        traffic_policy("route", acl={"defaultAction": "Deny"}),
        route(rule("alpha")),
    )
    for name in ("other", "websocket"):
        asked = request(f"Upgrade: {name}", "Connection: Upgrade")
        assert status_of(await exchange(proxy.port, asked)) == 403
    assert alpha.seen == []


async def test_the_header_server(proxy: Proxy, alpha: Upstream) -> None:
    """Responses say which server they are of, as a policy has it."""

    async def named(_: Seen) -> web.Response:
        return web.Response(headers={"Server": "backend"})

    alpha.answer = named
    absent = [rule("alpha", matches=[{"path": {"value": "/a"}}])]
    await proxy.apply(settings(serverHeaderTransformation="PassThrough"), route(*absent))
    assert (await proxy.request("/a")).headers["server"] == "backend"
    assert "server" not in (await proxy.request("/missing")).headers
    await proxy.apply(settings(serverHeaderTransformation="AppendIfAbsent", serverName="shop"))
    assert (await proxy.request("/a")).headers["server"] == "backend"
    assert (await proxy.request("/missing")).headers["server"] == "shop"
    await proxy.apply(settings(serverHeaderTransformation="Overwrite", serverName="shop"))
    assert (await proxy.request("/a")).headers["server"] == "shop"


@pytest.mark.parametrize(
    ("fields", "host", "seen"),
    [
        ({}, "example.com.:77", "example.com.:77"),
        ({"stripHostPortMode": "None"}, "example.com:77", "example.com:77"),
        ({"stripHostPortMode": "Any"}, "example.com:77", "example.com"),
        ({"stripHostPortMode": "Matching"}, "example.com:77", "example.com:77"),
        ({"stripHostPortMode": "Matching"}, "example.com:PORT", "example.com"),
        ({"stripTrailingHostDot": True}, "example.com.:77", "example.com:77"),
        ({"stripTrailingHostDot": True, "stripHostPortMode": "Any"}, "example.com.:77", "example.com"),
    ],
)
async def test_hosts(proxy: Proxy, fields: Manifest, host: str, seen: str) -> None:
    """Backends get the Host with or without its port and the dot at its end; it is routed in any case."""
    await proxy.apply(settings(**fields), route(rule("alpha"), hostnames=["example.com"]))
    asked = host.replace("PORT", str(proxy.port))
    assert (await proxy.request(host=asked)).sent("host") == [seen]


async def test_expectations(proxy: Proxy) -> None:
    """The proxy says that a client may go on, or lets the backend say it."""
    for proxied in (False, True):
        await proxy.apply(settings(proxy100Continue=proxied), route(rule("alpha")))
        asked = request("Expect: 100-continue", "Content-Length: 2", "Connection: close", method="POST")
        found = await exchange(proxy.port, asked, b"ab")
        assert found.count("HTTP/1.1 200 OK") == 1
        # The backend of the tests says nothing before it responds.
        assert found.startswith("HTTP/1.1 100 Continue") is not proxied


async def test_the_scheme(proxy: Proxy) -> None:
    """Requests go on with the scheme of the client, or that of the connection to the backend."""
    name = {"name": "x-scheme", "value": "%REQ(:SCHEME)%", "format": True}
    shown = traffic_policy("route", headerModifiers={"response": {"set": [name]}})
    for mode, scheme in (("Preserve", "https"), ("MatchBackend", "http")):
        await proxy.apply(settings(schemeHeader=mode, xffNumTrustedHops=1), shown, route(rule("alpha")))
        found = await proxy.request(headers={"X-Forwarded-Proto": "https"})
        assert (found.headers["x-scheme"], found.sent("x-forwarded-proto")) == (scheme, ["https"])


async def test_headers_of_envoy(proxy: Proxy) -> None:
    """Clients are told how long a backend took if a policy says so."""
    for enabled in (False, True):
        await proxy.apply(settings(enableEnvoyHeaders=enabled), route(rule("alpha")))
        assert ("x-envoy-upstream-service-time" in (await proxy.request()).headers) is enabled


@pytest.mark.parametrize(
    ("path", "status", "seen"),
    [
        ({}, 307, []),
        ({"escapedSlashesAction": "UnescapeAndRedirect"}, 307, []),
        ({"escapedSlashesAction": "RejectRequest"}, 400, []),
        ({"escapedSlashesAction": "UnescapeAndForward"}, 200, ["/a/b/c"]),
        ({"escapedSlashesAction": "KeepUnchanged"}, 200, ["/a%2Fb/c"]),
        ({"escapedSlashesAction": "KeepUnchanged", "mergeSlashes": False}, 200, ["/a%2Fb//c"]),
    ],
)
async def test_paths(proxy: Proxy, alpha: Upstream, path: Manifest, status: int, seen: list[str]) -> None:
    """Slashes that are encoded, or several in a row, are as a policy has them."""
    await proxy.apply(settings(path=path), route(rule("alpha")))
    assert (await proxy.request("/a%2Fb//c")).status == status
    assert [each.path for each in alpha.seen] == seen


async def test_http2(proxy: Proxy) -> None:
    """Settings of HTTP/2 are those that clients are told."""
    options = {
        "initialStreamWindowSize": "128Ki",
        "initialConnectionWindowSize": "2Mi",
        "maxConcurrentStreams": 7,
        "allowConnect": True,
    }
    await proxy.apply(settings(http2ProtocolOptions=options), route(rule("alpha")))
    told, window = await announced(proxy.port)
    assert (told[3], told[4], told[8], window) == (7, 128 * 1024, 1, 2 * 1024 * 1024)


async def test_pings(proxy: Proxy) -> None:
    """A client by HTTP/2 that does not answer a ping in time loses its connection."""
    keepalive = {"interval": "50ms", "timeout": "50ms", "intervalJitter": 5, "connectionIdleInterval": "1m"}
    await proxy.apply(settings(http2ProtocolOptions={"connectionKeepalive": keepalive}), route(rule("alpha")))
    assert await pings_until_closed(proxy.port) >= 1
