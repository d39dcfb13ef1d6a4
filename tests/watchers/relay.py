"""Stands between a client and the real API server, sees what goes by, and cuts it: a network as bad as a test wants."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

from watchers.kubernetes.kubeconfig import Access, Target


class Relay:
    """A reverse proxy on a port of its own.

    Attributes:
        url: its URL.
        requests: the path and query of each request, and its Accept header.
        received: all that clients were sent.
        down: whether connections are closed instead of answered.
        halves: whether the next that comes of a watch is cut in its middle, and the connection with it.
    """

    def __init__(self, access: Access) -> None:
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self.received = bytearray()
        self.down = False
        self.halves = False
        self._access = access
        self._open: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        self._upstream = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._access.tls or True, limit=0), auto_decompress=False
        )
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._relay)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        await self._runner.cleanup()
        await self._upstream.close()

    def cut(self) -> None:
        """Cut all connections."""
        for transport in self._open:
            transport.abort()

    def asked(self, part: str) -> list[str]:
        """Those requests whose path and query have this in them."""
        return [path for path, _ in self.requests if part in path]

    async def access(self, folder: Path) -> Access:
        """Return the way through here, with the same right to ask."""
        return await kubeconfig(folder, self.url, f"token: {await token(self._access)}")

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport
        if self.down:
            transport.abort()
            return web.Response()
        self.requests.append((request.path_qs, request.headers.get("Accept", "")))
        headers = {
            key: request.headers[key] for key in ("Authorization", "Accept", "Content-Type") if key in request.headers
        }
        self._open.add(transport)
        try:
            async with self._upstream.request(
                request.method, self._access.url + request.path_qs, headers=headers, data=await request.read() or None
            ) as answer:
                return await self._answer(request, answer)
        except (aiohttp.ClientError, OSError):
            transport.abort()
            return web.Response()
        finally:
            self._open.discard(transport)

    async def _answer(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status)
        response.content_type = answer.content_type
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            if self.halves and "watch=true" in request.path_qs:
                self.halves = False
                await response.write(chunk[: len(chunk) // 2])
                await asyncio.sleep(0.05)  # so that it is seen, not thrown away with the connection
                assert request.transport
                request.transport.abort()
                return response
            self.received += chunk
            with suppress(ConnectionError):
                await response.write(chunk)
        return response


async def token(access: Access) -> str:
    """Return the bearer token that a way to the API server uses."""
    return (await access.authorization() or "").removeprefix("Bearer ")


async def kubeconfig(folder: Path, url: str, user: str, cluster: str = "") -> Access:
    """Return the way that a kubeconfig written for it leads."""
    path = folder / "kubeconfig"
    path.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: it\n"
        f"contexts: [{{name: it, context: {{cluster: it, user: it, namespace: here}}}}]\n"
        f"clusters: [{{name: it, cluster: {{server: '{url}'{cluster}}}}}]\n"
        f"users: [{{name: it, user: {{{user}}}}}]\n"
    )
    return await Access.load(Target(str(path)))
