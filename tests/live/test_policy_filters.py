"""The forms of filters that policies have: what tables and routes say, what is closed, and what keeps its state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.live.objects import GATEWAY, Manifest, endpoints, gateway, prefix, route, rule, service
from tests.live.probe_policies import LIMIT, with_probe
from tests.live.proxy import Proxy, running_proxy
from tests.live.upstream import Upstream


@pytest_asyncio.fixture(loop_scope="session")
async def probed(envoy_path: Path, upstreams: dict[str, Upstream]) -> AsyncIterator[Proxy]:
    """Yield a proxy whose policies are of the kind ProbePolicy."""
    for each in upstreams.values():
        each.reset()
    async with running_proxy(envoy_path, registry=with_probe()) as (proxy, _):
        slices = [each for name in ("alpha", "beta") for each in endpoints(name, [upstreams[name].port])]
        listener = {"name": "http", "protocol": "HTTP", "port": proxy.port}
        await proxy.begin(gateway(listener), [service("alpha"), service("beta")], slices)
        yield proxy


def probe(kind: str, target: str, name: str = "", **units: Any) -> Manifest:
    """Return a policy; its units have these values, None switches one off."""
    reference = {"group": "gateway.networking.k8s.io", "kind": kind, "name": target}
    values = {unit: {"disable": {}} if value is None else {"value": value} for unit, value in units.items()}
    spec = {"targetRefs": [reference], **values}
    metadata = {"name": name or f"{kind.lower()}-{target}"}
    return {"apiVersion": "probe.example.com/v1", "kind": "ProbePolicy", "metadata": metadata, "spec": spec}


async def statuses(proxy: Proxy, *paths: str, **headers: str) -> list[int]:
    """Return the statuses of the responses to requests."""
    return [
        (await proxy.request(each, headers={f"x-{name}": value for name, value in headers.items()})).status
        for each in paths
    ]


async def listeners_changed(proxy: Proxy) -> str:
    """Return how often listeners were added and changed."""
    return await proxy.admin("/stats?filter=listener_manager.listener_(added|modified|removed)")


MOVED = {"type": "RequestRedirect", "requestRedirect": {"hostname": "b.com"}}


async def test_what_a_gateway_s_policy_says_holds_for_all_routes(probed: Proxy) -> None:
    """It is written once, for direct responses too; a route's own policy replaces it or switches it off."""
    await probed.apply(
        route(rule("alpha"), rule(matches=[prefix("/moved")], filters=[MOVED])),
        route(rule("beta", matches=[prefix("/own")]), name="own"),
        route(rule("beta", matches=[prefix("/open")]), name="open"),
    )
    before = await listeners_changed(probed)
    await probed.apply(
        probe("Gateway", GATEWAY, key="one"),
        probe("HTTPRoute", "own", key="two"),
        probe("HTTPRoute", "open", key=None),
    )
    paths = ("/", "/moved", "/own", "/open")
    assert await statuses(probed, *paths) == [403, 403, 403, 200]
    assert await statuses(probed, *paths, key="one") == [200, 302, 403, 200]
    assert await statuses(probed, *paths, key="two") == [403, 403, 200, 200]
    assert await listeners_changed(probed) == before


@pytest.mark.parametrize(
    ("value", "text"), [("broken", ".value: it is broken."), ("refused", ": Envoy does not take rbac.rules.policies")]
)
async def test_a_closed_unit_that_cannot_be_built(probed: Proxy, value: str, text: str) -> None:
    """All routes that it concerns answer 500, and say which policy it is; one that replaces it is served."""
    await probed.apply(
        route(rule("alpha"), rule(matches=[prefix("/moved")], filters=[MOVED])),
        route(rule("beta", matches=[prefix("/own")]), name="own"),
        route(rule("beta", matches=[prefix("/open")]), name="open"),
        probe("Gateway", GATEWAY, key=value),
        probe("HTTPRoute", "own", key="two"),
        probe("HTTPRoute", "open", key=None),
    )
    paths = ("/", "/moved", "/own", "/open")
    assert await statuses(probed, *paths, key="two") == [500, 500, 200, 200]
    said = await probed.request("/moved")
    assert said.body == b"ProbePolicy default/gateway-live: spec.key cannot be applied.\n"
    (ancestor,) = probed.status("ProbePolicy", "gateway-live")["ancestors"]
    (accepted,) = (each for each in ancestor["conditions"] if each["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "Invalid")
    assert f"spec.key{text}" in accepted["message"]
    await probed.apply(probe("Gateway", GATEWAY, key="one"), probe("HTTPRoute", "own", key=value))
    assert await statuses(probed, *paths, key="one") == [200, 302, 500, 200]
    await probed.apply(probe("HTTPRoute", "own", key="one"))
    assert await statuses(probed, *paths, key="one") == [200, 302, 200, 200]


async def test_a_route_s_update_keeps_what_has_state(probed: Proxy) -> None:
    """A bucket that is used up stays so over edits of its route, of others, of policies and of the Gateway's policy."""
    await probed.apply(
        route(rule("alpha", matches=[prefix("/limited")]), name="limited"),
        route(rule("beta")),
        probe("HTTPRoute", "limited", limit="all"),
    )
    assert await statuses(probed, *["/limited"] * (LIMIT + 1)) == [200] * LIMIT + [429]
    changed = rule("beta", matches=[prefix("/limited")])
    for edit in (
        route(changed, name="limited"),
        route(rule("alpha")),
        probe("Gateway", GATEWAY, key="one"),
        probe("HTTPRoute", "route", key="two"),
        probe("HTTPRoute", "limited", limit="all", key="one"),
    ):
        await probed.apply(edit)
        assert await statuses(probed, "/limited", key="one") == [429]
    assert await statuses(probed, "/", key="two") == [200]


async def test_requests_are_not_moved_past_protection(probed: Proxy) -> None:
    """A filter that chooses the route anew cannot lead past another route's protection; among equals it can."""
    await probed.apply(
        route(rule("alpha", matches=[prefix("/mover")]), name="mover"),
        route(rule("alpha", matches=[prefix("/guarded")]), name="guarded"),
        route(rule("beta", matches=[prefix("/open")]), name="open"),
        probe("HTTPRoute", "mover", move="/guarded"),
        probe("HTTPRoute", "guarded", key="one"),
    )
    assert await statuses(probed, "/guarded", "/mover", key="one") == [200, 403]
    await probed.apply(probe("HTTPRoute", "mover", move="/open"))
    moved = await probed.request("/mover")
    assert (moved.backend, moved.path) == ("beta", "/open")
    await probed.apply(probe("HTTPRoute", "mover", move="/guarded", key="one"))
    assert await statuses(probed, "/mover", key="one") == [200]
    assert await statuses(probed, "/mover") == [403]
