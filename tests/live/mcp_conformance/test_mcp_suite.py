"""The conformance suite of the Model Context Protocol finds through the gateway what it finds without it."""

from __future__ import annotations

import re

import pytest

from tests.live.backends import to_backend
from tests.live.mcp_conformance.suite import Verdict, running_server, verdict
from tests.live.mcp_tools import servers
from tests.live.objects import Manifest, endpoints, prefix, route, rule, service, traffic_policy
from tests.live.proxy import Proxy

SCENARIOS = 32
WAYS = [(), ("--json",)]
"""Servers that answer with event streams, and those that answer with JSON, which fail scenarios that need streams."""


def failed(found: Verdict) -> set[str]:
    """Return the scenarios of which a check failed."""
    return {name for name, checks in found.items() if any(status == "FAILURE" for _, status in checks)}


async def test_the_server_conforms() -> None:
    """Without a gateway, the server passes all scenarios: what fails through one is the gateway's."""
    async with running_server() as port:
        found = await verdict(f"http://127.0.0.1:{port}/mcp")
    assert len(found) == SCENARIOS
    assert failed(found) == set()


@pytest.mark.parametrize("way", WAYS, ids=["streams", "json"])
async def test_a_service_behind_an_httproute_keeps_its_verdict(proxy: Proxy, way: tuple[str, ...]) -> None:
    """A route that knows nothing of the protocol changes no check of any scenario."""
    async with running_server("everything", *way) as port:
        await proxy.apply(service("tools"), endpoints("tools", [port]), route(rule("tools", matches=[prefix("/mcp")])))
        direct = await verdict(f"http://127.0.0.1:{port}/mcp")
        through = await verdict(f"http://127.0.0.1:{proxy.port}/mcp")
    assert through == direct


@pytest.mark.parametrize("way", WAYS, ids=["streams", "json"])
@pytest.mark.parametrize("address", [True, False], ids=["address", "service"])
async def test_a_backend_of_mcp_keeps_its_verdict(tool_proxy: Proxy, way: tuple[str, ...], address: bool) -> None:
    """One server behind a Backend of `mcp` has the verdict that it has alone, at an address and as a Service."""
    async with running_server("everything", *way) as port:
        place: Manifest = {"static": {"host": "127.0.0.1", "port": port}}
        target = place if address else {"backendRef": {"name": "tools", "port": 80}}
        await tool_proxy.apply(
            service("tools"), endpoints("tools", [port]), to_backend("tools"), servers({"name": "one", **target})
        )
        direct = await verdict(f"http://127.0.0.1:{port}/mcp")
        through = await verdict(f"http://127.0.0.1:{tool_proxy.port}/mcp")
    assert through == direct


async def test_checked_tools_keep_their_verdict(tool_proxy: Proxy) -> None:
    """A policy that denies a tool that there is not changes no check: it refuses nothing that agents need."""
    async with running_server() as port:
        one: Manifest = {"name": "one", "static": {"host": "127.0.0.1", "port": port}}
        checked = traffic_policy("route", mcp={"tools": {"deny": ["nothing"]}})
        await tool_proxy.apply(to_backend("tools"), servers(one), checked)
        direct = await verdict(f"http://127.0.0.1:{port}/mcp")
        through = await verdict(f"http://127.0.0.1:{tool_proxy.port}/mcp")
    assert through == direct


DIFFERENT = {
    "names are those of the servers too": r"(tools-call|prompts-get|resources|completion|json-schema)-.*",
    "a tool that asks back is called by its name too": "elicitation-.*",
    "the Host of an agent is the gateway's, which says what it may be": "dns-rebinding-protection",
}
"""Why scenarios fail with several servers; the suite knows one server's names only."""


async def test_several_servers_differ_by_names_only(tool_proxy: Proxy) -> None:
    """With two servers as one, each scenario that fails does so for a reason that is listed."""
    async with running_server() as port, running_server() as other:
        both: list[Manifest] = [
            {"name": name, "static": {"host": "127.0.0.1", "port": each}}
            for name, each in (("one", port), ("two", other))
        ]
        await tool_proxy.apply(to_backend("tools"), servers(*both))
        through = await verdict(f"http://127.0.0.1:{tool_proxy.port}/mcp")
    found = failed(through)
    assert found == {name for name in found if any(re.fullmatch(each, name) for each in DIFFERENT.values())}
    assert {"ping", "server-initialize", "tools-list", "prompts-list", "resources-list", "logging-set-level"} <= {
        name for name in through if name not in found
    }
