"""Several MCP servers as one: agents see the tools of all, with the SDK of the protocol as client and servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from typing import Any

import aiohttp
import pytest
from mcp import MCPError

from tests.live.backends import to_backend
from tests.live.credentials import TOKEN, secret
from tests.live.mcp_tools import ToolServer, agent, at, servers, text, tool_server, tools
from tests.live.objects import Manifest, endpoints, service, traffic_policy
from tests.live.proxy import Proxy, free_port
from tests.live.tokens import bearer, provider, token
from translator.refs import Ref

CLIENTS = {"Authorization": "Bearer of-the-client", "Cookie": "a=b", "X-Tenant": "acme"}
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
TOOLS = ("where", "add", "delete_all", "slow")


def named(server: str, *names: str) -> list[str]:
    """Return the names that the tools of a server have beside others."""
    return [f"{server}__{each}" for each in names or TOOLS]


async def send(proxy: Proxy, method: str, headers: dict[str, str], **params: Any) -> tuple[int, dict[str, Any], str]:
    """Return the status of the answer to a message, the message of the answer, and the session."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    found = await proxy.request("/mcp", method="POST", headers={**JSON, **headers}, body=json.dumps(body).encode())
    said = json.loads(found.body) if found.headers.get("content-type") == "application/json" else {}
    return found.status, said, found.headers.get("mcp-session-id", "")


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_tools_of_all(tool_proxy: Proxy, mcp: dict[str, ToolServer], mode: str) -> None:
    """Agents see and call the tools of all servers under the names of these; a server that is down is left out."""
    down: Manifest = {"name": "down", "static": {"host": "127.0.0.1", "port": free_port()}}
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"]), down, at(mcp["whole"])))
    async with agent(tool_proxy, mode=mode) as client:
        assert sorted(await tools(client)) == sorted(named("one") + named("whole"))
        assert await text(client, "one__where") == "one"
        assert await text(client, "whole__where") == "whole"
        assert await text(client, "whole__add", a=1, b=2) == "3"
        with pytest.raises(MCPError):
            await client.call_tool("down__add", {})
    found = await client_schemas(tool_proxy)
    assert all(isinstance(each["properties"], dict) for each in found)


async def client_schemas(proxy: Proxy) -> list[dict[str, Any]]:
    """Return the schemas of the arguments of all tools."""
    async with agent(proxy) as client:
        return [each.input_schema for each in (await client.list_tools()).tools]


async def test_resources_and_prompts_of_all(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Agents list and get the resources and prompts of all servers, of those too that answer by streams of events."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"]), at(mcp["whole"])))
    async with agent(tool_proxy) as client:
        found = [str(each.uri) for each in (await client.list_resources()).resources]
        assert sorted(found) == ["one+note://first", "whole+note://first"]
        prompts = [each.name for each in (await client.list_prompts()).prompts]
        assert sorted(prompts) == ["one__greet", "whole__greet"]
        for each in ("one", "whole"):
            assert f"Ada from {each}" in str(await client.get_prompt(f"{each}__greet", {"name": "Ada"}))
            assert f"a note of {each}" in str(await client.read_resource(f"{each}+note://first"))


async def test_what_each_server_gets(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Each server gets its own credential, path and headers, and none of the agent's, nor of the other server."""
    one = at(mcp["one"], auth={"secretRef": {"name": "api"}}, forwardHeaders=["x-tenant"])
    two = at(mcp["two"], auth={"secretRef": {"name": "api", "key": "two"}, "headerName": "x-api-key"})
    await tool_proxy.apply(secret("api", {"apiKey": TOKEN, "two": "text-of-two"}), to_backend("tools"))
    await tool_proxy.apply(servers(one, two))
    async with agent(tool_proxy, headers=CLIENTS) as client:
        assert await text(client, "one__where") == "one"
        assert await text(client, "two__where") == "two"
    for each in mcp["one"].seen:
        assert (each.headers["authorization"], each.headers["x-tenant"]) == (f"Bearer {TOKEN}", "acme")
        assert not {"cookie", "x-api-key"} & set(each.headers)
        assert (each.target, each.headers["host"]) == ("/mcp", f"127.0.0.1:{mcp['one'].port}")
    for each in mcp["two"].seen:
        assert each.headers["x-api-key"] == "text-of-two"
        assert not {"authorization", "cookie", "x-tenant"} & set(each.headers)
    assert mcp["one"].seen
    assert mcp["two"].seen


async def test_a_server_that_cannot_be_had(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A target that is not right is left out, and the Backend says why; the others are served."""
    broken = at(mcp["one"], auth={"secretRef": {"name": "none"}})
    nobody: Manifest = {"name": "nobody", "backendRef": {"name": "nobody", "port": 80}}
    await tool_proxy.apply(to_backend("tools"), servers(broken, nobody, at(mcp["two"])))
    async with agent(tool_proxy) as client:
        assert await tools(client) == named("two")
    found = str(tool_proxy.status("Backend", "tools"))
    assert "spec.mcp.targets[0].auth.secretRef: Secret default/none" in found
    assert "spec.mcp.targets[1].backendRef: Service default/nobody" in found
    assert mcp["one"].seen == []


async def test_services_by_labels(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Services with the labels and an appProtocol of MCP are servers; they come and go."""
    target: Manifest = {"name": "labelled", "selector": {"matchLabels": {"team": "tools"}}}

    def server(name: str, protocol: str = "mcp", team: str = "tools") -> list[Manifest]:
        made = service(name, app_protocol=protocol)
        made["metadata"]["labels"] = {"team": team}
        return [made, *endpoints(name, [mcp["one" if name == "first" else "two"].port])]

    await tool_proxy.apply(to_backend("tools"), servers(target), server("first"), server("other", team="shop"))
    await tool_proxy.apply(server("web", "http"))
    async with agent(tool_proxy) as client:
        assert await tools(client) == named("first")
    await tool_proxy.apply(server("second"))
    async with agent(tool_proxy) as client:
        assert sorted(await tools(client)) == sorted(named("first") + named("second"))
        assert await text(client, "second__where") == "two"
    await tool_proxy.delete(Ref("Service", "default", "first"), Ref("Service", "default", "second"))
    assert (await tool_proxy.request("/mcp", method="POST", body=b"{}")).status == 500
    assert "no Service of default has these labels" in str(tool_proxy.status("Backend", "tools"))


async def test_tools_of_all_are_checked(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Policies are about the names that agents see: of one server all tools are there, of another one but one."""
    allowed = {"tools": {"allow": ["one__*", "two__add"], "deny": ["*__delete_all"]}}
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"]), at(mcp["two"])))
    await tool_proxy.apply(traffic_policy("route", mcp=allowed))
    async with agent(tool_proxy) as client:
        assert sorted(await tools(client)) == sorted([*named("one", "where", "add", "slow"), "two__add"])
        assert await text(client, "two__add", a=1, b=2) == "3"
        for tool in ("two__where", "one__delete_all", "delete_all"):
            with pytest.raises(MCPError):
                await client.call_tool(tool, {})
    assert (mcp["one"].called, mcp["two"].called) == ([], ["add"])


async def test_sessions_are_of_their_subject(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Nobody else than the subject that began a session uses it, not even the same subject of another issuer."""
    issuers = [provider(), provider("other", issuer="https://other.example.com")]
    checked = traffic_policy("route", jwtAuth={"providers": issuers})
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"]), at(mcp["two"])), checked)
    alice, bob = bearer(token(sub="alice")), bearer(token(sub="bob"))
    status, _, session = await send(tool_proxy, "initialize", alice, **HELLO)
    assert (status, bool(session)) == (200, True)
    named = {"Mcp-Session-Id": session}
    call: dict[str, Any] = {"name": "one__add", "arguments": {"a": 1, "b": 2}}
    assert (await send(tool_proxy, "tools/list", {**alice, **named}))[0] == 200
    for other in (bob, bearer(token(sub="alice", iss="https://other.example.com")), bearer(token(sub="alice "))):
        assert (await send(tool_proxy, "tools/list", {**other, **named}))[0] == 403
        assert (await send(tool_proxy, "tools/call", {**other, **named}, **call))[0] == 403
    assert mcp["one"].called == []
    assert (await send(tool_proxy, "tools/call", {**alice, **named}, **call))[0] == 200
    async with agent(tool_proxy, headers=bob) as client:
        assert await text(client, "two__where") == "two"


async def test_how_long_a_call_may_take(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A call that takes longer than the timeout of its server fails; those of the other server do not."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"], timeout="3s"), at(mcp["two"])))
    async with agent(tool_proxy) as client:
        with pytest.raises(MCPError):
            await client.call_tool("one__slow", {"seconds": 30})
        assert await text(client, "two__slow", seconds=0.5) == "at last"


async def test_what_there_is_not(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """There are no streams by GET and no end of a session, and what is no message of the protocol is refused."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"]), at(mcp["two"])))
    _, _, session = await send(tool_proxy, "initialize", {}, **HELLO)
    named = {"Mcp-Session-Id": session, "Accept": "text/event-stream"}
    assert (await tool_proxy.request("/mcp", headers=named)).status == 405
    assert (await tool_proxy.request("/mcp", headers=named, method="DELETE")).status == 400
    assert (await tool_proxy.request("/mcp")).status in (400, 405)
    assert (await tool_proxy.request("/mcp", method="POST", body=b"hello")).status == 400
    assert (await send(tool_proxy, "tools/list", {"Mcp-Session-Id": "forged"}))[0] == 400


async def test_one_of_several_comes_back(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Agents that come after a server has come back see its tools."""
    async with tool_server("late") as late:
        await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"]), at(late)))
        async with agent(tool_proxy) as client:
            assert sorted(await tools(client)) == sorted(named("late") + named("one"))
    async with agent(tool_proxy) as client:
        assert await tools(client) == named("one")


CUTS = {
    "JSON": b"content-type: application/json\r\ncontent-length: 500\r\n\r\n" + b'{"jsonrpc": "2.0"',
    "pieces of JSON": b'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"jso\r\n',
    "a stream": b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n",
}
"""Answers that end too early."""


@pytest.mark.parametrize("way", CUTS)
async def test_answers_that_are_cut_off(tool_proxy: Proxy, mcp: dict[str, ToolServer], way: str) -> None:
    """A server that cuts its answers off is left out, and nothing happens to the proxy and its other routes."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length: " in head:
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        else:
            await reader.readuntil(b"\r\n0\r\n\r\n")
        first, _, rest = CUTS[way].partition(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + first + b"\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.03)
        writer.write(rest)
        await writer.drain()
        await asyncio.sleep(0.03)
        option = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        bad: Manifest = {"name": "bad", "static": {"host": "127.0.0.1", "port": port}}
        await tool_proxy.apply(to_backend("tools"), servers(at(mcp["whole"]), bad))
        for _ in range(4):
            status, said, session = await send(tool_proxy, "initialize", {}, **HELLO)
            assert (status, bool(session)) == (200, True), said
            known = {"Mcp-Session-Id": session}
            status, said, _ = await send(tool_proxy, "tools/list", known)
            assert {each["name"] for each in said["result"]["tools"]} == set(named("whole"))
            with contextlib.suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(1):
                    assert (await send(tool_proxy, "tools/call", known, name="bad__x"))[0] != 0
            status, said, _ = await send(tool_proxy, "tools/call", known, name="whole__where", arguments={})
            assert (status, said["result"]["content"][0]["text"]) == (200, "whole")
