"""The rate limit service of Envoy's project, and a Redis for its counts: real ones, on free ports of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.generate import tool
from tests.ports import free_port

WITHIN = 15.0
"""Seconds within which a server is to accept connections, however busy the machine is."""


@dataclass
class Redis:
    """A Redis without persistence: what it counted is gone when it ends.

    Attributes:
        port: its port, the same after a restart.
    """

    binary: str
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        with tempfile.TemporaryDirectory(prefix="redis") as folder:
            arguments = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
            self._process = await asyncio.create_subprocess_exec(
                self.binary, *arguments, "--dir", folder, stdout=asyncio.subprocess.DEVNULL
            )
            await accepting(self.port, self._process)

    async def stop(self) -> None:
        """End it, if it runs."""
        await end(self._process)
        self._process = None

    async def flush(self) -> None:
        """Forget all counts."""
        assert await self._ask(b"FLUSHALL") == b"+OK"

    async def counted(self, total: int) -> None:
        """Wait until all counts together are so many: what responses cost is counted after they have ended."""
        script = b"local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do n = n + redis.call('GET', k) end return n"
        async with asyncio.timeout(WITHIN):
            while await self._ask(b'EVAL "' + script + b'" 0') != b":%d" % total:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def _ask(self, command: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(command + b"\r\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line.rstrip(b"\r\n")


@dataclass
class RateLimitService:
    """The service; all that it is told is the domain of its descriptors.

    Attributes:
        port: its port of gRPC, the same after a restart.
    """

    binary: str
    redis: Redis
    folder: Path
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    async def start(self, *configurations: str) -> None:
        """Start it with configurations, in YAML, and wait until it accepts connections."""
        config = self.folder / "config"
        config.mkdir(exist_ok=True)
        for place, text in enumerate(configurations or ("domain: headgate\n",)):
            (config / f"{place}.yaml").write_text(text)
        environment = {
            "REDIS_SOCKET_TYPE": "tcp",
            "REDIS_URL": f"127.0.0.1:{self.redis.port}",
            "USE_STATSD": "false",
            "RUNTIME_ROOT": str(self.folder),
            "RUNTIME_SUBDIRECTORY": "",
            "RUNTIME_WATCH_ROOT": "false",
            "LOG_LEVEL": "error",
            **dict.fromkeys(("HOST", "DEBUG_HOST", "GRPC_HOST"), "127.0.0.1"),
            **{name: str(free_port()) for name in ("PORT", "DEBUG_PORT")},
            "GRPC_PORT": str(self.port),
        }
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            self.binary, env=os.environ | environment, stdout=quiet, stderr=quiet
        )
        await accepting(self.port, self._process)

    def pause(self) -> None:
        """Have it answer nothing until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End it, if it runs."""
        await end(self._process)
        self._process = None


async def accepting(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until a process accepts connections at a port of loopback."""
    async with asyncio.timeout(WITHIN):
        while True:
            assert process.returncode is None, f"the server ended with {process.returncode}"
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


async def end(process: asyncio.subprocess.Process | None) -> None:
    """End a process, if there is one."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def running_service(*configurations: str) -> AsyncIterator[RateLimitService]:
    """Run the service with its Redis; skip the test where one of them is missing."""
    redis, binary = shutil.which("redis-server"), tool("ratelimit")
    if redis is None:
        pytest.skip("there is no redis-server: install Debian's package of that name")
    if binary is None:
        pytest.skip("there is no ratelimit: `make tools` builds it")
    with tempfile.TemporaryDirectory(prefix="ratelimit") as folder:
        counts = Redis(redis)
        service = RateLimitService(binary, counts, Path(folder))
        try:
            await counts.start()
            await service.start(*configurations)
            yield service
        finally:
            await service.stop()
            await counts.stop()
