"""The wiring of `headgate waf`: a gRPC server for proxies, processes that inspect, and an HTTP server for probes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc.aio
import structlog
from aiohttp import web

from headgate.process.address import Address
from headgate.process.lifecycle import run_until_stopped
from headgate.process.ports import check_free
from headgate.waf.audit import Audit
from headgate.waf.engine import check_library
from headgate.waf.metrics import WafMetrics
from headgate.waf.pool import DEFAULTS, Pool, PoolLimits
from headgate.waf.processor import WafProcessor
from headgate.waf.rule_files import RuleFiles

MOST_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""The longest message of a proxy: a body, as far as it is held for the service."""
MOST_METADATA_BYTES: Final = 64 * 1024
"""The most metadata of a call: a profile, and what gRPC adds."""
MOST_STREAMS: Final = 1_000
"""The most requests at a time of one connection of a proxy, which has one for each of its threads."""
STOP_SECONDS: Final = 5.0
"""How long requests that are under way have when the service stops."""

log = structlog.stdlib.get_logger("headgate")


@dataclass(frozen=True, slots=True)
class WafSettings:
    """The settings of `headgate waf`.

    Attributes:
        address: where proxies ask.
        http: where probes and Prometheus ask.
        rules: the folder of the Core Rule Set; None to look in the usual places.
        processes: how many processes inspect.
        audit_data: whether the audit log has what rules have found.
        end_with_input: whether it ends when its standard input does, which whoever started it holds open.
        limits: limits of inspections.
    """

    address: Address
    http: Address
    rules: Path | None = None
    processes: int = 2
    audit_data: bool = False
    end_with_input: bool = False
    limits: PoolLimits = DEFAULTS


def run(settings: WafSettings) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        UserError: it cannot start; the message says how to correct that.
    """
    check_library()
    files = RuleFiles.read(settings.rules)
    check_free(settings.address, "--address")
    check_free(settings.http, "--http-address")
    run_until_stopped(lambda: _serve(settings, files.version))


async def _serve(settings: WafSettings, version: str) -> None:
    pool = Pool(settings.processes, settings.rules, settings.limits)
    metrics = WafMetrics(lambda: pool.running, lambda: pool.restarts)
    async with pool, _probes(settings.http, pool, metrics), _grpc(settings, pool, metrics):
        log.info(
            "The web application firewall is ready",
            address=str(settings.address),
            http=f"http://{settings.http.for_clients}",
            rules=f"OWASP Core Rule Set {version}",
            processes=settings.processes,
        )
        await (_input_ended() if settings.end_with_input else asyncio.Event().wait())


async def _input_ended() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


@contextlib.asynccontextmanager
async def _grpc(settings: WafSettings, pool: Pool, metrics: WafMetrics) -> AsyncIterator[None]:
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
            ("grpc.max_metadata_size", MOST_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", MOST_METADATA_BYTES),
            ("grpc.max_concurrent_streams", MOST_STREAMS),
            # Two services on one port would share its connections at random.
            ("grpc.so_reuseport", 0),
        ]
    )
    server.add_generic_rpc_handlers((WafProcessor(pool, Audit(_write, settings.audit_data), metrics).handlers(),))
    server.add_insecure_port(str(settings.address))
    await server.start()
    try:
        yield
    finally:
        await server.stop(STOP_SECONDS)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextlib.asynccontextmanager
async def _probes(address: Address, pool: Pool, metrics: WafMetrics) -> AsyncIterator[None]:
    """Serve /healthz, /readyz and /metrics."""

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readiness(_: web.Request) -> web.Response:
        if pool.running:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="no process inspects requests\n")

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), content_type="text/plain")

    app = web.Application()
    app.add_routes([web.get("/healthz", health), web.get("/readyz", readiness), web.get("/metrics", scrape)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, address.host, address.port).start()
    try:
        yield
    finally:
        await runner.cleanup()
