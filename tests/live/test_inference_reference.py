"""InferencePools through a real Envoy, with the Inference Extension's own picker: it and Envoy speak one protocol.

What the picker does comes of its plugins for conformance tests: one has it pick what a header of the request says, the
other tells in a header of the response which endpoint Envoy says has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.live.objects import Manifest, endpoints, service
from tests.live.picker.reference import ReferencePicker, pod, reference_picker
from tests.live.pickers import pool, to_pool
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Upstream, upstream

CONFIG = """
apiVersion: inference.networking.x-k8s.io/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: header-based-testing-filter
- type: destination-endpoint-served-verifier
- type: max-score-picker
  parameters: {maxNumOfEndpoints: 4}
- type: single-profile-handler
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: header-based-testing-filter
  - pluginRef: max-score-picker
"""
SELECTION = "test-epp-endpoint-selection"
SERVED = "x-conformance-test-served-endpoint"
PODS = {"a": "127.0.0.2", "b": "127.0.0.3"}


@pytest_asyncio.fixture(loop_scope="session")
async def servers() -> AsyncIterator[dict[tuple[str, int], Upstream]]:
    """Run two pods with two model servers each; yield these by address and port."""
    ports = [free_port(), free_port()]
    async with contextlib.AsyncExitStack() as stack:
        yield {
            (address, port): await stack.enter_async_context(upstream(f"{address}:{port}", port, address=address))
            for address in PODS.values()
            for port in ports
        }


def objects(servers: dict[tuple[str, int], Upstream]) -> tuple[Manifest, list[Manifest]]:
    """Return the pool of these servers, and its pods."""
    found = pool(ports=sorted({port for _, port in servers}))
    found["metadata"] |= {"namespace": "default", "uid": "pool", "resourceVersion": "1"}
    return found, [pod(name, address, {"app": "pool"}) for name, address in PODS.items()]


def at(picker: ReferencePicker, *, secure: bool = True) -> list[Manifest]:
    """Return the Service of the picker."""
    fields = {"app_protocol": "http2" if secure else "kubernetes.io/h2c"}
    return [service("picker", 9002, **fields), *endpoints("picker", [picker.port])]


async def complete(proxy: Proxy, **headers: str) -> Any:
    """Ask for a completion."""
    body = json.dumps({"model": "llama", "prompt": "Hello"}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"Content-Type": "application/json", **named}
    return await proxy.request("/v1/completions", method="POST", body=body, headers=sent)


@pytest.mark.parametrize("secure", [True, False])
async def test_it_follows_the_reference_picker(
    proxy: Proxy, servers: dict[tuple[str, int], Upstream], secure: bool
) -> None:
    """Requests go to the pod, and its port, that the picker picks, by TLS as it serves by default; it learns which."""
    found, pods = objects(servers)
    arguments = f"--secure-serving={str(secure).lower()}", "--config-text", CONFIG
    async with reference_picker(found, pods, *arguments) as picker:
        await proxy.apply(at(picker, secure=secure), pods, found, to_pool())
        async with asyncio.timeout(30):  # it takes a while to make itself a key
            while (await complete(proxy)).status == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for address, port in [*servers, *servers]:
            wanted = f"{address}:{port}"
            response = await complete(proxy, test_epp_endpoint_selection=wanted)
            assert (response.backend, response.headers[SERVED]) == (wanted, wanted)


async def test_the_next_choice_of_the_reference_picker(proxy: Proxy, servers: dict[tuple[str, int], Upstream]) -> None:
    """A pod that takes no connection is passed over for the next in the picker's list, and the picker learns which."""
    found, pods = objects(servers)
    ports = [each["number"] for each in found["spec"]["targetPorts"]]
    dead = pod("dead", "127.0.0.4", {"app": "pool"})
    async with reference_picker(found, [*pods, dead], "--config-text", CONFIG) as picker:
        await proxy.apply(at(picker, secure=False), [*pods, dead], found, to_pool())
        for _ in range(10):
            wanted = f"127.0.0.3:{ports[0]}"
            response = await complete(proxy, test_epp_endpoint_selection=f"127.0.0.4:{ports[0]},{wanted}")
            assert (response.backend, response.headers[SERVED]) == (wanted, wanted)


async def test_no_pod_is_left(proxy: Proxy, servers: dict[tuple[str, int], Upstream]) -> None:
    """Where the picker has nothing to pick, its own answer is the client's."""
    found, pods = objects(servers)
    async with reference_picker(found, pods, "--config-text", CONFIG) as picker:
        await proxy.apply(at(picker, secure=False), pods, found, to_pool())
        assert (await complete(proxy, test_epp_endpoint_selection="127.0.0.9")).status >= 400
    assert all(not each.seen or each.seen[-1].path == "/metrics" for each in servers.values())
