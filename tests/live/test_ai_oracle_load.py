"""Many requests at once, and edits between them: none is lost, none gets another's answer, none shows another's key."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import openai

from tests.ai.clients import openai_client
from tests.ai.faults import Cut, Status
from tests.ai.provider import Provider, Received
from tests.ai.worlds import (
    NAMES,
    Manifest,
    backend,
    declared,
    in_order,
    key_of,
    model_route,
    reference,
    secrets,
    three,
)
from tests.live.proxy import Proxy

REQUESTS = 300
AT_ONCE = 30


def message(number: int, size: int) -> list[Any]:
    """Return messages of so many words, marked by a number."""
    return [{"role": "user", "content": " ".join([f"mark-{number}", *["word"] * size])}]


def marks(found: dict[str, Provider]) -> list[str]:
    """Return which provider saw a key that is not its own."""
    return [
        f"{name} saw the key of {other}"
        for name, each in found.items()
        for other in NAMES
        if other != name and any(seen.shows(key_of(other)) for seen in each.seen)
    ]


async def test_requests_do_not_mix(ai_proxy: Proxy) -> None:
    """Of 300 requests, 30 at a time, of all sizes and with failures between, each has its own answer and model."""
    chosen = random.Random(7)
    fails = {index: chosen.randrange(3) for index in range(REQUESTS)}

    def behave(level: int) -> Any:
        def decide(seen: Received) -> Status | Cut | None:
            number = int(seen.json["messages"][0]["content"].split()[0].removeprefix("mark-"))
            if fails[number] <= level:
                return None
            return Cut() if number % 2 else Status(503)

        return decide

    async with three("headers") as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        entries = [declared("headers", name, found[name].port, model=f"{name}-model") for name in NAMES]
        never = {"ejection": {"consecutive": 0}}
        await ai_proxy.apply(*secrets(), backend(*entries, failover=never), model_route())
        for level, name in enumerate(NAMES):
            found[name].behave = behave(level)
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(number: int) -> None:
            size = chosen.choice([1, 10, 1000, 50_000])
            async with gate:
                if number % 3:
                    whole = await client.chat.completions.create(model="m", messages=message(number, size))
                    usage, model = whole.usage, whole.model
                else:
                    chunks = [
                        each
                        async for each in await client.chat.completions.create(
                            model="m", messages=message(number, size), stream=True
                        )
                    ]
                    usage, model = chunks[-1].usage, chunks[-1].model
            assert usage is not None
            assert (usage.prompt_tokens, model) == (size + 1, f"{NAMES[fails[number]]}-model")

        await asyncio.gather(*(ask(number) for number in range(REQUESTS)))
        assert marks(found) == []
        asked = [sum(at >= level for at in fails.values()) for level in range(3)]
        assert [len(found[name].seen) for name in NAMES] == asked


async def test_edits_lose_no_request_and_mix_no_keys(ai_proxy: Proxy) -> None:
    """While providers change their order, models and keys, every request is answered, and no key goes astray."""
    done = asyncio.Event()
    problems: list[str] = []
    count = 0

    async with three("headers") as found:
        by_order: list[Manifest] = [in_order("headers", found, order) for order in itertools.permutations(NAMES)]
        by_order += [in_order("headers", found, (name,)) for name in NAMES]
        by_order.append(
            backend(*(declared("headers", name, found[name].port, priority=0, model="x") for name in NAMES))
        )
        await ai_proxy.apply(*secrets(), by_order[0], model_route())

        async def ask() -> None:
            nonlocal count
            async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
                while not done.is_set():
                    try:
                        if count % 2:
                            await client.chat.completions.create(model="m", messages=message(count, 5))
                        else:
                            async for _ in await client.chat.completions.create(
                                model="m", messages=message(count, 5), stream=True
                            ):
                                pass
                    except openai.APIError as error:
                        problems.append(repr(error))
                    count += 1

        asking = [asyncio.create_task(ask()) for _ in range(6)]
        chosen = random.Random(3)
        for _ in range(40):
            await ai_proxy.apply(chosen.choice(by_order))
            found[chosen.choice(NAMES)].plan.append(Status(503))
        done.set()
        await asyncio.gather(*asking)
        assert count > 100
        assert [each for each in problems if "503" not in each] == []
        # A single provider that fails has no other one to stand in for it.
        assert len(problems) <= 40
        assert marks(found) == []


async def test_routes_change_under_load(ai_proxy: Proxy) -> None:
    """While rules come and go, a model that stays is answered every time, by its own provider."""
    done = asyncio.Event()
    wrong: list[str] = []
    async with three("headers") as found:
        backends = [backend(declared("headers", name, found[name].port), name=name) for name in NAMES]
        stays: Manifest = {"models": ["stays"], "backendRefs": [reference("red")]}
        await ai_proxy.apply(*secrets(), *backends, model_route(stays))

        async def ask() -> None:
            async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
                while not done.is_set():
                    try:
                        answer = await client.chat.completions.create(model="stays", messages=message(1, 3))
                        if answer.choices[0].message.content != found["red"].text:
                            wrong.append(str(answer))
                    except openai.APIError as error:
                        wrong.append(repr(error))

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        for index in range(30):
            others = [
                {"models": [f"m-{index}-{place}", f"p-{place}-*"], "backendRefs": [reference(name)]}
                for place, name in enumerate(("green", "blue")[: index % 3])
            ]
            await ai_proxy.apply(model_route(*others, stays))
        done.set()
        await asyncio.gather(*asking)
    assert wrong == []
