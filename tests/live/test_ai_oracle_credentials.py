"""S1 and S2: a provider sees no credential but its own, whoever failed before it, and keys are nowhere else."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.clients import openai_client
from tests.ai.faults import Cut, Fault, Status
from tests.ai.provider import Provider
from tests.ai.worlds import (
    CLIENT_KEY,
    NAMES,
    STYLES,
    backend,
    declared,
    in_order,
    key_of,
    model_route,
    policy,
    secrets,
    three,
)
from tests.live.proxy import Proxy

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
CREDENTIALS = {
    "x-api-key": CLIENT_KEY,
    "api-key": CLIENT_KEY,
    "x-goog-api-key": CLIENT_KEY,
    "cookie": f"session={CLIENT_KEY}",
    "proxy-authorization": f"Basic {CLIENT_KEY}",
    "x-amz-security-token": CLIENT_KEY,
    "x-amz-date": CLIENT_KEY,
    "openai-organization": f"org-{CLIENT_KEY}",
}
"""What a client sends as credentials, beside `authorization`."""
QUERY = {"key": CLIENT_KEY, "api-key": CLIENT_KEY, "access_token": CLIENT_KEY}
FAULTS: dict[str, Fault] = {"overloaded": Status(503), "limited": Status(429), "reset": Cut()}
READY = tuple(STYLES)
ORDERS = list(itertools.permutations(NAMES))


async def _ask(proxy: Proxy, stream: bool, **options: Any) -> str:
    """Ask as a client that shows credentials wherever it can; return the text."""
    async with openai_client(f"http://127.0.0.1:{proxy.port}/v1", CLIENT_KEY, CREDENTIALS) as client:
        if not stream:
            found = await client.chat.completions.create(model="m", messages=HELLO, extra_query=QUERY, **options)
            return found.choices[0].message.content or ""
        chunks = await client.chat.completions.create(
            model="m", messages=HELLO, stream=True, extra_query=QUERY, **options
        )
        return "".join([each.choices[0].delta.content or "" async for each in chunks if each.choices])


def _strangers(found: dict[str, Provider]) -> list[str]:
    """Return which provider saw which credential that is not its own."""
    texts = {name: key_of(name) for name in NAMES} | {"the client": CLIENT_KEY}
    return [
        f"{name} saw the credential of {owner}: {seen.path}?{seen.query} {seen.headers}"
        for name, each in found.items()
        for seen in each.seen
        for owner, text in texts.items()
        if owner != name and seen.shows(text)
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("style", READY)
async def test_all_orders_of_three_failing_providers(ai_proxy: Proxy, style: str, stream: bool) -> None:
    """In each order of three providers, and whatever fails them, each sees its own key, and no other credential."""
    async with three(style) as found:
        for order, fault in itertools.product(ORDERS, FAULTS.values()):
            await ai_proxy.apply(*secrets(), in_order(style, found, order), model_route())
            for failing in (2, 3):
                for name in NAMES:
                    found[name].reset()
                for name in order[:failing]:
                    found[name].always = fault
                with contextlib.suppress(openai.APIError) if failing == 3 else contextlib.nullcontext():
                    assert await _ask(ai_proxy, stream) == f"Hello from {order[-1]}."
                assert {name: len(found[name].seen) for name in order} == dict.fromkeys(order, 1)
                assert _strangers(found) == []
                for name in NAMES:
                    assert found[name].seen[0].shows(key_of(name))
        assert await ai_proxy.leaks("") == []


@pytest.mark.parametrize("style", READY)
async def test_credentials_of_the_gateway_end_there(ai_proxy: Proxy, style: str) -> None:
    """A header by which the gateway authenticates a client does not reach the provider, whatever its name."""
    sources = {"keySources": [{"header": "X-Team-Key"}]}
    teams = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "teams"}, "stringData": {"a": "team-key-77"}}
    async with three(style) as found:
        await ai_proxy.apply(
            *secrets(),
            teams,
            in_order(style, found, NAMES),
            model_route(),
            policy(apiKeyAuth={"secretRef": {"name": "teams"}, **sources}),
        )
        with pytest.raises(openai.AuthenticationError):
            await _ask(ai_proxy, False)
        found["red"].always = Status(503)
        await _ask(ai_proxy, False, extra_headers={"X-Team-Key": "team-key-77"})
        seen = [each for name in NAMES for each in found[name].seen]
        assert len(seen) == 2
        assert not any(each.shows("team-key-77") for each in seen)
        assert _strangers(found) == []


@pytest.mark.parametrize("style", READY)
async def test_no_key_reaches_the_client(ai_proxy: Proxy, style: str) -> None:
    """Neither an answer nor an error tells a client a provider's key or address."""
    async with three(style) as found:
        await ai_proxy.apply(*secrets(), in_order(style, found, NAMES), model_route())
        for fault in (None, *FAULTS.values(), Status(401)):
            for name in NAMES:
                found[name].reset()
                found[name].always = fault
            answer = await ai_proxy.request(
                "/v1/chat/completions",
                method="POST",
                headers={"content-type": "application/json", "authorization": f"Bearer {CLIENT_KEY}"},
                body=b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}',
            )
            told = repr((answer.headers, answer.body))
            assert not any(text in told for name in NAMES for text in (key_of(name), str(found[name].port)))


@pytest.mark.parametrize(
    "query",
    [
        "%6Bey=" + CLIENT_KEY,
        "k%65y=" + CLIENT_KEY,
        "api%2Dkey=" + CLIENT_KEY,
        "access%5Ftoken=" + CLIENT_KEY,
        "a=1&key=" + CLIENT_KEY,
        "&&key=" + CLIENT_KEY,
        "key=a&key=" + CLIENT_KEY,
        "?key=a&key=" + CLIENT_KEY,
    ],
)
async def test_credentials_in_queries(ai_proxy: Proxy, query: str) -> None:
    """A key in the query is removed however its name is written, if a provider would read it as one."""
    async with three("headers") as found:
        await ai_proxy.apply(*secrets(), in_order("headers", found, NAMES), model_route())
        answer = await ai_proxy.request(
            f"/v1/chat/completions?{query}",
            method="POST",
            headers={"content-type": "application/json"},
            body=b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}',
        )
        assert answer.status in (200, 400)
        assert _strangers(found) == []


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer a"), ("Authorization", f"Bearer {CLIENT_KEY}")],
        [("X-API-KEY", CLIENT_KEY), ("Connection", "x-goog-api-key")],
        [("X-Goog-Api-Key", CLIENT_KEY), ("x-goog-api-key", "b")],
        [("cookie", "a=b"), ("Cookie", f"key={CLIENT_KEY}")],
        [("X-Amz-Content-Sha256", CLIENT_KEY), ("x-amz-anything", CLIENT_KEY)],
        [("x-api-key", f"{CLIENT_KEY},{CLIENT_KEY}")],
    ],
)
@pytest.mark.parametrize("first", NAMES)
async def test_credentials_in_headers(ai_proxy: Proxy, headers: list[tuple[str, str]], first: str) -> None:
    """A client's header is removed however it is written, also where the provider's own key comes by it."""
    order = (first, *(name for name in NAMES if name != first))
    async with three("headers") as found:
        await ai_proxy.apply(*secrets(), in_order("headers", found, order), model_route())
        answer = await ai_proxy.request(
            "/v1/chat/completions",
            method="POST",
            headers=[("content-type", "application/json"), *headers],
            body=b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}',
        )
        assert answer.status == 200
        assert _strangers(found) == []
        assert found[first].seen[0].shows(key_of(first))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_no_credential_after_one_that_has_it(ai_proxy: Proxy, fault: Fault) -> None:
    """A provider that needs no key gets none, whether it is asked first or after one that has a key."""
    async with three("headers") as found:
        open_one = {**declared("headers", "green", found["green"].port), "auth": {"none": {}}}
        red = declared("headers", "red", found["red"].port)
        for providers in ((red, open_one), (open_one, red)):
            await ai_proxy.apply(*secrets(), backend(*providers), model_route())
            found["red"].reset()
            found["green"].reset()
            found[providers[0]["name"]].always = fault
            await _ask(ai_proxy, False)
            assert [each.values("authorization") for each in found["green"].seen] == [[]]
            assert _strangers(found) == []
            assert not found["green"].seen[0].shows("sk-")
