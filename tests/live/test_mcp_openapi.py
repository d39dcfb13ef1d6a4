"""Services of HTTP whose operations are tools of agents: `openapi` of MCP Backends, with the SDK as client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from mcp import MCPError

from tests.live.backends import to_backend
from tests.live.credentials import TOKEN, secret
from tests.live.mcp_tools import agent, servers, text, tools
from tests.live.objects import Manifest, prefix, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream
from translator.objects.headgate.mcpopenapi import MAX_SPEC_BYTES

ITEM = {"type": "object", "properties": {"id": {"type": "string"}, "view": {"type": "string"}}, "required": ["id"]}
TOOLS: list[Manifest] = [
    {"name": "get_item", "description": "Get an item", "method": "GET", "path": "/items/{id}", "inputSchema": ITEM},
    {"name": "create", "method": "POST", "path": "/items", "body": "item"},
    {"name": "replace", "method": "PUT", "path": "/items/{id}", "body": "*"},
    {
        "name": "of_tenant",
        "method": "DELETE",
        "path": "/all",
        "headers": [{"name": "X-Tenant", "argument": "tenant"}],
    },
]
DOCUMENT = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://shop.example.com/v2"}],
    "paths": {
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getItem", "description": "Get an item of the shop"},
            "patch": {
                "operationId": "changeItem",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}},
            },
        },
        "/page": {"post": {"operationId": "sendPage", "requestBody": {"required": True, "content": {"text/html": {}}}}},
    },
    "components": {"schemas": {"Item": {"type": "object", "properties": {"color": {"type": "string"}}}}},
}
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.fixture(autouse=True)
def unseen(alpha: Upstream) -> None:
    """Have the service forget what it has seen."""
    alpha.reset()


def rest(alpha: Upstream, openapi: Manifest, **fields: Any) -> Manifest:
    """Return a Backend whose tools are operations of a service."""
    return servers({"name": "shop", "static": {"host": "127.0.0.1", "port": alpha.port}, "openapi": openapi, **fields})


def document(found: object) -> Manifest:
    """Return a ConfigMap with a document."""
    text = found if isinstance(found, str) else json.dumps(found)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shop"},
        "data": {"openapi.json": text, "other": text},
    }


async def call(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool, and return what the service got."""
    found: dict[str, Any] = json.loads(await text(client, tool, **arguments))
    return found


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_tools_are_operations(tool_proxy: Proxy, alpha: Upstream, mode: str) -> None:
    """Calls of tools are requests with path, query, headers and bodies of their arguments."""
    await tool_proxy.apply(to_backend("tools", matches=[prefix("/agents")]), rest(alpha, {"tools": TOOLS}))
    async with agent(tool_proxy, "/agents/shop", mode) as client:
        listed = (await client.list_tools()).tools
        assert [(each.name, each.description) for each in listed][:2] == [
            ("get_item", "Get an item"),
            ("create", "create"),
        ]
        assert listed[0].input_schema == ITEM
        assert listed[1].input_schema == {"type": "object"}
        found = await call(client, "get_item", id="a b", view="full")
        assert (found["method"], found["path"]) == ("GET", "/items/a%20b?view=full")
        found = await call(client, "create", item={"color": "red"})
        assert (found["method"], found["path"], alpha.seen[-1].body) == ("POST", "/items", b'{"color":"red"}')
        await call(client, "replace", id="5", color="blue")
        assert (alpha.seen[-1].method, alpha.seen[-1].path, alpha.seen[-1].body) == (
            "PUT",
            "/items/5",
            b'{"color":"blue"}',
        )
        await call(client, "of_tenant", tenant="acme")
        assert (alpha.seen[-1].method, alpha.seen[-1].values("x-tenant")) == ("DELETE", ["acme"])


async def test_tools_of_a_document(tool_proxy: Proxy, alpha: Upstream) -> None:
    """Operations with an operationId are tools, as a document of OpenAPI says; those that cannot be are left out."""
    found = rest(alpha, {"specRef": {"name": "shop"}}, path="/api")
    await tool_proxy.apply(document(DOCUMENT), to_backend("tools"), found)
    async with agent(tool_proxy) as client:
        listed = (await client.list_tools()).tools
        assert [each.name for each in listed] == ["getItem", "changeItem"]
        assert listed[1].input_schema["$defs"] == {
            "Item": {"type": "object", "properties": {"color": {"type": "string"}}}
        }
        assert (await call(client, "getItem", id="7"))["path"] == "/api/v2/items/7"
        await call(client, "changeItem", id="7", body={"color": "red"})
        assert (alpha.seen[-1].method, alpha.seen[-1].body) == ("PATCH", b'{"color":"red"}')
    assert "POST /page needs a body that is no application/json; it is left out" in str(
        tool_proxy.status("Backend", "tools")
    )
    other = json.loads(json.dumps(DOCUMENT).replace("getItem", "readItem"))
    await tool_proxy.apply(document(other), rest(alpha, {"specRef": {"name": "shop", "key": "other"}}))
    async with agent(tool_proxy) as client:
        assert await tools(client) == ["readItem", "changeItem"]


@pytest.mark.parametrize(
    "text", ["openapi: 3.1.0", '{"openapi": "2.0", "paths": {}}', '{"openapi": "3.1.0", "paths": {}}']
)
async def test_bad_documents(tool_proxy: Proxy, alpha: Upstream, text: str) -> None:
    """A document that is none, or has no tools, is a condition; requests get 500."""
    await tool_proxy.apply(document(text), to_backend("tools"), rest(alpha, {"specRef": {"name": "shop"}}))
    assert (await tool_proxy.request("/mcp", method="POST", headers=JSON, body=b"{}")).status == 500
    assert "spec.mcp.targets[0].openapi.specRef: " in str(tool_proxy.status("Backend", "tools"))
    assert alpha.seen == []


async def test_nothing_but_calls_reaches_the_service(tool_proxy: Proxy, alpha: Upstream) -> None:
    """What is no call of a tool is answered by the gateway: no path, method or body leads to the service otherwise."""
    await tool_proxy.apply(to_backend("tools"), rest(alpha, {"tools": TOOLS}))
    for method in ("GET", "DELETE", "PUT", "PATCH"):
        assert (await tool_proxy.request("/mcp", method=method, headers=JSON)).status == 405
    for body in (b"", b"hello", b"[]", b'{"id": 5}', b'{"jsonrpc": "2.0", "id": 1, "result": {}}'):
        found = await tool_proxy.request("/mcp", method="POST", headers=JSON, body=body)
        assert found.status in (200, 202, 400), found
    for message in (
        {"method": "resources/list"},
        {"method": "tools/call", "params": {"name": "nothing"}},
        {"method": "x"},
    ):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, **message}).encode()
        assert b'"error"' in (await tool_proxy.request("/mcp", method="POST", headers=JSON, body=body)).body
    async with agent(tool_proxy) as client:
        for name in ("../admin", "a/../../b", ".."):
            with pytest.raises(MCPError):
                await client.call_tool("get_item", {"id": name})
    assert alpha.seen == []


async def test_credentials_and_policies(tool_proxy: Proxy, alpha: Upstream) -> None:
    """The service gets its credential and none of the agent's; tools are checked as those of other servers."""
    found = rest(alpha, {"tools": TOOLS}, auth={"secretRef": {"name": "api"}}, timeout="5s")
    await tool_proxy.apply(secret("api", {"apiKey": TOKEN}), to_backend("tools"), found)
    await tool_proxy.apply(traffic_policy("route", mcp={"tools": {"deny": ["of_*"]}}))
    async with agent(
        tool_proxy, headers={"Authorization": "Bearer mine", "Cookie": "a=b", "X-Tenant": "other"}
    ) as client:
        assert await tools(client) == ["get_item", "create", "replace"]
        await call(client, "get_item", id="1")
        with pytest.raises(MCPError):
            await client.call_tool("of_tenant", {"tenant": "a"})
    (only,) = alpha.seen
    assert only.values("authorization") == [f"Bearer {TOKEN}"]
    assert only.values("cookie") == []
    assert only.host == f"127.0.0.1:{alpha.port}"


async def test_beside_other_servers(tool_proxy: Proxy, alpha: Upstream) -> None:
    """Beside other servers it is left out, and the Backend says so."""
    address: Manifest = {"host": "127.0.0.1", "port": alpha.port}
    both = servers({"name": "shop", "static": address, "openapi": {"tools": TOOLS}}, {"name": "two", "static": address})
    await tool_proxy.apply(to_backend("tools"), both)
    assert "spec.mcp.targets[0].openapi: " in str(tool_proxy.status("Backend", "tools"))


async def test_long_documents(tool_proxy: Proxy, alpha: Upstream) -> None:
    """A document of more than 1 MiB is a condition."""
    await tool_proxy.apply(document({**DOCUMENT, "x-long": "x" * MAX_SPEC_BYTES}), to_backend("tools"))
    await tool_proxy.apply(rest(alpha, {"specRef": {"name": "shop"}}))
    assert (await tool_proxy.request("/mcp", method="POST", headers=JSON, body=b"{}")).status == 500
    assert f"{MAX_SPEC_BYTES} are the most" in str(tool_proxy.status("Backend", "tools"))


async def test_errors_of_the_service(tool_proxy: Proxy, alpha: Upstream) -> None:
    """An error of the service is an error of the tool, with what the service says."""

    async def refuse(_: Seen) -> web.StreamResponse:
        return web.Response(status=404, text="no such item")

    await tool_proxy.apply(to_backend("tools"), rest(alpha, {"tools": TOOLS}))
    alpha.answer = refuse
    async with agent(tool_proxy) as client:
        found = await client.call_tool("get_item", {"id": "1"})
    assert found.is_error
    assert "no such item" in str(found.content)


async def test_pings_and_cookies(tool_proxy: Proxy, alpha: Upstream) -> None:
    """A ping is answered by the gateway, with its id; cookies of the service do not reach agents."""
    await tool_proxy.apply(to_backend("tools"), rest(alpha, {"tools": TOOLS}))
    for written in ("7", '"a\\u0062"'):
        body = f'{{"jsonrpc": "2.0", "id": {written}, "method": "ping"}}'.encode()
        found = await tool_proxy.request("/mcp", method="POST", headers=JSON, body=body)
        assert (found.status, json.loads(found.body)) == (
            200,
            {"jsonrpc": "2.0", "id": json.loads(written), "result": {}},
        )
    assert alpha.seen == []

    async def answer(_: Seen) -> web.StreamResponse:
        return web.json_response({}, headers={"Set-Cookie": "a=b"})

    alpha.answer = answer
    asked = {"name": "create", "arguments": {"item": {}}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}).encode()
    found = await tool_proxy.request("/mcp", method="POST", headers=JSON, body=body)
    assert (found.status, "set-cookie" in found.headers) == (200, False)
    assert len(alpha.seen) == 1
