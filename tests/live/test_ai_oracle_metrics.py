"""What is counted of models is what providers have told, of the one that has answered, at the price of the rule."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.answers import Usage
from tests.ai.clients import openai_client
from tests.ai.faults import Cut, Fault, Status
from tests.ai.worlds import in_order, model_route, reference, secrets, three
from tests.live.proxy import Proxy

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
PRICE = {"input": "2.50", "cachedInput": "0.25", "output": "10"}
"""In USD for a million tokens."""
LINE = re.compile(r"^envoy_gen_ai_(tokens|cost_micro_usd)\{(.*)\} (\d+)$", re.MULTILINE)


async def counted(proxy: Proxy) -> Counter[tuple[str, ...]]:
    """Return what counters say, by their kind and labels but the route's."""
    found: Counter[tuple[str, ...]] = Counter()
    for kind, labels, value in LINE.findall(await proxy.admin("/stats/prometheus")):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        place = (kind, *(named.get(each, "") for each in ("type", "model", "provider")))
        found[place] += int(value)
    return found


async def settled(proxy: Proxy, before: Counter[tuple[str, ...]], wanted: dict[tuple[str, ...], int]) -> None:
    """Wait until the counters have grown by what is wanted: they do so when a request has ended."""
    grown: dict[tuple[str, ...], int] = {}
    for _ in range(100):
        grown = dict(await counted(proxy) - before)
        if grown == wanted:
            return
        await asyncio.sleep(0.05)
    assert grown == wanted


@pytest.mark.parametrize("fault", [None, Status(503), Cut()], ids=["first", "overloaded", "reset"])
@pytest.mark.parametrize("style", ["headers", "vendors", "native"])
async def test_tokens_and_cost_are_of_the_one_that_answers(ai_proxy: Proxy, style: str, fault: Fault | None) -> None:
    """Counters grow by the answer's usage, whole and streamed, under the provider that gave it and the rule's model."""
    async with three(style) as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        rule = {"models": ["gpt-*"], "backendRefs": [reference()], "price": PRICE}
        await ai_proxy.apply(*secrets(), in_order(style, found, ("red", "green", "blue")), model_route(rule))
        for each in found.values():
            each.usage = Usage(1000, 100, cached=400)
        found["red"].always = fault
        answering = "green" if fault else "red"
        before = await counted(ai_proxy)
        await client.chat.completions.create(model="gpt-5", messages=HELLO)
        async for _ in await client.chat.completions.create(model="gpt-6", messages=HELLO, stream=True):
            pass
        each_cost = 600 * 2.5 + 400 * 0.25 + 100 * 10
        wanted: dict[tuple[str, ...], Any] = {
            ("tokens", "input", "gpt-*", answering): 2000,
            ("tokens", "cached", "gpt-*", answering): 800,
            ("tokens", "output", "gpt-*", answering): 200,
            ("cost_micro_usd", "", "gpt-*", answering): int(2 * each_cost),
        }
        await settled(ai_proxy, before, wanted)


async def test_names_of_clients_make_no_series(ai_proxy: Proxy) -> None:
    """However many models clients name, there are no more series than rules and providers."""
    async with three("headers") as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        await ai_proxy.apply(
            *secrets(), in_order("headers", found, ("red",)), model_route({"backendRefs": [reference()]})
        )
        for each in found.values():
            each.usage = Usage(1, 1)
        await client.chat.completions.create(model="first", messages=HELLO)
        before = await ai_proxy.admin("/stats/prometheus")
        for index in range(30):
            await client.chat.completions.create(model=f"other-{index}", messages=HELLO)
        after = await ai_proxy.admin("/stats/prometheus")
        assert "other-" not in after
        assert after.count("envoy_gen_ai_tokens{") <= before.count("envoy_gen_ai_tokens{") + 3
