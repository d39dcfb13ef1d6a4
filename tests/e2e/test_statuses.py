"""Statuses of objects that leave Headgate, or that it cannot read."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.e2e.conftest import Site, attached, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import GATEWAY_API, Kube, until
from tests.e2e.objects import GATEWAY, gateway, parameters, route
from tests.e2e.traffic import answers

NOVELTY = "Novelty"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/httproutes.gateway.networking.k8s.io"
FILTERS = "openAPIV3Schema/properties/spec/properties/rules/items/properties/filters/items/properties"


async def left(kube: Kube, reason: str) -> dict[str, Any]:
    """Wait until the Gateway claims nothing and no route has an entry; gives the Gateway's status."""

    async def read() -> dict[str, Any] | None:
        status: dict[str, Any] = (await kube.get("Gateway", GATEWAY))["status"]
        entries = (await kube.get("HTTPRoute", "r"))["status"]["parents"]
        reasons = {each["reason"] for each in status["conditions"]}
        return status if reasons == {reason} and not entries else None

    return await until(f"Gateway whose conditions are {reason}", read)


async def test_a_gateway_that_leaves_claims_nothing(site: Site) -> None:
    """With a class that does not exist a Gateway is as undecided as a new one; back again, all is as before."""
    kube = site.kube
    await kube.patch("Gateway", GATEWAY, {"spec": {"gatewayClassName": "nobodys"}})
    status = await left(kube, "Pending")
    assert status.keys() == {"conditions"}
    assert {each["status"] for each in status["conditions"]} == {"Unknown"}
    await kube.apply(gateway())
    await kube.condition("HTTPRoute", "r", "Accepted", "True")
    await serving(kube)


async def test_a_gateway_of_another_controller_is_left_to_it(site: Site, cluster: Kube) -> None:
    """Once its class is another controller's, what that writes stays as it is, though Headgate is restarted."""
    kube, name = site.kube, f"theirs-{site.kube.namespace}"
    spec = {"controllerName": "example.com/theirs"}
    await cluster.apply({"apiVersion": GATEWAY_API, "kind": "GatewayClass", "metadata": {"name": name}, "spec": spec})
    try:
        await kube.patch("Gateway", GATEWAY, {"spec": {"gatewayClassName": name}})
        found = await left(kube, "Pending")
        theirs = [
            {**each, "status": "True", "reason": each["type"], "message": "theirs", "observedGeneration": 2}
            for each in found["conditions"]
        ]
        body = {"status": {"conditions": theirs}}
        await kube.patch("Gateway", f"{GATEWAY}/status", body, fieldManager="theirs")
        written = await kube.get("Gateway", GATEWAY)
        await Installation(cluster).restart()
        second = gateway()
        second["metadata"]["name"] = "second"
        await kube.apply(second)  # looked at after all that was there when the new leader began
        await kube.condition("Gateway", "second", "Accepted", "True")
        assert await kube.get("Gateway", GATEWAY) == written
    finally:
        await cluster.delete("GatewayClass", name)


@asynccontextmanager
async def newer_definition(kube: Kube) -> AsyncIterator[None]:
    """Has the definition of HTTPRoutes know a type of filter that Headgate does not."""
    before = (await kube.client.get(DEFINITION))["spec"]["versions"]
    types = [
        {"op": "add", "path": f"/spec/versions/{number}/schema/{FILTERS}/type/enum/-", "value": NOVELTY}
        for number in range(len(before))
    ]
    kind = "application/json-patch+json"
    await kube.client.request("PATCH", DEFINITION, body=types, content_type=kind)
    try:
        yield
    finally:
        back = [{"op": "replace", "path": "/spec/versions", "value": before}]
        await kube.client.request("PATCH", DEFINITION, body=back, content_type=kind)


async def test_what_a_newer_definition_lets_in(site: Site) -> None:
    """A route with an unknown filter says so, by its field; its last good version serves until it is mended."""
    kube = site.kube
    async with newer_definition(kube):
        novel = route()
        novel["spec"]["rules"][0]["filters"] = [{"type": NOVELTY}]
        novel["spec"]["hostnames"] = ["novel.example.com"]

        async def let_in() -> bool:
            await kube.apply(novel)
            return True

        await until("definition that lets it in", let_in)
        found = await kube.condition("HTTPRoute", "r", "Accepted", "False", "UnsupportedValue")
        assert "spec.rules[0].filters[0].type" in found["message"]
        assert found["observedGeneration"] == 2
        await answers(site.address, "example.com")
        await kube.apply(route(hostnames=["mended.example.com"]))
        await kube.condition("HTTPRoute", "r", "Accepted", "True")
        await answers(site.address, "mended.example.com")


async def refused(kube: Kube, type_: str, status: str, *words: str) -> dict[str, Any]:
    """Wait until the route has a condition with these words in its message."""

    async def read() -> dict[str, Any] | None:
        parents = (await kube.get("HTTPRoute", "r")).get("status", {}).get("parents", [])
        found = [each for parent in parents for each in parent["conditions"] if each["type"] == type_]
        told = [each for each in found if each["status"] == status and all(word in each["message"] for word in words)]
        return told[0] if told else None

    return await until(f"condition {type_}={status} with {words}", read)


async def test_what_a_proxy_refuses_reaches_the_route(kube: Kube, headgate: Installation) -> None:
    """A proxy with a lower limit than Headgate knows of refuses a route: it says so, and the version before serves.

    So it is with another leader, too; once the route is mended it says nothing any more.
    """
    layer = {"name": "headgate", "static_layer": {"re2.max_program_size.error_level": 100}}
    strict = parameters("strict", bootstrap={"layered_runtime": {"layers": [layer]}})
    await kube.apply(strict, gateway(parameters="strict"), route())
    site = await serving(kube)
    costly = route()
    match = {"path": {"type": "RegularExpression", "value": "/[a-z]{200}"}}
    costly["spec"]["rules"].append({**costly["spec"]["rules"][0], "name": "costly", "matches": [match]})
    costly["spec"]["hostnames"].append("new.example.com")
    await kube.apply(costly)
    words = ("Fall Back: ", "rule", "costly", "RE2 program size of 205 > max program size of 100")
    found = await refused(kube, "PartiallyInvalid", "True", *words)
    assert (found["reason"], found["observedGeneration"]) == ("UnsupportedValue", 2)
    accepted = await refused(kube, "Accepted", "True")
    assert accepted["observedGeneration"] == 1
    await answers(site.address, "example.com")
    await answers(site.address, "new.example.com", 404)
    await headgate.kill_leader()
    await headgate.ready()
    await refused(kube, "PartiallyInvalid", "True", *words)
    await kube.apply(route(hostnames=["example.com", "new.example.com"]))
    await answers(site.address, "new.example.com")

    async def mended() -> bool:
        entries = (await kube.get("HTTPRoute", "r"))["status"]["parents"]
        return {each["type"] for each in entries[0]["conditions"]} == {"Accepted", "ResolvedRefs"}

    await until("route without a refusal", mended)
    await kube.condition("HTTPRoute", "r", "Accepted", "True")
    await kube.condition("Gateway", GATEWAY, "Programmed", "True")


async def headgate_status(*arguments: str) -> str:
    """Return what `headgate status` says of the cluster."""
    command = [sys.executable, "-m", "headgate", "status", "--cluster", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    text = (await process.communicate())[0].decode()
    assert process.returncode == 0
    return text


async def test_the_command_line_tells_what_is_not_well(site: Site) -> None:
    """`headgate status` shows objects of a cluster, and first what is wrong, also what no controller answers for."""
    kube = site.kube
    lost, broken = route("lost"), route("broken", backend="nowhere")
    lost["spec"]["parentRefs"] = [{"name": "nobody"}]
    await kube.apply(lost, broken)
    await kube.condition("HTTPRoute", "broken", "ResolvedRefs", "False")
    await attached(kube, 2)
    told = await headgate_status()
    assert told.index("problem") < told.index("HTTPROUTE")
    lines = told.splitlines()
    name = kube.namespace
    assert any(
        f"HTTPRoute {name}/lost: spec.parentRefs[0]: Gateway {name}/nobody does not exist" in each for each in lines
    )
    assert any(f"HTTPRoute {name}/broken has references that cannot be resolved" in each for each in lines)
    (row,) = (each.split() for each in lines if each.startswith(f"{name}/gw "))
    assert row[2:6] == [site.address, "2", "True", "True"]
    assert "Accepted=True" in await headgate_status(f"{name}/r")
