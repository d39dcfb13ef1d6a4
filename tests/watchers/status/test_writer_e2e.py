"""Writes of statuses to a real API server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from tests.watchers.cluster_actions import kill_api_server, ready, service_account
from tests.watchers.relay import kubeconfig
from tests.watchers.status.cluster_writing import (
    FOREIGN,
    ODD,
    OTHER,
    OURS,
    World,
    accepted,
    messages,
    parents,
    until_logged,
)
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.kubeconfig import Access

pytestmark = pytest.mark.e2e


@pytest.fixture
async def world(client: ApiClient, namespace: str) -> World:
    """Return a writer for a new namespace."""
    return World(client, namespace)


async def test_others_entries_stay_byte_for_byte(world: World) -> None:
    """Another controller's entry in a route's status is the same before, with and after ours."""
    route = await world.create("shop")
    await world.patch(route, {"status": {"parents": [FOREIGN]}}, "status")
    before = orjson.dumps((await world.status(route))["parents"][0])
    async with world.running():
        world.want(route, parents(accepted("first")))
        beside = await world.until(route, "first")
        world.want(route, parents(accepted("second", "False")))
        second = await world.until(route, "second")
        world.want(route, None)
        await world.until_gone(route)
        await world.counted(3)
    after = await world.status(route)
    assert [orjson.dumps(each["parents"][0]) for each in (beside, second, after)] == [before] * 3
    assert len(after["parents"]) == 1


async def test_conditions_of_others_on_a_gateway_stay(world: World) -> None:
    """A condition of a foreign type stays byte for byte; times of ours change only with their status."""
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    gateway = await world.create("web", "Gateway", gatewayClassName="none-at-all", listeners=[listener])
    conditions = (await world.status(gateway))["conditions"]
    assert {each["type"] for each in conditions} == {"Accepted", "Programmed"}  # the defaults of the definition
    await world.patch(gateway, {"status": {"conditions": [*conditions, ODD]}}, "status")
    async with world.running():
        world.want(gateway, {"conditions": [accepted("first")]})
        first = (await world.until(gateway, "first"))["conditions"]
        world.want(gateway, {"conditions": [accepted("second")]})
        second = (await world.until(gateway, "second"))["conditions"]
    assert [each["type"] for each in second] == ["Accepted", "example.com/Odd"]
    assert orjson.dumps(second[1]) == orjson.dumps({key: second[1][key] for key in first[1]}) == orjson.dumps(first[1])
    assert first[0]["lastTransitionTime"] == second[0]["lastTransitionTime"] != conditions[0]["lastTransitionTime"]


async def test_conflicts_lose_no_change(world: World) -> None:
    """While others change a route's status and metadata, our status is written, and their changes stay."""
    route = await world.create("shop")

    async def disturb() -> int:
        number = 0
        while number < 40 or not world.outcomes["HTTPRoute", "conflict"]:
            number += 1
            await world.patch(route, {"metadata": {"annotations": {"number": str(number)}}})
            found = (await world.status(route)).get("parents", ())
            entries = [each for each in found if each["controllerName"] == OURS]
            await world.patch(route, {"status": {"parents": [*entries, FOREIGN]}}, "status")
        return number

    async with world.running(), asyncio.timeout(60):
        disturbing = asyncio.create_task(disturb())
        number = 0
        while not disturbing.done():
            number += 1
            world.want(route, parents(accepted(str(number))))
            await asyncio.sleep(0.01)
        world.want(route, parents(accepted("last")))
        status = await world.until(route, "last")
    assert sorted(each["controllerName"] for each in status["parents"]) == sorted([OTHER, OURS])
    annotations = (await world.client.get(world.path(route)))["metadata"]["annotations"]
    assert annotations["number"] == str(await disturbing)


async def test_a_status_of_the_former_generation_is_not_written(world: World) -> None:
    """After a change of the spec, only a status of the new generation is written, at once."""
    route = await world.create("shop")
    async with world.running():
        world.want(route, parents(accepted("one")))
        await world.until(route, "one")
        await world.patch(route, {"spec": {"hostnames": ["a.example"]}})
        world.want(route, parents(accepted("stale")))
        await asyncio.sleep(0.3)
        assert messages(await world.status(route)) == {"one"}
        world.want(route, parents(accepted("two", generation=2)))
        await world.until(route, "two")
        await world.counted(2)


async def test_a_denied_status_is_logged_and_retried(world: World) -> None:
    """A denied status is logged with the policy's message; other routes are written; once allowed, it is written."""
    denied, allowed = await world.create("denied"), await world.create("allowed")
    name = f"deny-{world.namespace}"
    admission = "/apis/admissionregistration.k8s.io/v1"
    policy = {
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"watchers": world.namespace}},
                "resourceRules": [
                    {
                        "apiGroups": ["gateway.networking.k8s.io"],
                        "apiVersions": ["*"],
                        "operations": ["UPDATE"],
                        "resources": ["httproutes/status"],
                    }
                ],
            },
            "validations": [{"expression": "object.metadata.name != 'denied'", "message": "not today"}],
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    path = f"{admission}/validatingadmissionpolicies"
    await world.client.request("POST", path, body=policy)
    await world.client.request("POST", f"{path.removesuffix('policies')}policybindings", body=binding)
    try:
        async with asyncio.timeout(30):  # until the policy is in force
            with suppress(ApiError):
                while True:
                    await world.patch(denied, {"status": {"parents": []}}, "status")
                    await asyncio.sleep(0.1)
        with structlog.testing.capture_logs() as logs:
            async with world.running():
                world.want(denied, parents(accepted("denied")))
                world.want(allowed, parents(accepted("allowed")))
                await world.until(allowed, "allowed")
                await until_logged(logs)
                await world.client.request("DELETE", f"{path}/{name}")
                await world.until(denied, "denied")
    finally:
        for each in (f"{path}/{name}", f"{path.removesuffix('policies')}policybindings/{name}"):
            with suppress(ApiError):
                await world.client.request("DELETE", each)
    (message,) = [each["event"] for each in logs]
    assert message.startswith(f"The API server rejects the status of HTTPRoute {world.namespace}/denied:")
    assert "not today" in message


async def test_a_missing_permission_is_named_and_retried(
    world: World, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the permission to patch, the error names verb and resource; once granted, the status is written."""
    monkeypatch.setattr("watchers.controllers.reconciler.KIND_BACKOFF", 0.5)
    route = await world.create("shop")
    authority = tmp_path / "ca.crt"
    cluster = f", certificate-authority: {authority}"
    authority.write_text(
        (await world.client.get("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"))["data"]["ca.crt"]
    )
    account = await service_account(world.client, world.namespace)
    reading = [{"apiGroups": ["gateway.networking.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    await _grant(world, "reading", reading)
    limited = await kubeconfig(tmp_path, access.url, f"token: {account}", cluster)
    async with ApiClient(limited) as client:
        poor = World(client, world.namespace)
        with structlog.testing.capture_logs() as logs:
            async with poor.running():
                poor.want(route, parents(accepted("granted")))
                await until_logged(logs)
                verbs = [
                    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes/status"], "verbs": ["patch"]}
                ]
                await _grant(world, "writing", verbs)
                await world.until(route, "granted")
    assert [each["event"].partition(":")[0] for each in logs] == [
        "may not patch httproutes/status in the API group gateway.networking.k8s.io"
    ]


async def _grant(world: World, name: str, rules: list[dict[str, Any]]) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{world.namespace}"
    await world.client.request("POST", f"{path}/roles", body={"metadata": {"name": name}, "rules": rules})
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "watcher", "namespace": world.namespace}],
    }
    await world.client.request("POST", f"{path}/rolebindings", body=body)


async def test_many_routes_take_one_write_each(world: World) -> None:
    """Many routes at once take one write each, without a conflict; their Gateway takes three a second."""
    count = 300
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    gateway = await world.create("web", "Gateway", gatewayClassName="none-at-all", listeners=[listener])
    loop = asyncio.get_running_loop()
    async with world.running():
        begun = loop.time()
        for start in range(0, count, 20):
            for ref in await asyncio.gather(*(world.create(f"r{n}") for n in range(start, start + 20))):
                world.want(ref, parents(accepted("m")))
                world.want(gateway, {"conditions": [accepted(str(len(world.wanted)))]})
        await asyncio.gather(*(world.until(world.ref(f"r{n}"), "m") for n in range(count)))
        await world.until(gateway, str(count + 1))
        await world.counted(count)
        seconds = loop.time() - begun
    assert world.outcomes["Gateway", "written"] <= 3 * seconds + 1


async def test_an_api_server_that_is_killed_loses_nothing(world: World) -> None:
    """A status that changes during an outage is written afterwards."""
    route = await world.create("shop")
    async with world.running():
        world.want(route, parents(accepted("before")))
        await world.until(route, "before")
        kill_api_server()
        world.want(route, parents(accepted("after", "False")))
        await ready(world.client)
        await world.until(route, "after")
