"""An MCP server that ends its answers in their middle, in all ways in which a connection can end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

FRAMINGS = ("chunked", "length", "close")
TYPES = ("text/event-stream", "application/json")
PLACES = ("nothing", "head", "some", "message", "garbage", "silence")
ENDS = ("fin", "rst")


@dataclass
class Cut:
    """How an answer ends.

    Attributes:
        place: where: before the head, after it, within the message, or after it though not at the end of the answer;
            with bytes that are no chunk; never.
        end: by the end of the connection, or its reset.
        kind: the type of the answer.
        framing: how its length is told.
        pause: how long there is nothing before each next part, in seconds.
    """

    place: str = ""
    end: str = "fin"
    kind: str = TYPES[0]
    framing: str = FRAMINGS[0]
    pause: float = 0.0


@dataclass
class CuttingServer:
    """A server.

    Attributes:
        port: where it listens.
        cut: how its answers end; a cut without a place is none.
        methods: the methods whose answers end so; others are answered as a whole.
        text: what its tool answers.
    """

    port: int = 0
    cut: Cut = field(default_factory=Cut)
    methods: tuple[str, ...] = ()
    text: str = "found"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        message = json.loads(await _body(reader) or b"{}")
        method = message.get("method", "")
        if "id" not in message and method not in self.methods:
            writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            return True
        cut = self.cut if method in self.methods else Cut(kind=self.cut.kind)
        if cut.place == "nothing":
            return _end(writer, cut.end)
        body = _answer_to(message, self.text)
        if cut.kind == TYPES[0]:
            body = b"event: message\r\ndata: " + body + b"\r\n\r\n"
        writer.write(_head(cut, len(body) + (0 if not cut.place else 64)))
        if not cut.place:
            writer.write(_part(cut, body) + (b"0\r\n\r\n" if cut.framing == FRAMINGS[0] else b""))
            return cut.framing != "close"
        await writer.drain()
        await asyncio.sleep(cut.pause)
        sent = {"head": b"", "some": body[:20], "message": body, "garbage": body[:20], "silence": body[:20]}[cut.place]
        writer.write((_part(cut, sent) if sent else b"") + (b"ZZZ\r\n" if cut.place == "garbage" else b""))
        await writer.drain()
        if cut.place == "silence":
            await reader.read()  # until the gateway goes
        await asyncio.sleep(cut.pause)
        return _end(writer, cut.end)


def _answer_to(message: dict[str, object], text: str) -> bytes:
    tool = {"name": "search", "inputSchema": {"type": "object"}}
    result = {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
        "serverInfo": {"name": "cut", "version": "1"},
        "tools": [tool],
        "resources": [{"uri": "note://first", "name": "first"}],
        "prompts": [{"name": "greet"}],
        "content": [{"type": "text", "text": text}],
    }
    return json.dumps({"jsonrpc": "2.0", "id": message.get("id", 1), "result": result}).encode()


def _head(cut: Cut, length: int) -> bytes:
    framing = {"chunked": "transfer-encoding: chunked", "length": f"content-length: {length}"}
    line = framing.get(cut.framing, "connection: close")
    return f"HTTP/1.1 200 OK\r\ncontent-type: {cut.kind}\r\n{line}\r\nmcp-session-id: of-the-server\r\n\r\n".encode()


def _part(cut: Cut, data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if cut.framing == FRAMINGS[0] else data


def _end(writer: asyncio.StreamWriter, end: str) -> bool:
    if end == "rst":
        found: socket.socket = writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    return False


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    body = b""
    while b"transfer-encoding: chunked" in head:
        size = int((await reader.readline()).split(b";")[0], 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            break
    return body


@contextlib.asynccontextmanager
async def cutting_server() -> AsyncIterator[CuttingServer]:
    """Run such a server."""
    made = CuttingServer()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
