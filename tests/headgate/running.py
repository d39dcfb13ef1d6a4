"""`headgate run` as a process, with a folder, an Envoy and an upstream, on free ports."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.ports import free_port as free_port

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: headgate
  listeners: [{{name: http, port: {port}, protocol: HTTP}}]
"""

ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shop}}
spec:
  parentRefs: [{{name: {parent}}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]
      backendRefs: [{{name: shop, port: 80}}]
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: shop}}
spec:
  ports: [{{name: http, port: 80}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: shop-1, labels: {{kubernetes.io/service-name: shop}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1]}}]
ports: [{{name: http, port: {port}}}]
"""


async def tell_path(request: web.Request) -> web.Response:
    """Respond with the path of the request."""
    return web.Response(text=request.path)


@contextlib.asynccontextmanager
async def upstream(answer: Callable[[web.Request], Awaitable[web.Response]] = tell_path) -> AsyncIterator[int]:
    """Run a server that responds to any request, by default with its path; yield its port."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield port
    await runner.cleanup()


@dataclass
class Headgate:
    """A sequence of runs of `headgate run`, with the same folder, state and addresses."""

    folder: Path
    state: Path
    envoy: Path
    port: int = field(default_factory=free_port)
    xds: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    module: str = "headgate"
    process: asyncio.subprocess.Process | None = None

    def write(self, name: str, text: str) -> None:
        """Write a file of the folder atomically."""
        new = self.folder / f"{name}.new"
        new.write_text(text)
        new.rename(self.folder / f"{name}.yaml")

    @property
    def command(self) -> list[str]:
        """The command line."""
        addresses = ("--xds-address", f"127.0.0.1:{self.xds}", "--admin-address", f"127.0.0.1:{self.admin}")
        return [*self.prefix, sys.executable, "-m", self.module, "run", str(self.folder), *addresses, *self.arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables."""
        return {**os.environ, "HEADGATE_STATE_DIR": str(self.state), "HEADGATE_ENVOY": str(self.envoy)}

    async def start(self, detached: bool = False) -> "Headgate":
        """Start Headgate; detached, it has no terminal."""
        log = os.open(self.state / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.process = await asyncio.create_subprocess_exec(
            *self.command, env=self.environment, stderr=log, stdout=log, start_new_session=detached
        )
        os.close(log)
        return self

    async def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, wait for the end, and return the exit status."""
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)

    @property
    def log(self) -> str:
        """The log of all runs."""
        return (self.state / "log").read_text()

    def envoy_pid(self, gateway: str = "default.web") -> int | None:
        """Return the process id of a Gateway's Envoy."""
        file = self.state / f"127.0.0.1-{self.xds}" / gateway / "envoy.pid"
        return int(file.read_text()) if file.exists() else None

    def bootstrap(self, gateway: str = "default.web") -> str:
        """Return the bootstrap of a Gateway's Envoy."""
        return (self.state / f"127.0.0.1-{self.xds}" / gateway / "bootstrap.json").read_text()

    async def ask(self, path: str) -> Any:
        """Return the response of the admin server, parsed if it is JSON; None if there is none."""
        return await fetch(f"http://127.0.0.1:{self.admin}{path}")

    async def answers(self, path: str, status: int, within: float = 20) -> str:
        """Wait until the Gateway responds to a request with a status; return the body."""
        async with asyncio.timeout(within):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with aiohttp.request("GET", f"http://127.0.0.1:{self.port}{path}") as response:
                        body = await response.text()
                        if response.status == status:
                            return body
                await asyncio.sleep(0.02)

    async def condition(self, name: str, kind: str, status: str, within: float = 20) -> dict[str, Any]:
        """Wait until an object's own condition of a type has a status; return the condition."""
        async with asyncio.timeout(within):
            while True:
                known = await self.ask("/status") or {"objects": []}
                for each in known["objects"]:
                    for found in each["status"].get("conditions", ()):
                        if (each["metadata"]["name"], found["type"], found["status"]) == (name, kind, status):
                            return dict(found)
                await asyncio.sleep(0.05)


async def fetch(url: str) -> Any:
    """Return the body of a response, parsed if it is JSON; None if there is no response."""
    try:
        async with aiohttp.request("GET", url) as response:
            return await (response.json() if response.content_type == "application/json" else response.text())
    except aiohttp.ClientError:
        return None
