"""InferencePools through a real Envoy, with a picker that does as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.live.pickers import Picker, picker_service, pod, pool, running_picker, to_pool
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream


@pytest_asyncio.fixture(loop_scope="session")
async def picker() -> AsyncIterator[Picker]:
    """Yield a picker, which serves by TLS with a certificate of its own."""
    async with running_picker() as found:
        yield found


async def test_it_follows_the_picker(proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream) -> None:
    """Each request goes to the endpoint that the picker has chosen for it."""
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port, beta.port]), to_pool())
    for each in (alpha, beta, beta, alpha):
        picker.picks(each.port)
        response = await proxy.request("/v1/chat/completions", method="POST", body=b"{}")
        assert response.backend == each.name, response
    assert picker.bodies == [b"{}"] * 4
    assert picker.served == [f"127.0.0.1:{each.port}" for each in (alpha, beta, beta, alpha)]
