"""An HTTP server that echoes requests: what a request looked like when it left the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Seen:
    """A request as it arrived: path and query as they were written, headers in lower case and in their order."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    @property
    def host(self) -> str:
        """The Host header."""
        return self.values("host")[0]


Answer = Callable[[Seen], Awaitable[web.StreamResponse | None]]


@dataclass
class Upstream:
    """A server on a loopback port; it answers 200 with JSON unless `answer` gives something else.

    Attributes:
        seen: the requests so far.
        answer: what to answer; None, or an answer of None, for the echo.
        raw: takes over a connection, for protocols other than plain requests.
    """

    name: str
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    answer: Answer | None = None
    raw: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def reset(self) -> None:
        """Clear the recorded requests and the configured answer."""
        self.seen, self.answer, self.raw = [], None, None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request."""
        headers = tuple((key.decode().lower(), value.decode("latin-1")) for key, value in request.raw_headers)
        seen = Seen(request.method, request.raw_path, headers, b"" if self.raw else await request.content.read())
        async with self._news:
            self.seen.append(seen)
            self._news.notify_all()
        if self.raw:
            return await self.raw(request)
        other = await self.answer(seen) if self.answer else None
        if other is not None:
            return other
        return web.json_response(
            {"backend": self.name, "method": seen.method, "path": seen.path, "headers": seen.headers}
        )

    async def saw(self, count: int, within: float = 5) -> list[Seen]:
        """Return the requests, once there are as many."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: len(self.seen) >= count)
        return self.seen


@contextlib.asynccontextmanager
async def upstream(
    name: str, port: int = 0, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[Upstream]:
    """Run an upstream on a port of loopback, by default a free one; by TLS if there is a context for it."""
    made = Upstream(name)
    runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, address, port, ssl_context=tls)
    try:
        await site.start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()
