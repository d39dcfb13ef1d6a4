"""The Inference Extension's own picker chooses between servers of models, for vendors' clients of the gateway."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.clients import openai_client
from tests.ai.faults import Status
from tests.ai.provider import Provider, provider
from tests.ai.worlds import Manifest, model_route
from tests.live.objects import endpoints, prefix, route, service
from tests.live.picker.reference import GROUP, ReferencePicker, pod, reference_picker
from tests.live.proxy import Proxy, free_port

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
LABELS = {"app": "model"}
TO_POOL = {"group": GROUP.partition("/")[0], "kind": "InferencePool", "name": "pool"}
ROUTES: dict[str, Manifest] = {
    "HTTPRoute": route({"matches": [prefix("/v1")], "backendRefs": [TO_POOL]}, name="llm"),
    "ModelRoute": model_route({"models": ["m"], "backendRefs": [TO_POOL]}),
}
Pool = tuple[ReferencePicker, dict[str, Provider]]


def pool(port: int, **picker: Any) -> Manifest:
    """Return the pool of the servers, which its picker is to choose from."""
    return {
        "apiVersion": GROUP,
        "kind": "InferencePool",
        "metadata": {"name": "pool", "namespace": "default", "uid": "pool", "resourceVersion": "1"},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "targetPorts": [{"number": port}],
            "endpointPickerRef": {"name": "epp", "port": {"number": 9002}, **picker},
        },
    }


@pytest_asyncio.fixture(loop_scope="session")
async def served(ai_proxy: Proxy) -> AsyncIterator[Pool]:
    """Yield the picker and two servers of models behind it; a third one is no part of the pool."""
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(provider(name, address=f"127.0.0.{index}", port=port))
            for index, name in enumerate(("a", "b", "other"), 2)
        }
        pods = [pod(name, servers[name].address, LABELS if name != "other" else {"app": "x"}) for name in servers]
        found = await stack.enter_async_context(reference_picker(pool(port), pods, "--secure-serving=true"))
        await ai_proxy.apply(service("epp", 9002), endpoints("epp", [found.port]), pool(port), *pods)
        yield found, servers


def requests(server: Provider) -> int:
    """Return how many requests for completions a server got; the picker asks it for metrics, too."""
    return sum(each.path.endswith("/completions") for each in server.seen)


@pytest.mark.parametrize("kind", ROUTES)
async def test_requests_go_where_the_picker_says(ai_proxy: Proxy, served: Pool, kind: str) -> None:
    """Requests, whole and streamed, are answered by servers of the pool alone, each by one."""
    _, servers = served
    await ai_proxy.apply(ROUTES[kind])
    async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        for index in range(10):
            words = [{"role": "user", "content": f"Question {index} " * 50}]
            messages: Any = words
            answer = await client.chat.completions.create(model="m", messages=messages)
            assert answer.choices[0].message.content in {servers["a"].text, servers["b"].text}
            chunks = await client.chat.completions.create(model="m", messages=messages, stream=True)
            text = "".join([each.choices[0].delta.content or "" async for each in chunks if each.choices])
            assert text in {servers["a"].text, servers["b"].text}
    assert requests(servers["a"]) + requests(servers["b"]) == 20
    assert requests(servers["other"]) == 0


@pytest.mark.parametrize("kind", ROUTES)
async def test_a_prompt_stays_where_it_is_cached(ai_proxy: Proxy, served: Pool, kind: str) -> None:
    """The picker's own wits work: the same long prompt goes to the same server, which has it cached."""
    _, servers = served
    await ai_proxy.apply(ROUTES[kind])
    messages: Any = [{"role": "user", "content": "A long prompt. " * 500}]
    async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        for _ in range(8):
            await client.chat.completions.create(model="m", messages=messages)
    assert sorted((requests(servers["a"]), requests(servers["b"]))) == [0, 8]


@pytest.mark.parametrize("kind", ROUTES)
async def test_pods_come_and_go(ai_proxy: Proxy, served: Pool, kind: str) -> None:
    """After a Pod has gone, for the picker and for the gateway, no request is sent there."""
    picker, servers = served
    await ai_proxy.apply(ROUTES[kind])
    gone = next(each for each in picker.pods if each["metadata"]["name"] == "a")
    gone["metadata"] = {**gone["metadata"], "resourceVersion": "2", "labels": {"app": "x"}}
    picker.tell("MODIFIED", gone)
    await ai_proxy.apply(gone)
    servers["a"].reset()
    async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        for _ in range(5):
            answer = await client.chat.completions.create(model="m", messages=HELLO)
            assert answer.choices[0].message.content == servers["b"].text
    assert requests(servers["a"]) == 0


@pytest.mark.parametrize("kind", ROUTES)
async def test_errors_of_servers(ai_proxy: Proxy, served: Pool, kind: str) -> None:
    """A server's error is the client's: nobody else is asked."""
    _, servers = served
    await ai_proxy.apply(ROUTES[kind])
    async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        for each in servers.values():
            each.always = Status(429, "Too busy.")
        with pytest.raises(openai.RateLimitError, match="Too busy"):
            await client.chat.completions.create(model="m", messages=HELLO)
