"""Providers of AI that stand in for each other: which is asked when one fails, and what it hears of the others."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.ai.faults import Cut, Fault, Status
from tests.ai.provider import provider
from tests.live.ai_providers import CHAT, JSON, ai, at, at_port, chat
from tests.live.backends import to_backend
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Upstream

MANY = 60


@pytest.mark.parametrize("fault", [Status(503), Status(429), Status(500), Cut()])
async def test_a_failed_request_goes_to_the_next(ai_proxy: Proxy, fault: Fault) -> None:
    """A request that a provider fails, refuses for its rate or drops, is answered by the next, with its own model."""
    async with provider("one") as one, provider("two") as two:
        one.always = fault
        await ai_proxy.apply(
            to_backend("ai"),
            ai(at_port(one.port, "one", model="large-model"), at_port(two.port, "two", pathPrefix="/openai/v1")),
        )
        found = await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())
        assert found.status == 200
        assert b"Hello from two." in found.body
        assert [each.model for each in (*one.seen, *two.seen)] == ["large-model", "small"]
        assert [each.path for each in (*one.seen, *two.seen)] == [CHAT, "/openai/v1/chat/completions"]


async def test_errors_of_clients_stay(ai_proxy: Proxy) -> None:
    """What is wrong with a request itself is answered by the first provider."""
    async with provider("one") as one, provider("two") as two:
        one.always = Status(400)
        await ai_proxy.apply(to_backend("ai"), ai(at_port(one.port, "one"), at_port(two.port, "two")))
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 400
        assert two.seen == []


@pytest.mark.parametrize("down", ["refused", "unknown"])
async def test_a_provider_that_is_down(ai_proxy: Proxy, alpha: Upstream, down: str) -> None:
    """No request is lost where the first provider refuses connections, or its name cannot be resolved: 0 of 60."""
    lost = at_port(free_port(), "lost")
    if down == "unknown":
        lost["host"] = "nowhere.invalid"
    await ai_proxy.apply(to_backend("ai"), ai(lost, at(alpha)))
    found = [(await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status for _ in range(MANY)]
    assert Counter(found) == {200: MANY}


async def test_priorities_and_weights(ai_proxy: Proxy, alpha: Upstream, beta: Upstream, gamma: Upstream) -> None:
    """Providers of one priority share by weight, one with weight 0 gets none, and the next priority waits."""
    shared = [at(beta, priority=1, weight=3), at(gamma, priority=1, weight=0)]
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha, priority=1), *shared, at(gamma, "behind", priority=2)))
    for _ in range(MANY):
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
    assert len(alpha.seen) + len(beta.seen) == MANY
    assert len(alpha.seen) < len(beta.seen)
    assert gamma.seen == []
