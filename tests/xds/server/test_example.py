"""The example program of the library works as documented."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from examples import xds_server
from examples.xds_server import serve
from tests.xds.envoy_process import free_port, running_envoy


async def test_the_example_serves_an_envoy(envoy_path: Path) -> None:
    """An Envoy connected to the example answers with the configured response."""
    xds, port = free_port(), free_port()
    serving = asyncio.create_task(serve(xds, port))
    async with running_envoy(envoy_path, xds, delta=True) as envoy:
        await envoy.answers(port, "/", (200, "hello"))
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


@pytest.mark.parametrize("arguments", [[], ["http"]], ids=["no-port", "no-number"])
async def test_the_example_prints_its_usage(arguments: list[str]) -> None:
    """Without a numeric port, the example ends with its usage and the invalid argument."""
    script = [sys.executable, xds_server.__file__, *arguments]
    process = await asyncio.create_subprocess_exec(*script, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"usage: xds_server.py" in errors
    assert b"xds_port" in errors.splitlines()[-1]
