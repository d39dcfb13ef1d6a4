"""The example of the library's use works as it says."""

import asyncio
import contextlib
from pathlib import Path

from examples.xds_server import serve
from tests.xds.envoy import free_port, running_envoy


async def test_the_example_serves_an_envoy(envoy_path: Path) -> None:
    """An Envoy pointed at the example answers with what it is told to."""
    xds, port = free_port(), free_port()
    serving = asyncio.create_task(serve(xds, port))
    async with running_envoy(envoy_path, xds, delta=True) as envoy:
        await envoy.answers(port, "/", (200, "hello"))
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
