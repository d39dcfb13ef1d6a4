"""What is seen of AI traffic: metrics of the proxy, the fields of access logs, and the attributes of spans."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.observability.envoy import COST, MODELS
from tests.ai.answers import Usage
from tests.ai.faults import Status
from tests.ai.provider import Provider, provider
from tests.ai.vendors import Vendor
from tests.live.access_logs import WITHIN, logs
from tests.live.ai_providers import CHAT, JSON, ai, at_port, chat
from tests.live.backends import reference, to_backend
from tests.live.model_routes import model_route
from tests.live.objects import listener_policy, service
from tests.live.proxy import Proxy
from tests.live.test_tracing_providers import AT_ONCE, GRPC, at
from tests.live.trace_receivers import otlp_grpc

FIELDS = {
    "gen_ai.operation.name": "%DYNAMIC_METADATA(headgate.ai:operation)%",
    "gen_ai.provider.name": "%CLUSTER_METADATA(gateway.headgate.dev:system)%",
    "gen_ai.request.model": "%DYNAMIC_METADATA(headgate.ai:request_model)%",
    "gen_ai.response.model": "%DYNAMIC_METADATA(headgate.ai:model)%",
    "gen_ai.usage.input_tokens": "%DYNAMIC_METADATA(headgate.ai:input)%",
    "gen_ai.usage.output_tokens": "%DYNAMIC_METADATA(headgate.ai:output)%",
    "error.type": "%DYNAMIC_METADATA(headgate.ai:error)%",
}
"""The fields of `docs/ai/monitoring.md`."""


@pytest_asyncio.fixture(loop_scope="session")
async def served(ai_proxy: Proxy) -> AsyncIterator[Provider]:
    """Yield a provider behind the proxy."""
    async with provider("main", Vendor.OPENAI) as found:
        found.usage = Usage(20, 9, cached=4)
        await ai_proxy.apply(to_backend("ai"), ai(at_port(found.port, openai={}, auth={"none": {}})))
        yield found


async def ask(proxy: Proxy, **fields: object) -> int:
    """Ask for a completion."""
    return (await proxy.request(CHAT, method="POST", headers=JSON, body=chat(**fields))).status


async def samples(proxy: Proxy, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric of the proxy, by the values of their labels."""
    text = await proxy.admin("/stats/prometheus")
    found = re.findall(rf"^{name}{{(.*)}} (\S+)$", text, re.MULTILINE)
    return {tuple(re.findall(r'="([^"]*)"', labels)): float(value) for labels, value in found}


async def test_metrics(ai_proxy: Proxy, served: Provider) -> None:
    """Tokens are counted by what they are, provider and route, and not by what clients say; durations too."""
    place = ("", "main", "HTTPRoute/default/route")
    before = await samples(ai_proxy, "envoy_gen_ai_tokens")
    served.plan.extend([None, None, Status(400)])
    assert [await ask(ai_proxy, model=each, stream=True) for each in ("one", "two", "three")] == [200, 200, 400]
    async with asyncio.timeout(WITHIN):
        while True:
            found = await samples(ai_proxy, "envoy_gen_ai_tokens")
            added = {labels: value - before.get(labels, 0) for labels, value in found.items() if value}
            if added.get(("input", *place)) == 40:
                break
            await asyncio.sleep(0.01)
    assert {labels: value for labels, value in added.items() if value} == {
        ("input", *place): 40,
        ("cached", *place): 8,
        ("output", *place): 18,
    }
    async with asyncio.timeout(WITHIN):
        while not (await samples(ai_proxy, "envoy_gen_ai_operation_duration_count")).get(("chat", *place)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_metrics_of_model_routes(ai_proxy: Proxy, served: Provider) -> None:
    """The model of a metric is what the rule matches, whatever clients ask for; money is counted by prices."""
    price = {"input": 1, "output": 2}
    rules = [{"models": ["made-*"], "price": price, "backendRefs": [reference("ai")]}]
    await ai_proxy.apply(model_route(*rules, name="priced"))
    assert [await ask(ai_proxy, model=f"made-{each}") for each in range(5)] == [200] * 5
    labels = ("made-*", "main", "ModelRoute/default/priced")
    async with asyncio.timeout(WITHIN):
        while (await samples(ai_proxy, COST.name)).get(labels) != 5 * (20 + 18):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    tokens = await samples(ai_proxy, "envoy_gen_ai_tokens")
    assert {each[1] for each in tokens if each[-1] == labels[-1]} == {"made-*"}


async def test_the_metrics_of_dashboards(ai_proxy: Proxy, served: Provider) -> None:
    """A real Envoy has the metrics of the dashboards, with their labels; without prices none of money."""
    assert await ask(ai_proxy) == 200
    async with asyncio.timeout(WITHIN):
        while "envoy_gen_ai_time_to_first_byte" not in await ai_proxy.admin("/stats/prometheus"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    text = await ai_proxy.admin("/stats/prometheus")
    for each in MODELS:
        if each is not COST:
            found = re.search(rf"^{each.series[0]}{{(.*)}} ", text, re.MULTILINE)
            assert found is not None, each.name
            assert set(each.labels) <= set(re.findall(r"(\w+)=", found[1]))


async def test_fields_of_access_logs(ai_proxy: Proxy, served: Provider) -> None:
    """A log has what a request was, and what it cost, by the names that OpenTelemetry has for it."""
    await ai_proxy.apply(logs({"fileSink": {"jsonFormat": FIELDS}}))
    ai_proxy.access_log.skip()
    assert await ask(ai_proxy, stream=True) == 200
    served.plan.append(Status(429))
    assert await ask(ai_proxy) == 429
    (first, second) = await ai_proxy.access_log.lines(2)
    assert {name: value for name, value in first.items() if value is not None} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 9,
    }
    assert (second["error.type"], second["gen_ai.usage.input_tokens"]) == ("429", 0)


async def test_attributes_of_spans(ai_proxy: Proxy, served: Provider) -> None:
    """A span may have the same, once its request has ended."""
    attributes = [{"name": name, "format": value} for name, value in FIELDS.items()]
    async with otlp_grpc() as receiver:
        tracing = {"provider": GRPC, "attributes": attributes}
        await ai_proxy.apply(service("collector"), at(receiver.port))
        await ai_proxy.apply(listener_policy(httpSettings={"tracing": tracing}))
        assert [await ask(ai_proxy, stream=True) for _ in range(AT_ONCE)] == [200] * AT_ONCE
        span = (await receiver.of(CHAT, AT_ONCE))[0]
    assert {name: span.attributes.get(name) for name in FIELDS if not name.startswith("error")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small",
        "gen_ai.usage.input_tokens": "20",
        "gen_ai.usage.output_tokens": "9",
    }
