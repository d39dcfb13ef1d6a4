"""Endpoint pickers of InferencePools that fail while requests pass them, through a real Envoy."""

from __future__ import annotations

import asyncio

import aiohttp
import grpc
import pytest

from tests.live.pickers import picker_service, pod, pool, running_picker, to_pool
from tests.live.proxy import Proxy
from tests.live.test_inference import COMPLETIONS, post
from tests.live.upstream import Upstream


@pytest.mark.parametrize("mode", ["FailClose", "FailOpen"])
@pytest.mark.parametrize("ends", ["request_headers", "request_body", "response_headers"])
async def test_a_picker_that_ends_its_stream(proxy: Proxy, alpha: Upstream, mode: str, ends: str) -> None:
    """Where a picker ends its stream in order before a request is done, no body is lost without an error."""
    async with running_picker() as picker:
        picker.ends = ends
        found = pool(ports=[alpha.port], picker={"failureMode": mode})
        await proxy.apply(picker_service(picker), pod("a"), found, to_pool())
        async with asyncio.timeout(30):
            while len(picker.asked) < 3:
                try:
                    response = await post(proxy)
                except aiohttp.ClientError:
                    continue
                # With FailOpen nobody asks it until it is known to be there.
                assert response.status == 503 or (mode == "FailOpen" and response.backend == "alpha")
    assert {each.body for each in alpha.seen} <= {b"{}"}


@pytest.mark.parametrize("error", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
async def test_a_picker_that_answers_errors(proxy: Proxy, alpha: Upstream, error: grpc.StatusCode) -> None:
    """With FailOpen requests go on without a picker that has answered several with errors."""
    async with running_picker() as picker:
        opened = pool(ports=[alpha.port], picker={"failureMode": "FailOpen"})
        await proxy.apply(picker_service(picker), pod("a"), opened, to_pool())
        async with asyncio.timeout(30):
            while not picker.asked:
                await post(proxy)
            picker.error = error
            assert (await post(proxy)).status == 503
            while (await post(proxy)).status == 503:
                pass
        assert {(await post(proxy)).status for _ in range(5)} == {200}
        assert {each.body for each in alpha.seen} == {b"{}"}


async def test_the_time_of_a_silent_picker(proxy: Proxy, alpha: Upstream) -> None:
    """The answer that a picker has taken too long does not wait for the picker."""
    async with running_picker() as picker:
        picker.pause = 3600
        to_it = to_pool(timeouts={"request": "400ms"})
        await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_it)
        response = await proxy.request(COMPLETIONS, method="POST", body=b"{}")
        assert (response.status, response.body) == (504, b"downstream duration timeout")
