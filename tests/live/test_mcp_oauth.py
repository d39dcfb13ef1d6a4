"""Agents that get tokens by themselves: `mcp.oauth`, with the SDK's own client of OAuth and a server of tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.live.authorization_server import AuthorizationServer, authorization_server, login
from tests.live.backends import to_backend
from tests.live.credentials import condition
from tests.live.mcp_tools import MODES, ToolServer, at, servers, text, tools
from tests.live.objects import Manifest, endpoints, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.tokens import bearer, config_map, jwt_auth, key, key_set, local, token
from translator.refs import Ref

WELL_KNOWN = "/.well-known/oauth-protected-resource/mcp"
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[AuthorizationServer]:
    """Run a server of tokens."""
    async with authorization_server() as found:
        yield found


def oauth(proxy: Proxy, issuer: AuthorizationServer, **fields: Any) -> Manifest:
    """Return what has agents get tokens of an issuer for the endpoint of a proxy."""
    usual = {"issuer": issuer.url, "jwks": local(), "resource": f"http://127.0.0.1:{proxy.port}/mcp"}
    return {"oauth": {**usual, **fields}}


def logged_in(proxy: Proxy, mode: str = "auto") -> tuple[httpx2.AsyncClient, Client]:
    """Return an agent that logs in by itself."""
    url = f"http://127.0.0.1:{proxy.port}/mcp"
    http = httpx2.AsyncClient(auth=login(url), timeout=10)
    return http, Client(streamable_http_client(url, http_client=http), mode=mode)


@pytest.mark.parametrize("mode", MODES)
async def test_an_agent_logs_in_by_itself(
    tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer, mode: str
) -> None:
    """An agent that knows the URL only finds the issuer, registers, gets a token for the resource, and calls tools."""
    rules = [{"tools": ["add"], "scopes": ["tools:read"], "action": "Allow"}]
    said = oauth(tool_proxy, issuer, scopes=["tools:read"]) | {"authorization": {"rules": rules}}
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), traffic_policy("route", mcp=said))
    http, agent = logged_in(tool_proxy, mode)
    async with http, agent as client:
        assert await tools(client) == ["add"]
        assert await text(client, "add", a=1, b=2) == "3"
        with pytest.raises(MCPError):
            await client.call_tool("where", {})
    assert issuer.asked[0]["resource"] == f"http://127.0.0.1:{tool_proxy.port}/mcp"
    assert not any("authorization" in each.headers for each in mcp["one"].seen)


async def test_several_servers(tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer) -> None:
    """Agents log in once for all servers of an endpoint."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"]), at(mcp["two"])))
    await tool_proxy.apply(traffic_policy("route", mcp=oauth(tool_proxy, issuer)))
    http, agent = logged_in(tool_proxy)
    async with http, agent as client:
        assert await text(client, "two__where") == "two"
    assert len(issuer.asked) == 1


async def test_what_agents_are_told(tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer) -> None:
    """Without a token there is 401, which says where the metadata are; these name the issuer and the scopes."""
    said = oauth(tool_proxy, issuer, scopes=["tools:read", "tools:write"])
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), traffic_policy("route", mcp=said))
    for headers in ({}, bearer("no.to.ken"), bearer(token(iss=issuer.url, aud="somebody-else"))):
        found = await tool_proxy.request("/mcp", method="POST", headers={**JSON, **headers}, body=b"{}")
        resource = f"http://127.0.0.1:{tool_proxy.port}{WELL_KNOWN}"
        challenge = f'Bearer resource_metadata="{resource}", scope="tools:read tools:write"'
        assert (found.status, found.headers.getall("www-authenticate")) == (401, [challenge])
    found = await tool_proxy.request(WELL_KNOWN)
    assert (found.status, found.headers["access-control-allow-origin"]) == (200, "*")
    assert json.loads(found.body) == {
        "resource": f"http://127.0.0.1:{tool_proxy.port}/mcp",
        "authorization_servers": [issuer.url],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["tools:read", "tools:write"],
    }
    assert (await tool_proxy.request(WELL_KNOWN, method="OPTIONS")).status == 204
    assert (await tool_proxy.request(WELL_KNOWN, method="POST", body=b"{}")).status == 405
    assert (await tool_proxy.request("/.well-known/oauth-protected-resource/other")).status == 401
    assert (await tool_proxy.request("/.well-known/oauth-authorization-server")).status == 401
    assert mcp["one"].seen == []


async def test_a_resource_of_the_request(
    tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer
) -> None:
    """Without a resource it is `/mcp` of whatever host the request is for; a host that is none is refused."""
    said = {"oauth": {"issuer": issuer.url, "jwks": local(), "audiences": ["tools"]}}
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), traffic_policy("gateway", mcp=said))
    found = await tool_proxy.request(WELL_KNOWN, host="tools.example.com:8080")
    assert json.loads(found.body)["resource"] == "http://tools.example.com:8080/mcp"
    found = await tool_proxy.request("/mcp", method="POST", host="tools.example.com", body=b"{}")
    assert found.headers["www-authenticate"].startswith(
        'Bearer resource_metadata="http://tools.example.com/.well-known'
    )
    assert (await tool_proxy.request(WELL_KNOWN, host='a"b')).status == 400
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    for audience, status in (("tools", 400), ("others", 401)):  # the server refuses it: there is no session
        headers = {**JSON, **bearer(token(iss=issuer.url, aud=audience))}
        assert (await tool_proxy.request("/mcp", method="POST", headers=headers, body=body)).status == status


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
async def test_metadata_of_the_issuer(
    tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer, path: str
) -> None:
    """Where that is asked for, agents that look for the issuer's metadata at the server get them."""
    issuer.metadata_path = path
    said = oauth(tool_proxy, issuer, issuerMetadata=True)
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), traffic_policy("route", mcp=said))
    found = await tool_proxy.request("/.well-known/oauth-authorization-server", headers={"Cookie": "a=b"})
    assert (found.status, json.loads(found.body)["token_endpoint"]) == (200, f"{issuer.url}/token")
    assert not any(each.values("cookie") for each in issuer.upstream.seen)
    issuer.metadata_path = "/nowhere"
    assert (await tool_proxy.request("/.well-known/oauth-authorization-server")).status == 502


async def test_what_is_beside_it(tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer) -> None:
    """Beside a `jwtAuth` that is effective too the route is closed: which of both verifies tokens is not said."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), jwt_auth("gateway", "tokens"))
    await tool_proxy.apply(traffic_policy("route", mcp=oauth(tool_proxy, issuer)))
    assert (await tool_proxy.request("/mcp")).status == 500
    assert condition(tool_proxy)[2].startswith("spec.mcp.oauth: jwtAuth is effective there too")
    await tool_proxy.apply(traffic_policy("route", mcp=oauth(tool_proxy, issuer), jwtAuth={"disable": {}}))
    assert (await tool_proxy.request("/mcp")).status == 401


ELSEWHERE = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: keys, namespace: vault}
spec:
  from: [{group: gateway.headgate.dev, kind: TrafficPolicy, namespace: default}]
  to: [{group: "", kind: Secret}]
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: vault}
stringData: {public: '%s'}
"""
REMOTE: Manifest = {
    "url": "http://issuer.example.com/keys",
    "backendRef": {"group": "", "kind": "Service", "name": "issuer", "namespace": "default", "port": 80},
    "timeout": "2s",
    "cacheDuration": "60s",
    "asyncFetch": {"failedRefetchDuration": "5s"},
    "retryPolicy": {"numRetries": 2, "baseInterval": "10ms", "maxInterval": "50ms"},
}
KEYS: dict[str, Manifest] = {
    "config map": {"local": {"configMapRef": {"name": "keys", "key": "jwks"}}},
    "secret": {"local": {"secretRef": {"name": "keys", "namespace": "vault", "key": "public"}}},
    "inline": {"local": {"inline": key_set(key("one"))}},
    "remote": {"remote": REMOTE},
}


@pytest.mark.parametrize("where", KEYS)
async def test_where_keys_are(
    tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer, where: str
) -> None:
    """Tokens are verified by the keys of the policy, of a ConfigMap or a Secret, or of a server."""
    await tool_proxy.apply(config_map(key_set(key("one"))), ELSEWHERE % key_set(key("one")))
    await tool_proxy.apply(service("issuer"), endpoints("issuer", [issuer.upstream.port]))
    said = oauth(tool_proxy, issuer, jwks=KEYS[where])
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), traffic_policy("route", mcp=said))
    http, agent = logged_in(tool_proxy)
    async with http, agent as client:
        assert await text(client, "where") == "one"
    forged = bearer(token("two", iss=issuer.url, aud=f"http://127.0.0.1:{tool_proxy.port}/mcp"))
    assert (await tool_proxy.request("/mcp", headers=forged)).status == 401


async def test_metadata_of_others(tool_proxy: Proxy, mcp: dict[str, ToolServer], issuer: AuthorizationServer) -> None:
    """A policy serves no metadata of a resource that its route has not, and says so; of two, the nearer route does."""
    url = f"http://127.0.0.1:{tool_proxy.port}/tools"
    own = at_path("tools", "/tools"), policy_of("tools", issuer.url, url)
    evil = "https://evil.example.com"
    await tool_proxy.apply(servers(at(mcp["one"])), at_path("aaa", "/aaa"), policy_of("aaa", evil, url), *own)

    async def told() -> list[str]:
        found = await tool_proxy.request("/.well-known/oauth-protected-resource/tools")
        assert found.status == 200
        said: list[str] = json.loads(found.body)["authorization_servers"]
        return said

    assert await told() == [issuer.url]
    assert "no match of the route" in str(tool_proxy.status("TrafficPolicy", "aaa"))
    assert "no match of the route" not in str(tool_proxy.status("TrafficPolicy", "tools"))
    for path, more in (("/", {}), ("/tools", {"headers": [{"name": "x", "value": "y"}]})):
        await tool_proxy.apply(at_path("aaa", path, **more))
        assert await told() == [issuer.url]
    await tool_proxy.delete(Ref("HTTPRoute", "default", "tools"))
    assert await told() == [evil]


def at_path(name: str, path: str, **more: Any) -> Manifest:
    """Return a route at a path to the servers."""
    made = to_backend("tools", matches=[{"path": {"type": "PathPrefix", "value": path}, **more}])
    return {**made, "metadata": {**made["metadata"], "name": name}}


def policy_of(name: str, issuer: str, resource: str) -> Manifest:
    """Return the policy of such a route, by which agents get tokens for a resource."""
    made = traffic_policy("route", mcp={"oauth": {"issuer": issuer, "jwks": local(), "resource": resource}})
    made["metadata"]["name"] = name
    made["spec"]["targetRefs"][0]["name"] = name
    return made
