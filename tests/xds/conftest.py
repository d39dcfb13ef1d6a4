"""Fixtures of the xDS library's tests: streams to servers."""

from collections.abc import AsyncIterator

import grpc.aio
import pytest

from tests.xds.calls import DELTA, Call, Dial
from xds.server.server import Server


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Open streams to servers, each over a connection of its own, which the test's end closes."""
    channels: list[grpc.aio.Channel] = []

    def open_one(server: Server, method: str = DELTA, metadata: tuple[tuple[str, str], ...] = ()) -> Call:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options))
        return Call(channels[-1], method, metadata)

    yield open_one
    for channel in channels:
        await channel.close()
