"""A forbidden tool is not called, however a request is written: the server reads none that asks for it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from tests.live.backends import to_backend
from tests.live.mcp_conformance.suite import running_server, verdict
from tests.live.mcp_tools import servers
from tests.live.objects import Manifest, endpoints, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

FORBIDDEN, ALLOWED = "delete_all", "search"
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
POLICIES: dict[str, Manifest] = {
    "tools": {"tools": {"deny": ["delete_*"]}},
    "allowed": {"tools": {"allow": ["search", "get_*"]}},
    "rules": {"authorization": {"rules": [{"tools": ["search"], "action": "Allow"}]}},
    "denied": {
        "authorization": {"rules": [{"tools": ["delete_*"], "action": "Deny"}, {"tools": ["*"], "action": "Allow"}]}
    },
}


def _call(*members: str, name: str = FORBIDDEN) -> bytes:
    params = f'"params": {{"name": "{name}", "arguments": {{}}}}'
    return (
        "{" + ", ".join(members or ('"jsonrpc": "2.0"', '"id": 1', '"method": "tools/call"', params)) + "}"
    ).encode()


_V, _M = '"jsonrpc": "2.0", "id": 1', '"method": "tools/call"'
_F, _A = '"params": {"name": "delete_all"}', '"params": {"name": "search"}'
BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "plain": (_call(), {}),
    "header says another": (_call(), {"mcp-name": ALLOWED, "mcp-method": "tools/call"}),
    "header says another method": (_call(), {"mcp-name": ALLOWED, "mcp-method": "tools/list"}),
    "new version": (_call(), {"mcp-protocol-version": "2026-07-28", "mcp-name": ALLOWED, "mcp-method": "tools/call"}),
    "batch": (b"[" + _call(name=ALLOWED) + b", " + _call() + b"]", {}),
    "batch of one": (b"[" + _call() + b"]", {}),
    "params twice, forbidden last": (_call(_V, _M, _A, _F), {}),
    "params twice, forbidden first": (_call(_V, _M, _F, _A), {}),
    "name twice, forbidden last": (_call(_V, _M, '"params": {"name": "search", "name": "delete_all"}'), {}),
    "name twice, forbidden first": (_call(_V, _M, '"params": {"name": "delete_all", "name": "search"}'), {}),
    "method twice": (_call(_V, '"method": "ping"', _M, _F), {}),
    "method twice, call first": (_call(_V, _M, '"method": "ping"', _F), {}),
    "escaped key": (_call(_V, _M, '"p\\u0061rams": {"name": "delete_all"}'), {}),
    "escaped key twice": (_call(_V, _M, _A, '"p\\u0061rams": {"name": "delete_all"}'), {}),
    "escaped name": (_call(_V, _M, '"params": {"n\\u0061me": "delete_all"}'), {}),
    "escaped name twice": (_call(_V, _M, '"params": {"name": "search", "n\\u0061me": "delete_all"}'), {}),
    "escaped value": (_call(_V, _M, '"params": {"name": "del\\u0065te_all"}'), {}),
    "escaped method": (_call(_V, '"method": "tools\\u002fcall"', _F), {}),
    "escaped slash": (_call(_V, '"method": "tools\\/call"', _F), {}),
    "method in capitals": (_call(_V, '"method": "Tools/Call"', _F), {}),
    "no version": (_call('"id": 1', _M, _F), {}),
    "other version": (_call('"jsonrpc": "1.0", "id": 1', _M, _F), {}),
    "no id": (_call('"jsonrpc": "2.0"', _M, _F), {}),
    "id null": (_call('"jsonrpc": "2.0", "id": null', _M, _F), {}),
    "result beside": (_call(_V, _M, _F, '"result": {}'), {}),
    "error beside": (_call(_V, _M, _F, '"error": {"code": 1, "message": "x"}'), {}),
    "params as list": (_call(_V, _M, '"params": [{"name": "delete_all"}]'), {}),
    "far behind": (_call(_V, _M, f'"_meta": "{"x" * 900_000}"', _F), {}),
    "too far behind": (_call(_V, _M, f'"_meta": "{"x" * 1_200_000}"', _F), {}),
    "arguments before": (_call(_V, _M, '"params": {"arguments": {"name": "search"}, "name": "delete_all"}'), {}),
    "marked": (b"\xef\xbb\xbf" + _call(), {}),
    "utf-16": (_call().decode().encode("utf-16"), {}),
    "utf-16le": (_call().decode().encode("utf-16-le"), {}),
    "utf-32": (_call().decode().encode("utf-32"), {}),
    "text": (_call(), {"content-type": "text/plain"}),
    "no type": (_call(), {"content-type": ""}),
    "charset": (_call(), {"content-type": "application/json; charset=utf-16le"}),
    "other type": (_call(), {"content-type": "application/json-rpc"}),
    "gzip": (gzip.compress(_call(), mtime=0), {"content-encoding": "gzip"}),
    "gzip unsaid": (gzip.compress(_call(), mtime=0), {}),
    "identity": (_call(), {"content-encoding": "identity"}),
    "two documents": (_call(name=ALLOWED) + _call(), {}),
    "lines": (_call(name=ALLOWED) + b"\n" + _call(), {}),
    "blanks": (b"\n\t " + _call() + b"\r\n", {}),
    "form": (b"name=delete_all&method=tools/call", {"content-type": "application/x-www-form-urlencoded"}),
    "override": (_call(), {"x-http-method-override": "GET"}),
    "not a number": (_call(_V, _M, '"x": NaN', _F), {}),
    "deep": (_call(_V, _M, f'"x": {"[" * 500}{"]" * 500}', _F), {}),
    "bad utf-8": (_call(_V, _M, '"x": "\xff"', _F).replace("\xff".encode(), b"\xff"), {}),
    "blank in name": (_call(name="delete_all "), {}),
    "zero in name": (_call(_V, _M, '"params": {"name": "delete_all\\u0000"}'), {}),
    "capitals in name": (_call(name="Delete_All"), {}),
    "prefixed": (_call(name="./delete_all"), {}),
    "trailing comma": (_call()[:-1] + b",}", {}),
    "comment": (b"/* x */" + _call(), {}),
    "json5": (b"{jsonrpc: '2.0', id: 1, method: 'tools/call', params: {name: 'delete_all'}}", {}),
}


class _Members(list[tuple[str, Any]]):
    """The members of an object, those too whose name is there twice."""


def _texts(body: bytes) -> Iterator[bytes]:
    yield body
    try:
        yield gzip.decompress(body)
    except (OSError, EOFError):
        return


def calls(body: bytes) -> set[str]:
    """Return the tools that some server may call by a body: by any of its members of a name, in any encoding."""
    found: set[str] = set()
    for text in _texts(body):
        try:
            top = json.loads(text, object_pairs_hook=_Members)
        except (ValueError, RecursionError):
            continue
        for each in [top] if isinstance(top, _Members) else top if isinstance(top, list) else []:
            members = each if isinstance(each, _Members) else _Members()
            if any(key == "method" and value == "tools/call" for key, value in members):
                parameters = [value for key, value in members if key == "params" and isinstance(value, _Members)]
                found |= {value for each in parameters for key, value in each if key == "name"}
    return found


async def result(_seen: Seen) -> web.StreamResponse:
    """Answer as a server does."""
    return web.json_response({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "tools": []}})


async def served(proxy: Proxy, alpha: Upstream, policy: Manifest) -> None:
    """Serve the upstream as an MCP server behind a policy."""
    alpha.reset()
    alpha.answer = result
    await proxy.apply(
        service("alpha"),
        endpoints("alpha", [alpha.port]),
        to_backend("tools"),
        servers({"name": "one", "backendRef": {"name": "alpha", "port": 80}}),
        traffic_policy("route", mcp=policy),
    )


async def post(proxy: Proxy, body: bytes, headers: dict[str, str], method: str = "POST", path: str = "/mcp") -> int:
    """Send a body; return the status."""
    fields = {**JSON, **headers}
    return (
        await proxy.request(path, method=method, headers=fields, body=body, skip_auto_headers=("content-type",))
    ).status


@pytest.mark.parametrize("policy", POLICIES)
async def test_no_way_to_write_a_call_leads_to_a_forbidden_tool(
    tool_proxy: Proxy, alpha: Upstream, policy: str
) -> None:
    """Of all ways to write the call, with any method, the server reads none that asks for the tool."""
    await served(tool_proxy, alpha, POLICIES[policy])
    assert await post(tool_proxy, _call(name=ALLOWED), {}) == 200
    alpha.seen.clear()
    passed: dict[str, int] = {}
    for name, (body, headers) in BODIES.items():
        for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
            status = await post(tool_proxy, body, headers, method)
            if status == 200 and method == "POST":
                passed[name] = status
    assert [each for each in alpha.seen if FORBIDDEN in calls(each.body)] == []
    assert not set(passed) - {"blank in name", "zero in name", "capitals in name", "prefixed"}, passed


@pytest.mark.parametrize(
    "path", ["/mcp/", "//mcp", "/mcp?x=1", "/%6dcp", "/mcp/../mcp", "/mcp;x", "/mcp/anything", "/MCP"]
)
async def test_no_path_leads_around_the_policy(tool_proxy: Proxy, alpha: Upstream, path: str) -> None:
    """The policy holds at every path that leads to the server."""
    await served(tool_proxy, alpha, POLICIES["tools"])
    await post(tool_proxy, BODIES["plain"][0], {}, path=path)
    assert [each for each in alpha.seen if FORBIDDEN in calls(each.body)] == []


async def test_allowing_rules_close_all_else(tool_proxy: Proxy, alpha: Upstream) -> None:
    """Where rules allow tools, everything that they do not name is denied: resources, prompts, streams, the unknown."""
    await served(tool_proxy, alpha, POLICIES["rules"])
    for method in ("resources/read", "prompts/get", "resources/subscribe", "tools/unknown", "completion/complete", "x"):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "search", "uri": "a://b"}})
        assert await post(tool_proxy, body.encode(), {}) in (400, 403), method
    assert (await tool_proxy.request("/mcp", headers={"accept": "text/event-stream"})).status in (403, 405)
    assert alpha.seen == []
    for method in ("ping", "tools/list", "initialize"):
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert await post(tool_proxy, body.encode(), {}) == 200, method


async def test_a_policy_that_allows_all_changes_no_verdict(tool_proxy: Proxy) -> None:
    """A policy that denies only what the suite does not call leaves its verdict as it is without a gateway."""
    async with running_server() as port:
        place: Manifest = {"name": "one", "static": {"host": "127.0.0.1", "port": port}}
        policy = traffic_policy("route", mcp={"tools": {"deny": ["delete_*"]}})
        await tool_proxy.apply(to_backend("tools"), servers(place), policy)
        direct = await verdict(f"http://127.0.0.1:{port}/mcp")
        through = await verdict(f"http://127.0.0.1:{tool_proxy.port}/mcp")
    assert through == direct
