"""Servers of several that end their answers in the middle: Envoy's router of servers must not crash."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import aiohttp

from tests.live.backends import to_backend
from tests.live.cut_answers import ENDS, FRAMINGS, PLACES, TYPES, Cut, CuttingServer, cutting_server
from tests.live.mcp_tools import servers
from tests.live.proxy import Proxy

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}}
METHODS: dict[str, dict[str, Any]] = {
    "initialize": HELLO,
    "notifications/initialized": {},
    "ping": {},
    "tools/list": {},
    "tools/call": {"name": "a__search", "arguments": {}},
    "resources/list": {},
    "resources/read": {"uri": "a+note://first"},
    "prompts/list": {},
    "prompts/get": {"name": "a__greet"},
    "completion/complete": {
        "ref": {"type": "ref/prompt", "name": "a__greet"},
        "argument": {"name": "x", "value": "y"},
    },
}


async def send(proxy: Proxy, method: str, session: str) -> tuple[int, str, str]:
    """Return the status of the answer to a message, the session, and the answer."""
    named = {"Mcp-Session-Id": session} if session else {}
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": METHODS[method]}
    if not method.startswith("notifications"):
        message["id"] = 1
    found = await proxy.request("/mcp", method="POST", headers={**HEADERS, **named}, body=json.dumps(message).encode())
    return found.status, found.headers.get("mcp-session-id", ""), str(found.body)


async def begin(proxy: Proxy, *found: CuttingServer) -> str:
    """Have servers be one, and return the session of an agent."""
    targets = [
        {"name": name, "static": {"host": "127.0.0.1", "port": each.port}, "timeout": "1s"}
        for name, each in zip("ab", found, strict=True)
    ]
    await proxy.apply(to_backend("tools"), servers(*targets))
    _, session, _ = await send(proxy, "initialize", "")
    assert session
    return session


async def all_methods(proxy: Proxy, session: str, *without: str) -> dict[str, int]:
    """Send a request of each method at once, and return the statuses of the answers."""
    names = [each for each in METHODS if each not in without]
    found = await asyncio.gather(*(send(proxy, each, "" if each == "initialize" else session) for each in names))
    return {name: status for name, (status, _, _) in zip(names, found, strict=True)}


WAYS = [
    Cut(place, end, kind, framing, 0.02)
    for place, kind, framing, end in itertools.product(PLACES, TYPES, FRAMINGS, ENDS)
    if place != "silence" or (framing, end) == (FRAMINGS[0], ENDS[0])
]


async def test_answers_that_end_early(tool_proxy: Proxy) -> None:
    """Whatever servers end early, and however, Envoy goes on, all requests are answered, and then calls as ever."""
    async with cutting_server() as one, cutting_server() as two:
        session = await begin(tool_proxy, one, two)
        for place, cut in enumerate(WAYS):
            both = place % 2 == 0
            one.cut, one.methods = cut, tuple(METHODS)
            two.cut, two.methods = cut, tuple(METHODS) if both else ()
            found = await all_methods(tool_proxy, session, *(("tools/call",) if cut.kind == TYPES[0] else ()))
            assert tool_proxy.process.returncode is None, cut
            # An answer that is to end with its connection is as whole as its server says.
            ends = cut.framing == "close" and cut.place not in ("nothing", "silence")
            assert found.get("tools/call", 200 if ends else 500) == (200 if ends else 500), cut
            assert (found["initialize"] == 200) == (ends or not both), cut
            one.methods = two.methods = ()
            status, _, body = await send(tool_proxy, "tools/call", session)
            assert (status, "found" in body) == (200, True), cut


async def test_streams_that_end_early(tool_proxy: Proxy) -> None:
    """A stream of events of a call that its server ends early is ended for the agent too, and Envoy goes on."""
    async with cutting_server() as one, cutting_server() as two:
        session = await begin(tool_proxy, one, two)
        calls = []
        for cut in WAYS:
            if cut.kind == TYPES[0] and cut.place not in ("nothing", "silence"):
                one.cut, one.methods = cut, tuple(METHODS)
                calls.append(asyncio.create_task(send(tool_proxy, "tools/call", session)))
                await asyncio.sleep(0.1)
        async with asyncio.timeout(8):
            found = await asyncio.gather(*calls, return_exceptions=True)
        assert any(isinstance(each, aiohttp.ClientPayloadError) for each in found)
        assert not any(isinstance(each, TimeoutError) for each in found)
        one.methods = ()
        status, _, body = await send(tool_proxy, "tools/call", session)
        assert (status, "found" in body, tool_proxy.process.returncode) == (200, True, None)


async def test_agents_that_go(tool_proxy: Proxy) -> None:
    """Agents that go while an answer is held take nothing with them."""
    async with cutting_server() as one, cutting_server() as two:
        session = await begin(tool_proxy, one, two)
        for kind, end in itertools.product(TYPES, ENDS):
            one.cut, one.methods = Cut("some", end, kind, FRAMINGS[0], 0.3), tuple(METHODS)
            asked = [asyncio.create_task(send(tool_proxy, each, session)) for each in METHODS]
            await asyncio.sleep(0.1)
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            one.methods = ()
            status, _, body = await send(tool_proxy, "tools/call", session)
            assert (status, "found" in body) == (200, True), (kind, end)
        assert tool_proxy.process.returncode is None


async def test_long_answers(tool_proxy: Proxy) -> None:
    """An answer of nearly 4 MiB reaches the agent, and a longer one is an error, unless it is a stream of events."""
    async with cutting_server() as one, cutting_server() as two:
        session = await begin(tool_proxy, one, two)
        for kind in TYPES:
            one.cut = Cut(kind=kind)
            longer = 200 if kind == TYPES[0] else 500
            for length, expected in ((1_000_000, 200), (4_000_000, 200), (4_300_000, longer), (20_000_000, longer)):
                one.text = "x" * length
                status, _, body = await send(tool_proxy, "tools/call", session)
                assert (status, len(body) > length) == (expected, expected == 200), (kind, length)
        assert tool_proxy.process.returncode is None
