"""What agents may call: `mcp` of TrafficPolicies, with the SDK of the protocol, and requests that it would not send."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from mcp import MCPError

from tests.live.backends import to_backend
from tests.live.credentials import condition
from tests.live.mcp_tools import MODES, ToolServer, agent, at, servers, text, tools
from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.tokens import bearer, jwt_auth, provider, token
from tests.live.upstream import Seen, Upstream
from translator.conditions import NO_EFFECT

JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
MODERN = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call"}
DENY: Manifest = {"tools": {"deny": ["delete_*"]}}


def call(name: Any = "delete_all", **params: Any) -> dict[str, Any]:
    """Return a call of a tool."""
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}, **params}}


def policy(level: str = "route", **fields: Any) -> Manifest:
    """Return a policy for agents."""
    return traffic_policy(level, mcp=fields)


def rules(*found: Manifest) -> Manifest:
    """Return an authorization."""
    return {"authorization": {"rules": list(found)}}


async def post(
    proxy: Proxy, body: object, headers: Mapping[str, str] | None = None, method: str = "POST", **options: Any
) -> int:
    """Return the status of the response to a request with a body: JSON, unless it is written already."""
    written = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {**JSON, **(headers or {})}
    return (await proxy.request("/mcp", method=method, headers=given, body=written, **options)).status


@pytest.mark.parametrize("server", ["one", "whole"])
@pytest.mark.parametrize("mode", MODES)
async def test_tools_that_there_are(tool_proxy: Proxy, mcp: dict[str, ToolServer], mode: str, server: str) -> None:
    """Agents see and call the tools that are allowed, and no others, in streams and in whole answers."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp[server])), policy(tools={"allow": ["add", "w*"]}))
    async with agent(tool_proxy, mode=mode) as client:
        assert await tools(client) == ["where", "add"]
        assert await text(client, "add", a=1, b=2) == "3"
        with pytest.raises(MCPError):
            await client.call_tool("delete_all", {})
        assert (await client.read_resource("note://first")).contents
    await tool_proxy.apply(policy(tools={"allow": ["*"], "deny": ["delete_*", "s.ow"]}))
    async with agent(tool_proxy, mode=mode) as client:
        assert await tools(client) == ["where", "add", "slow"]
        with pytest.raises(MCPError):
            await client.call_tool("delete_all", {})
    assert mcp[server].called == ["add"]


ESCAPED = json.dumps(call()).replace("delete_all", "delete\\u005fall")
WAYS: dict[str, tuple[object, dict[str, str]]] = {
    "plainly": (call(), {}),
    "another tool in the header": (call(), {**MODERN, "Mcp-Name": "where"}),
    "a header of a version without": (call("where"), {"Mcp-Method": "tools/call", "Mcp-Name": "delete_all"}),
    "such a header of an older version": (call("where"), {"MCP-Protocol-Version": "2025-11-25", "Mcp-Name": "x"}),
    "the version in the body only": (call(_meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"}), {}),
    "in a batch": ([call()], {}),
    "in a batch behind another": ([call("where"), call()], {}),
    "two names": (json.dumps(call("where")).replace('"arguments"', '"name": "delete_all", "arguments"'), {}),
    "two names, one escaped": (json.dumps(call("where")).replace('"arguments"', '"n\\u0061me": "delete_all", "a"'), {}),
    "two methods": (json.dumps(call()).replace('"id"', '"method": "ping", "id"'), {}),
    "two params": (json.dumps(call())[:-1] + ', "params": {"name": "where"}}', {}),
    "an escaped name": (ESCAPED, {}),
    "an escaped key": (json.dumps(call()).replace('"name"', '"n\\u0061me"'), {}),
    "an escaped method": (json.dumps(call()).replace("tools/", "tools\\/"), {}),
    "as text": (call(), {"Content-Type": "text/plain"}),
    "as what is called otherwise": (call(), {"Content-Type": "application/json-rpc"}),
    "as JSON of another case": (call(), {"Content-Type": "Application/JSON"}),
    "in UTF-16": (json.dumps(call()).encode("utf-16"), {"Content-Type": "application/json; charset=utf-16"}),
    "in UTF-7": (
        json.dumps(call("+AGQ-elete_all")),
        {"Content-Type": "application/json; charset=utf-7"},
    ),
    "behind a byte order mark": (b"\xef\xbb\xbf" + json.dumps(call()).encode(), {}),
    "compressed": (gzip.compress(json.dumps(call()).encode()), {"Content-Encoding": "gzip"}),
    "said to be compressed": (call("where"), {"Content-Encoding": "gzip"}),
    "long": (call(pad="x" * 1_100_000), {}),
    "behind much": ('{"pad": "' + "x" * 1_100_000 + '", ' + json.dumps(call())[1:], {}),
    "behind another message": (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + json.dumps(call()), {}),
    "in a line of its own": (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n" + json.dumps(call()), {}),
    "in a comment's shadow": ("/**/" + json.dumps(call()), {}),
    "as a notification": ({key: value for key, value in call().items() if key != "id"}, {}),
    "as an answer": ({**call(), "result": {}}, {}),
    "as an answer that comes first": ({"result": {}, **call()}, {}),
    "as an error": ({**call(), "error": {"code": 1, "message": "x"}}, {}),
    "as no answer": ({**call(), "result": None}, {}),
    "without a version of JSON-RPC": ({"id": 1, "method": "tools/call", "params": {"name": "delete_all"}}, {}),
    "a list of names": (call(["delete_all"]), {}),
    "a number": (call(5), {}),
    "no name": ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}, {}),
    "no params": ({"jsonrpc": "2.0", "id": 1, "method": "tools/call"}, {}),
    "params in a list": ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ["delete_all"]}, {}),
    "a name with a null": (call("delete_all\0"), {}),
    "a name with a blank": (call(" delete_all"), {}),
    "a name in letters that look alike": (call("d\u0435lete_all"), {}),
    "a method of another case": ({**call(), "method": "Tools/Call"}, {}),
    "a method with a blank": ({**call(), "method": "tools/call "}, {}),
    "a method that nobody knows": ({**call(), "method": "tools/invoke"}, {}),
    "cut off": (json.dumps(call())[:-1], {}),
    "with a bracket too many": (json.dumps(call()) + "]", {}),
    "a name in another case": (call("where", Name="delete_all"), {}),
    "a name before, in another case": (json.dumps(call("where")).replace('"name"', '"NAME": "delete_all", "name"'), {}),
    "a name in another case only": (json.dumps(call()).replace('"name"', '"Name"'), {}),
    "params in another case": ({**call("where"), "PARAMS": {"name": "delete_all"}}, {}),
    "params in another case only": (
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "Params": {"name": "delete_all"}},
        {},
    ),
    "params with a long s": (json.dumps({**call("where"), "param\u017f": {"name": "x"}}, ensure_ascii=False), {}),
    "a method in another case": ({**call(), "method": "ping", "Method": "tools/call"}, {}),
    "a version in another case": ({**call("where"), "JSONRPC": "1.0"}, {}),
    "a result in another case": ({**call("where"), "Result": {}}, {}),
    "other keys of the same letters": ({**call("where"), "extra": 1, "Extra": 2}, {}),
    "a line in a string": (json.dumps(call("where", note="a\nb")).replace("\\n", "\n"), {}),
    "a comma too many": (json.dumps(call("where"))[:-1] + ",}", {}),
    "in single quotes": (json.dumps(call("where")).replace('"', "'"), {}),
    "an escape of other languages": (json.dumps(call("where", note="a")).replace('"a"', '"\\x41"'), {}),
    "other blanks": (json.dumps(call("where")).replace(" ", "\f"), {}),
    "a number of other languages": (json.dumps(call("where", note=16)).replace("16", "0x10"), {}),
    "a number that is none": (json.dumps(call("where", note=16)).replace("16", "NaN"), {}),
    "nested deeply": (json.dumps(call("where"))[:-1] + ', "deep": ' + "[" * 200 + "]" * 200 + "}", {}),
    "as another method": (call("where"), {"X-HTTP-Method-Override": "GET"}),
    "empty": (b"", {}),
}
"""Ways to call a tool that is denied, or what a server may read as such a call."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("checks", ["deny", "allow", "rules"])
async def test_ways_round(tool_proxy: Proxy, mcp: dict[str, ToolServer], way: str, checks: str) -> None:
    """No way to call a tool that is denied reaches the server, however the policy says it."""
    said: Manifest = {
        "deny": DENY,
        "allow": {"tools": {"allow": ["where"]}},
        "rules": rules({"tools": ["delete_*"], "action": "Deny"}, {"action": "Allow"}),
    }[checks]
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), policy(**said))
    body, headers = WAYS[way]
    assert await post(tool_proxy, body, headers) in (400, 403, 413)
    assert mcp["one"].seen == []


@pytest.mark.parametrize("way", ["a name in another case", "params in another case", "a method in another case"])
async def test_ways_round_to_several(tool_proxy: Proxy, mcp: dict[str, ToolServer], way: str) -> None:
    """No such way leads to one of several servers either."""
    written = json.dumps(WAYS[way][0]).replace('"where"', '"one__where"').replace('"delete_all"', '"one__delete_all"')
    several = servers(at(mcp["one"]), at(mcp["two"]))
    await tool_proxy.apply(to_backend("tools"), several, policy(tools={"deny": ["*__delete_*"]}))
    assert await post(tool_proxy, written) == 400
    assert await post(tool_proxy, written.replace("Name", "other").replace("PARAMS", "other")) != 200
    assert mcp["one"].called == []


async def test_patterns_for_several_servers(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A pattern that no tool of several servers matches is told; one behind the servers' names holds."""
    several = servers(at(mcp["one"]), at(mcp["two"]))
    await tool_proxy.apply(to_backend("tools"), several, policy(tools={"deny": ["*__slow", "delete_*"]}))
    status, _, message = condition(tool_proxy, NO_EFFECT)
    assert (status, "spec.mcp.tools.deny[1] matches no tool: " in message) == ("True", True), message
    assert "write one__delete_*, or *__delete_* for all servers." in message
    await tool_proxy.apply(policy(tools={"deny": ["*__delete_*", "one*", "t*__slow"]}))
    assert "matches no tool" not in json.dumps(tool_proxy.status("TrafficPolicy", "policy"))
    async with agent(tool_proxy) as client:
        assert sorted(await tools(client)) == ["two__add", "two__where"]
    await tool_proxy.apply(servers(at(mcp["one"])), policy(tools={"deny": ["delete_*"]}))
    assert "matches no tool" not in json.dumps(tool_proxy.status("TrafficPolicy", "policy"))


async def test_answers_of_agents(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """What an agent answers to its server passes where rules are for tools only; a request as well is refused."""
    said = rules({"tools": ["where"], "action": "Allow"})
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), policy(**said))
    answer = {"jsonrpc": "2.0", "id": 77, "result": {"action": "accept"}}
    await post(tool_proxy, answer)
    await post(tool_proxy, {"jsonrpc": "2.0", "id": 78, "error": {"code": 1, "message": "no"}})
    assert [each.call["id"] for each in mcp["one"].seen] == [77, 78]
    assert await post(tool_proxy, {**answer, "method": "resources/read"}) == 400
    assert await post(tool_proxy, {**answer, "params": {"name": "delete_all"}, "Method": "tools/call"}) == 400
    assert len(mcp["one"].seen) == 2


async def test_headers_that_say_the_same(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """`Mcp-Method` and `Mcp-Name` that are those of the message pass in versions that do not have them yet."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["whole"])), policy(**DENY))
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    assert await post(tool_proxy, message, {"Mcp-Method": "initialize", "Content-Type": "Application/JSON"}) == 200
    assert await post(tool_proxy, message, {"Mcp-Method": "ping"}) == 400
    heard = len(mcp["whole"].seen)
    named = {"Mcp-Method": "tools/call", "Mcp-Name": "where"}
    assert await post(tool_proxy, call("where"), {**named, "Mcp-Name": "add"}) == 400
    assert len(mcp["whole"].seen) == heard
    await post(tool_proxy, call("where"), named)
    assert mcp["whole"].seen[-1].call["params"]["name"] == "where"


async def test_what_cannot_be_read_is_told(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """An agent whose message is refused is told why, in JSON-RPC."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), policy(**DENY))
    for body, status, said in (
        (json.dumps(call("where", Name="x")), 400, "a key is there twice: "),
        ("\ufeff" + json.dumps(call("where")), 400, "it is no JSON object in UTF-8"),
        ("{" * 5, 400, "it is no JSON object in UTF-8"),
    ):
        found = await tool_proxy.request("/mcp", method="POST", headers=JSON, body=body.encode())
        assert (found.status, said in json.loads(found.body)["error"]["message"]) == (status, True)


async def test_other_methods_of_http(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Nothing but a stream without a body comes by another method than POST, and the end of a session."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), policy(**DENY))
    for method in ("PUT", "PATCH", "QUERY", "OPTIONS"):
        assert await post(tool_proxy, call(), method=method) == 400
    assert await post(tool_proxy, call(), method="GET") == 403
    assert await post(tool_proxy, b"", {"Accept": "application/json"}, method="GET") == 400
    assert mcp["one"].seen == []
    assert await post(tool_proxy, b"", {"Accept": "text/event-stream"}, method="GET") == 400
    assert [each.method for each in mcp["one"].seen] == ["GET"]


async def test_in_many_pieces(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A request is read as a whole, in however many pieces it comes."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), policy(**DENY))

    async def pieces(name: str) -> int:
        written = json.dumps(call(name)).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", tool_proxy.port)
        head = "".join(f"{key}: {value}\r\n" for key, value in JSON.items())
        writer.write(f"POST /mcp HTTP/1.1\r\nHost: example.com\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for byte in written:
            writer.write(b"1\r\n" + bytes([byte]) + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        status = await reader.readline()
        writer.close()
        return int(status.split()[1])

    assert await pieces("delete_all") == 403
    assert mcp["one"].seen == []
    assert await pieces("where") == 400  # by the server: there is no session
    mcp["one"].seen.clear()
    assert await post(tool_proxy, call("where", pad="x" * 1_000_000)) == 400
    assert len(mcp["one"].seen[0].body) > 1_000_000


CLAIMS = [{"name": "groups", "values": ["ops"], "valueType": "StringArray"}]
BY_CLAIMS: Manifest = rules(
    {"headers": [{"name": "x-suspended", "values": ["yes"]}], "action": "Deny"},
    {"tools": ["delete_*"], "claims": CLAIMS, "scopes": ["tools:write"], "action": "Allow"},
    {"tools": ["where", "add"], "action": "Allow"},
)


@pytest.mark.parametrize("mode", MODES)
async def test_rules(tool_proxy: Proxy, mcp: dict[str, ToolServer], mode: str) -> None:
    """The first rule that matches decides by tool, claims, scopes and headers; the rest is denied, and not listed."""
    checked = traffic_policy("route", jwtAuth={"providers": [provider()]}, mcp=BY_CLAIMS)
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), checked)
    everyone, ops = bearer(token()), bearer(token(groups=["web", "ops"], scope="tools:read tools:write"))
    async with agent(tool_proxy, mode=mode, headers=everyone) as client:
        assert await tools(client) == ["where", "add"]
        assert await text(client, "where") == "one"
        with pytest.raises(MCPError):
            await client.call_tool("delete_all", {})
        with pytest.raises(MCPError):
            await client.read_resource("note://first")
    async with agent(tool_proxy, mode=mode, headers=bearer(token(groups=["ops"], scope="tools:writer"))) as client:
        assert await tools(client) == ["where", "add"]
    async with agent(tool_proxy, mode=mode, headers=ops) as client:
        assert await tools(client) == ["where", "add", "delete_all"]
        assert await text(client, "delete_all") == "deleted"
    assert mcp["one"].called == ["where", "delete_all"]
    assert await post(tool_proxy, {"jsonrpc": "2.0", "id": 1, "method": "ping"}, {**ops, "X-Suspended": "yes"}) == 403
    assert await post(tool_proxy, b"", {**ops, "Accept": "text/event-stream"}, method="GET") == 403
    assert await post(tool_proxy, call("where")) == 401


async def test_everything_that_agents_ask_for(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """A rule without tools allows resources, prompts and streams too."""
    claims = [{"path": ["tier"], "values": ["gold", "silver"]}]
    said = rules({"provider": "issuer", "claims": claims, "action": "Allow"})
    checked = traffic_policy("route", jwtAuth={"providers": [provider(), provider("other")]}, mcp=said)
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), checked)
    async with agent(tool_proxy, headers=bearer(token(tier="gold")), mode="legacy") as client:
        assert await tools(client) == ["where", "add", "delete_all", "slow"]
        assert (await client.read_resource("note://first")).contents
        assert "Ada" in str(await client.get_prompt("greet", {"name": "Ada"}))
    assert {"GET", "POST", "DELETE"} == {each.method for each in mcp["one"].seen}
    async with agent(tool_proxy, headers=bearer(token(tier="lead")), mode="legacy") as client:
        assert await tools(client) == []
        with pytest.raises(MCPError):
            await client.get_prompt("greet", {"name": "Ada"})


async def test_levels(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """What a Gateway enforces holds in addition; a route leaves out the rest by `disable`."""
    gateway = traffic_policy("gateway", "all", mcp=DENY)
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), gateway)
    await tool_proxy.apply(policy(tools={"allow": ["add", "delete_all"]}))
    async with agent(tool_proxy) as client:
        assert await tools(client) == ["add"]
    await tool_proxy.apply(policy(disable={}))
    async with agent(tool_proxy) as client:
        assert await tools(client) == ["where", "add", "delete_all", "slow"]
    enforced = traffic_policy("gateway", "all", mcp=DENY, enforced=True)
    await tool_proxy.apply(enforced, policy(tools={"allow": ["add", "delete_all"]}))
    async with agent(tool_proxy) as client:
        assert await tools(client) == ["add"]
    assert await post(tool_proxy, call()) == 403


async def test_rules_that_ask_for_no_token(tool_proxy: Proxy, mcp: dict[str, ToolServer]) -> None:
    """Rules by claims without a `jwtAuth` close the route, and the policy says what is missing."""
    await tool_proxy.apply(to_backend("tools"), servers(at(mcp["one"])), policy(**BY_CLAIMS))
    assert await post(tool_proxy, call("where")) == 500
    assert condition(tool_proxy)[2].startswith("spec.mcp.authorization.rules[1]: asks for a token, and no jwtAuth")
    assert mcp["one"].seen == []
    await tool_proxy.apply(jwt_auth("gateway", "tokens"))
    assert await post(tool_proxy, call("where")) == 401


async def test_long_lists(proxy: Proxy, alpha: Upstream) -> None:
    """A list of 700 KiB of a Service is read as any other; one that a server compresses all the same is an error."""
    made = [{"name": f"{'delete' if place % 2 else 'read'}_{place}", "description": "x" * 1000} for place in range(700)]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": made}}).encode()
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()

    async def answer(_: Seen) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    async def compressed(_: Seen) -> web.StreamResponse:
        return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip", **JSON})

    alpha.answer = answer
    await proxy.apply(route(rule("alpha")), policy(**DENY))
    found = await proxy.request("/mcp", method="POST", headers=JSON, body=asked)
    assert [each["name"] for each in json.loads(found.body)["result"]["tools"]] == [
        f"read_{place}" for place in range(0, 700, 2)
    ]
    assert "accept-encoding" not in {name.lower() for name, _ in alpha.seen[0].headers}
    alpha.answer = compressed
    found = await proxy.request("/mcp", method="POST", headers=JSON, body=asked)
    assert (found.status, json.loads(found.body)["error"]["code"]) == (502, -32603)
