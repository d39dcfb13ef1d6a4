"""Websockets through the proxy: a backend, and a client."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from tests.live.proxy import Proxy


async def shout(request: web.BaseRequest) -> web.StreamResponse:
    """Take a websocket, and return each message in capitals."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


async def talk(proxy: Proxy, path: str, *words: str) -> list[str]:
    """Send words by a websocket, each once the one before is answered; return the answers."""
    found = []
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"http://127.0.0.1:{proxy.port}{path}", headers={"Host": "example.com"}) as socket,
    ):
        for word in words:
            await socket.send_str(word)
            found.append(await socket.receive_str())
    return found
