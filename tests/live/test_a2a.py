"""Agents that speak A2A through a real Envoy, with the SDK of the protocol on both sides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from a2a.client.errors import A2AClientError
from aiohttp import web

from tests.live.agents import agent, ask, running_agent
from tests.live.backends import backend, reference
from tests.live.objects import Manifest, endpoints, gateway, prefix, route, service, traffic_policy
from tests.live.proxy import Proxy, running_proxy
from tests.live.upstream import Seen, Upstream
from translator.inputs import Settings

CARD = "/.well-known/agent-card.json"
REWRITE = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def machine(envoy_path: Path) -> AsyncIterator[Proxy]:
    """Run a proxy whose Backends may be on this machine."""
    async with running_proxy(envoy_path, Settings(local_backends=True)) as (proxy, _):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy


@pytest.fixture
def local(machine: Proxy, upstreams: dict[str, Upstream]) -> Proxy:
    """Return that proxy, with no route."""
    for each in upstreams.values():
        each.reset()
    machine.restore()
    return machine


def to_agent(path: str = "/", **fields: Any) -> Manifest:
    """Return the route to an agent, below a path."""
    return route({"matches": [prefix(path)], "backendRefs": [reference("agent")], **fields})


async def card(proxy: Proxy, path: str = "", **options: Any) -> Any:
    """Read the agent's card."""
    response = await proxy.request(f"{path}{CARD}", **options)
    assert response.status == 200, response
    return json.loads(response.body)


def urls(found: Any) -> list[str]:
    """Return the addresses in a card."""
    listed = found.get("supportedInterfaces", []) + found.get("additionalInterfaces", [])
    return [found[name] for name in ("url",) if name in found] + [each["url"] for each in listed]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("at", ["/", "/rpc"])
async def test_messages_pass(local: Proxy, streaming: bool, at: str) -> None:
    """A client finds the agent by its card through the gateway; messages, tasks and streams pass."""
    async with running_agent(at) as port:
        await local.apply(agent(port), to_agent())
        url = f"http://127.0.0.1:{local.port}"
        assert await ask(url, "hello", streaming=streaming) == ["echo: hello"]
        told = await ask(url, "work", streaming=streaming)
        assert told[-1] == ("TASK_STATE_COMPLETED" if streaming else "task")
        assert set(urls(await card(local, host=f"127.0.0.1:{local.port}"))) == {f"{url}{at}"}


@pytest.mark.parametrize("at", ["/", "/rpc"])
async def test_below_a_prefix(local: Proxy, at: str) -> None:
    """Where the prefix of a path is replaced on the way to the agent, the addresses in its card have it."""
    async with running_agent(at) as port:
        await local.apply(agent(port), to_agent("/agents/echo", filters=[REWRITE]))
        url = f"http://127.0.0.1:{local.port}/agents/echo"
        assert await ask(url, "hello") == ["echo: hello"]


async def test_a_public_url(local: Proxy) -> None:
    """Addresses in cards begin with the Backend's publicURL, whoever asks."""
    async with running_agent("/rpc") as port:
        await local.apply(agent(port, publicURL="https://agents.example.com/echo/"), to_agent())
        assert set(urls(await card(local))) == {"https://agents.example.com/echo/rpc"}


async def test_a_service(local: Proxy) -> None:
    """The agent may be behind a Service, and gets the Host that clients send."""
    async with running_agent() as port:
        to_service = backend("agent", a2a={"backendRef": {"name": "svc", "port": 80}})
        await local.apply(service("svc"), endpoints("svc", [port]), to_service, to_agent())
        assert set(urls(await card(local, host="a.example.com"))) == {"http://a.example.com/"}


async def test_cards_that_are_written_otherwise(local: Proxy, alpha: Upstream) -> None:
    """Cards of version 0.3 have their addresses changed too; what is elsewhere is left out, and all else stays."""
    written = """{ "name": "x", "nested": {"url": "http://inner/"}, "url" : "http:\\/\\/agent.internal:9999/a2a",
      "n": 1.50, "additionalInterfaces": [{"transport": "GRPC", "url": "agent.internal:50051"},
        {"url": "http://AGENT.internal:9999/a2a", "transport": "JSONRPC"},
        {"url": "http://other.internal/rest", "transport": "HTTP+JSON"}] }"""

    async def respond(seen: Seen) -> web.StreamResponse:
        return web.Response(text=written, content_type="application/json")

    alpha.answer = respond
    await local.apply(agent(alpha.port), to_agent())
    response = await local.request(f"{CARD}?x=y", host="a.example.com")
    assert (
        response.body.decode()
        == """{ "name": "x", "nested": {"url": "http://inner/"}, "url" : "http://a.example.com/a2a",
      "n": 1.50, "additionalInterfaces": [{"url": "http://a.example.com/a2a", "transport": "JSONRPC"}] }"""
    )
    assert alpha.seen[0].host == f"127.0.0.1:{alpha.port}"


@pytest.mark.parametrize(
    "written",
    [
        '{"url": "http://agent.internal/", "signatures": [{"protected": "e30", "signature": "x"}]}',
        '{"url": "http://agent.internal/"',
        "[]",
    ],
)
async def test_cards_that_are_left_alone(local: Proxy, alpha: Upstream, written: str) -> None:
    """A signed card stays as it is, as its signature would be wrong, and so does what is none; both are told."""

    async def respond(seen: Seen) -> web.StreamResponse:
        return web.Response(text=written, content_type="application/json")

    alpha.answer = respond
    await local.apply(agent(alpha.port), to_agent())
    response = await local.request(CARD)
    assert response.body.decode() == written
    assert "card" in response.headers["x-headgate-warning"]


async def test_only_cards_are_changed(local: Proxy, alpha: Upstream) -> None:
    """What else an agent answers is not looked at, whatever it is."""

    async def respond(seen: Seen) -> web.StreamResponse:
        return web.Response(text='{"url": "http://agent.internal/"}', content_type="application/json")

    alpha.answer = respond
    await local.apply(agent(alpha.port), to_agent())
    for path in ("/", "/agent-card.json", "/.well-known/other.json", f"{CARD}/more", f"/x?{CARD}"):
        assert (await local.request(path)).body == b'{"url": "http://agent.internal/"}'


@pytest.mark.parametrize("size", [200_000, 3_000_000])
async def test_long_cards(local: Proxy, alpha: Upstream, size: int) -> None:
    """Long cards have their addresses changed too; one that is too long for that stays as it is, and that is told."""
    written = json.dumps({"url": "http://agent.internal/", "text": "x" * size})

    async def respond(seen: Seen) -> web.StreamResponse:
        return web.Response(text=written, content_type="application/json")

    alpha.answer = respond
    await local.apply(agent(alpha.port), to_agent())
    response = await local.request(CARD, host="a.example.com")
    long = size > 1_000_000
    assert response.status == 200
    assert json.loads(response.body)["url"] == ("http://agent.internal/" if long else "http://a.example.com/")
    assert ("x-headgate-warning" in response.headers) is long


async def test_changed_cards_have_no_version(local: Proxy, alpha: Upstream) -> None:
    """A card whose addresses depend on the request has no ETag of the agent, and no request is conditional."""

    async def respond(seen: Seen) -> web.StreamResponse:
        headers = {"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 21:00:00 GMT"}
        return web.Response(text='{"url": "http://agent/"}', content_type="application/json", headers=headers)

    alpha.answer = respond
    await local.apply(agent(alpha.port), to_agent())
    response = await local.request(
        CARD, headers={"If-None-Match": '"1"', "If-Modified-Since": "x", "Range": "bytes=0-1"}
    )
    assert {name.lower() for name in response.headers} & {"etag", "last-modified"} == set()
    assert [alpha.seen[0].values(each) for each in ("if-none-match", "if-modified-since", "range")] == [[], [], []]


def allowing(*methods: str) -> Manifest:
    """Return a policy with the methods that clients may call."""
    return traffic_policy("route", a2a={"methods": {"allow": list(methods)}})


async def test_methods(local: Proxy) -> None:
    """Clients call the methods that a policy lists, and get 403 for others; cards are read all the same."""
    async with running_agent() as port:
        url = f"http://127.0.0.1:{local.port}"
        await local.apply(agent(port), to_agent(), allowing("SendMessage"))
        assert await ask(url, "hello", streaming=False) == ["echo: hello"]
        with pytest.raises(A2AClientError):
            await ask(url, "hello", streaming=True)
        await local.apply(allowing("SendStreamingMessage"))
        assert await ask(url, "hello", streaming=True) == ["echo: hello"]
        await local.apply(traffic_policy("gateway", "all", a2a={"methods": {"allow": ["SendMessage"]}}))
        await local.apply(traffic_policy("route", a2a={"disable": {}}))
        assert await ask(url, "hello", streaming=True) == ["echo: hello"]


FORBIDDEN = [
    b'{"jsonrpc":"2.0","id":1,"method":"tasks/cancel"}',
    b'{"jsonrpc":"2.0","id":1,"method":"message/send","method":"tasks/cancel"}',
    b'{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","method":"message/send"}',
    b'{"jsonrpc":"2.0","id":1,"method":"message/send","Method":"tasks/cancel"}',
    b'{"jsonrpc":"2.0","id":1,"method":"message/send","me\\u0074hod":"tasks/cancel"}',
    b'{"jsonrpc":"2.0","id":1,"method":"message/s\\u0065nd"}',
    b'[{"jsonrpc":"2.0","id":1,"method":"message/send"}]',
    b'{"jsonrpc":"2.0","id":1,"params":{"method":"message/send"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"message/send"}{"method":"tasks/cancel"}',
    b'{"jsonrpc":"2.0","id":1,"method":["message/send"]}',
    b'{"jsonrpc":"2.0","id":1,"method":"message/send\\u0000"}',
    b"",
    b"method=message/send",
]


async def test_ways_round_a_forbidden_method(local: Proxy, alpha: Upstream) -> None:
    """No way to write a message has a method pass that is not listed: nothing reaches the agent."""
    await local.apply(agent(alpha.port), to_agent(), allowing("message/send"))
    good = b'{"jsonrpc":"2.0","id":1,"method":"message/send"}'
    json_type = {"Content-Type": "application/json"}
    assert (await local.request(method="POST", body=good, headers=json_type)).status == 200
    assert (await local.request(CARD)).status == 200
    before = len(alpha.seen)
    for each in FORBIDDEN:
        assert (await local.request(method="POST", body=each, headers=json_type)).status in (400, 403), each
    others: list[tuple[str, dict[str, str]]] = [
        ("PUT", json_type),
        ("POST", {"Content-Type": "text/plain"}),
        ("POST", {}),
        ("POST", json_type | {"Content-Encoding": "gzip"}),
        ("POST", json_type | {"X-HTTP-Method-Override": "GET"}),
    ]
    for method, headers in others:
        assert (await local.request(method=method, body=good, headers=headers)).status == 403, (method, headers)
    for path in ("/", "/v1/tasks", f"{CARD}/x", f"/x?{CARD}"):
        assert (await local.request(path)).status == 403
    for path in ("/tasks/1:cancel", "/tasks/1%3Acancel", "/%74asks/1:cancel", "/v1/tasks/1/pushNotificationConfigs"):
        assert (await local.request(path, method="POST", body=good, headers=json_type)).status == 403, path
    assert len(alpha.seen) == before


async def test_long_messages(local: Proxy, alpha: Upstream) -> None:
    """A message of up to 1 MiB is read for its method; a longer one gets 413."""
    await local.apply(agent(alpha.port), to_agent(), allowing("message/send"))
    headers = {"Content-Type": "application/json"}
    for size, status in ((1_000_000, 200), (1_100_000, 413)):
        body = json.dumps({"params": "x" * size, "method": "message/send"}).encode()
        assert (await local.request(method="POST", body=body, headers=headers)).status == status
