"""MCP servers with tools, and agents that call them: the SDK of the protocol on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from tests.live.asgi import served_application
from tests.live.backends import backend
from tests.live.objects import Manifest
from tests.live.proxy import Proxy, free_port

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
MODES = ("legacy", "auto", "2026-07-28")
"""How agents speak to servers: with sessions, as both can, and without sessions."""


@dataclass
class Heard:
    """A request that a server got."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def call(self) -> dict[str, Any]:
        """The message of JSON-RPC; an empty one if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass
class ToolServer:
    """An MCP server that is running."""

    name: str
    port: int
    seen: list[Heard] = field(default_factory=list)
    called: list[str] = field(default_factory=list)


class _Recorder:
    """Notes requests on their way to a server."""

    def __init__(self, application: Application, found: ToolServer) -> None:
        self._application, self._found = application, found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        query = scope["query_string"].decode()
        target = scope["raw_path"].decode() + (f"?{query}" if query else "")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        heard = Heard(scope["method"], target, headers)
        self._found.seen.append(heard)

        async def recorded() -> MutableMapping[str, Any]:
            message = await receive()
            heard.body += message.get("body", b"")
            return message

        await self._application(scope, recorded, send)


def _tools(found: ToolServer) -> MCPServer[Any]:
    made: MCPServer[Any] = MCPServer(found.name, log_level="ERROR")

    @made.tool()
    def where() -> str:
        """Say which server this is."""
        found.called.append("where")
        return found.name

    @made.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        found.called.append("add")
        return a + b

    @made.tool()
    def delete_all() -> str:
        """Delete everything."""
        found.called.append("delete_all")
        return "deleted"

    @made.tool()
    async def slow(seconds: float) -> str:
        """Take a while."""
        found.called.append("slow")
        await asyncio.sleep(seconds)
        return "at last"

    @made.resource("note://first")
    def note() -> str:
        """Read a note."""
        return f"a note of {found.name}"

    @made.prompt()
    def greet(name: str) -> str:
        """Greet somebody."""
        return f"Greet {name} from {found.name}"

    return made


@contextlib.asynccontextmanager
async def tool_server(name: str, *, whole: bool = False, path: str = "/mcp") -> AsyncIterator[ToolServer]:
    """Run a server; its answers are streams of events, or `whole` as JSON."""
    found = ToolServer(name, free_port())
    application = _tools(found).streamable_http_app(
        streamable_http_path=path,
        json_response=whole,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    async with served_application(_Recorder(application, found), found.port):
        yield found


@contextlib.asynccontextmanager
async def agent(
    proxy: Proxy, path: str = "/mcp", mode: str = "auto", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Client]:
    """Connect an agent by a proxy."""
    url = f"http://127.0.0.1:{proxy.port}{path}"
    async with (
        httpx2.AsyncClient(headers=dict(headers or {}), timeout=10) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as found,
    ):
        yield found


async def text(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool, and return the text that it answers."""
    found = await client.call_tool(tool, arguments)
    assert not found.is_error, found.content
    return "".join(each.text for each in found.content if each.type == "text")


async def tools(client: Client) -> list[str]:
    """Return the names of the tools that an agent sees."""
    return [each.name for each in (await client.list_tools()).tools]


def at(found: ToolServer, **fields: Any) -> Manifest:
    """Return a target at the address of a server."""
    return {"name": found.name, "static": {"host": "127.0.0.1", "port": found.port}, **fields}


def servers(*targets: Manifest, **fields: Any) -> Manifest:
    """Return a Backend of MCP servers."""
    return backend("tools", mcp={"targets": list(targets), **fields})
