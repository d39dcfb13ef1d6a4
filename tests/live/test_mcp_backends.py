"""MCP servers as backends, with the SDK of the protocol as client and server."""

from __future__ import annotations

import pytest

from tests.live.backends import to_backend
from tests.live.credentials import TOKEN, secret
from tests.live.mcp_tools import MODES, ToolServer, agent, at, servers, text, tool_server, tools
from tests.live.objects import Manifest, endpoints, prefix, service
from tests.live.proxy import Proxy

CLIENTS = {"Authorization": "Bearer of-the-client", "Cookie": "a=b", "X-Tenant": "acme", "X-Other": "other"}
"""What an agent sends beside the protocol."""


@pytest.mark.parametrize("mode", MODES)
async def test_agents_call_tools(tool_proxy: Proxy, mcp: dict[str, ToolServer], mode: str) -> None:
    """An agent of any version lists and calls tools, reads resources and gets prompts at the path of the server."""
    await tool_proxy.apply(to_backend("tools", matches=[prefix("/agents")]), servers(at(mcp["one"])))
    async with agent(tool_proxy, "/agents/mine?tenant=acme", mode) as client:
        assert await tools(client) == ["where", "add", "delete_all", "slow"]
        assert await text(client, "add", a=1, b=2) == "3"
        assert (await client.read_resource("note://first")).contents[0].text == "a note of one"  # type: ignore[union-attr]
        assert "Greet Ada from one" in str(await client.get_prompt("greet", {"name": "Ada"}))
    assert {each.target for each in mcp["one"].seen} == {"/mcp?tenant=acme"}
    assert {each.headers["host"] for each in mcp["one"].seen} == {f"127.0.0.1:{mcp['one'].port}"}
    assert {each.method for each in mcp["one"].seen} == ({"POST", "GET", "DELETE"} if mode == "legacy" else {"POST"})


@pytest.mark.parametrize("whole", [False, True])
async def test_a_path_of_its_own(tool_proxy: Proxy, whole: bool) -> None:
    """The server has whatever path it says; its answers are streams or whole."""
    async with tool_server("elsewhere", whole=whole, path="/v1/tools") as found:
        await tool_proxy.apply(to_backend("tools"), servers(at(found, path="/v1/%74ools")))
        async with agent(tool_proxy) as client:
            assert await text(client, "where") == "elsewhere"
        assert {each.target for each in found.seen} == {"/v1/%74ools"}


async def test_what_a_server_gets(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Of what agents send beside the protocol a server gets what is named, and none of their credentials."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])))
    async with agent(tool_proxy, headers=CLIENTS, mode="legacy") as client:
        await tools(client)
    for each in mcp["one"].seen:
        assert not {"authorization", "cookie", "x-tenant", "x-other"} & set(each.headers)
        assert each.headers["user-agent"]
    assert any("mcp-session-id" in each.headers for each in mcp["one"].seen)
    mcp["one"].seen.clear()
    await tool_proxy.apply(servers(at(mcp["one"], forwardHeaders=["X-Tenant", "authorization"])))
    async with agent(tool_proxy, headers=CLIENTS) as client:
        await tools(client)
    for each in mcp["one"].seen:
        assert (each.headers["x-tenant"], each.headers["authorization"]) == ("acme", "Bearer of-the-client")
        assert not {"cookie", "x-other"} & set(each.headers)


async def test_the_credential_of_a_server(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A server gets its credential, whatever the agent sends in its place; a new one needs no new cluster."""
    auth: Manifest = {"secretRef": {"name": "api"}}
    await tool_proxy.apply(secret("api", {"apiKey": TOKEN}), to_backend("tools"), servers(at(mcp["one"], auth=auth)))
    async with agent(tool_proxy, headers=CLIENTS) as client:
        assert await text(client, "where") == "one"
    assert {each.headers["authorization"] for each in mcp["one"].seen} == {f"Bearer {TOKEN}"}
    mcp["one"].seen.clear()
    auth = {"secretRef": {"name": "api", "key": "other"}, "headerName": "X-Api-Key", "prefix": "key "}
    named = at(mcp["one"], auth=auth, forwardHeaders=["x-api-key"])
    await tool_proxy.apply(secret("api", {"other": "another-text-77"}), servers(named))
    async with agent(tool_proxy, headers={**CLIENTS, "X-Api-Key": "mine"}) as client:
        assert await text(client, "where") == "one"
    assert {each.headers["x-api-key"] for each in mcp["one"].seen} == {"key another-text-77"}
    assert not any("authorization" in each.headers for each in mcp["one"].seen)


async def test_without_its_credential_nothing_is_sent(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Without the Secret requests are refused, and the Backend and the route say why."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"], auth={"secretRef": {"name": "none"}})))
    assert (await tool_proxy.request("/mcp", method="POST", body=b"{}")).status == 500
    assert mcp["one"].seen == []
    found = tool_proxy.status("Backend", "tools")
    text = "spec.mcp.targets[0].auth.secretRef: Secret default/none"
    assert any(each["message"].startswith(text) for each in found["conditions"])


async def test_a_service(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A server is a Service too; its own policies hold, and the Host is that of the agent."""
    target = {"name": "one", "backendRef": {"name": "alike", "port": 80}}
    await tool_proxy.apply(
        service("alike"), endpoints("alike", [mcp["one"].port]), to_backend("tools"), servers(target)
    )
    async with agent(tool_proxy) as client:
        assert await text(client, "where") == "one"
    assert {each.headers["host"] for each in mcp["one"].seen} == {f"127.0.0.1:{tool_proxy.port}"}


async def test_how_long_a_server_may_be_silent(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A call ends once nothing is heard of the server for the timeout; the next one is served."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"], timeout="3s")))
    async with agent(tool_proxy, mode="2026-07-28") as client:
        with pytest.raises(Exception, match=r"."):
            await client.call_tool("slow", {"seconds": 30})
        assert await text(client, "slow", seconds=0.01) == "at last"


async def test_where_a_server_must_not_be(proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """The machine of the proxies is no server unless the operator lets it: nothing is sent."""
    await proxy.apply(to_backend("tools"), servers(at(mcp["one"])))
    assert (await proxy.request("/mcp")).status == 500
    assert "127.0.0.1 is a loopback address" in str(proxy.status("Backend", "tools"))
    named = {"name": "one", "static": {"host": "tools.example.com", "port": mcp["one"].port}}
    await proxy.apply(servers(named))
    assert mcp["one"].seen == []
