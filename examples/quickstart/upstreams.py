"""Two small servers to route to: `green` and `blue`. Each says its name, and what it was asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from aiohttp import web

#: As in config/services.yaml.
PORTS = {"green": 18081, "blue": 18082}


@asynccontextmanager
async def upstream(name: str, port: int) -> AsyncIterator[None]:
    """Run a server on loopback for as long as the context is open."""

    async def answer(request: web.Request) -> web.Response:
        sent_by = request.headers.get("x-sent-by")
        return web.Response(text=f"{name} got {request.path_qs}{f', sent by {sent_by}' if sent_by else ''}\n")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def upstreams() -> AsyncIterator[None]:
    """Run both servers."""
    async with AsyncExitStack() as stack:
        for name, port in PORTS.items():
            await stack.enter_async_context(upstream(name, port))
        yield


async def main() -> None:
    """Run both servers until Ctrl-C."""
    async with upstreams():
        print(*(f"{name} listens on 127.0.0.1:{port}" for name, port in PORTS.items()), sep="\n", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
