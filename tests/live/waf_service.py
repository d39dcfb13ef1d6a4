"""`headgate waf` as a process, with the Core Rule Set that `make tools` gets, on free ports of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.ports import free_port

RULES = Path(__file__).parents[2] / ".e2e" / "crs"
WITHIN = 15.0
"""Seconds within which the service is to be ready, however busy the machine is."""


def rules() -> Path:
    """Return the folder of the Core Rule Set; skip the test where it, or the library, is missing."""
    pytest.importorskip("libmodsecurity", reason="there is no libmodsecurity: `make setup` installs it where it can")
    if not (RULES / "rules").is_dir():
        pytest.skip("there is no Core Rule Set: `make tools` gets it")
    return RULES


@dataclass
class Waf:
    """The service.

    Attributes:
        port: where proxies ask.
        http: where probes ask.
        process: the process.
        audit: the lines of its audit log.
    """

    process: asyncio.subprocess.Process
    port: int
    http: int
    audit: list[dict[str, Any]] = field(default_factory=list)

    async def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.http}{path}") as response:
            return response.status, await response.text()

    async def metric(self, series: str) -> float:
        """Return the value of a series; 0 if there is none."""
        lines = (await self.get("/metrics"))[1].splitlines()
        return next((float(each.rpartition(" ")[2]) for each in lines if each.startswith(f"{series} ")), 0.0)

    async def follow(self) -> None:
        """Read the audit log."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.audit.append(json.loads(line))

    async def audited(self, count: int) -> list[dict[str, Any]]:
        """Return the lines of the audit log, of which there are to be so many."""
        async with asyncio.timeout(WITHIN):
            while len(self.audit) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return self.audit


@contextlib.asynccontextmanager
async def running_waf(*options: str, processes: int = 1) -> AsyncIterator[Waf]:
    """Run the service until the context ends, when it has to end by itself."""
    port, http = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headgate", "waf", "--rules", str(rules()), "--processes", str(processes)),
        *("--address", f"127.0.0.1:{port}", "--http-address", f"127.0.0.1:{http}", *options),
        stdout=asyncio.subprocess.PIPE,
    )
    found = Waf(process, port, http)
    follower = asyncio.ensure_future(found.follow())
    try:
        await _ready(found)
        yield found
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            assert await process.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await follower


async def _ready(found: Waf) -> None:
    async with asyncio.timeout(WITHIN):
        while True:
            assert found.process.returncode is None, "the service has ended"
            with contextlib.suppress(aiohttp.ClientError):
                if (await found.get("/readyz"))[0] == 200:
                    return
            await asyncio.sleep(0.02)
