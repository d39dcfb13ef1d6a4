"""Statuses that are written to a real API server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from tests.watchers.kubernetes.deeds import kill_api_server, ready, service_account
from tests.watchers.kubernetes.relay import kubeconfig
from translator.objects.gateway import Gateway
from translator.objects.httproute import HTTPRoute
from translator.refs import Ref
from watchers.feed import Feed
from watchers.kubernetes.access import Access
from watchers.kubernetes.client import MERGE_PATCH, Client
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.paths import collection, item
from watchers.kubernetes.source import Cluster, Watched
from watchers.status_writer import StatusWriter

pytestmark = pytest.mark.e2e

OURS, OTHER = "gateway.headgate.dev/test", "example.com/other"
MODELS = {model.kind: model for model in (HTTPRoute, Gateway)}
#: As no reader of ours would write it: an unusual order, a time with a zone, and more than one condition.
ODD = {
    "type": "example.com/Odd",
    "status": "Unknown",
    "reason": "Z",
    "message": "“é” \u2028 <&>",
    "lastTransitionTime": "2026-01-01T05:06:07Z",
    "observedGeneration": 0,
}
FOREIGN = {
    "controllerName": OTHER,
    "parentRef": {"name": "elsewhere", "kind": "Gateway", "group": "gateway.networking.k8s.io", "port": 8443},
    "conditions": [
        ODD,
        {
            "type": "Accepted",
            "status": "True",
            "reason": "A",
            "message": "",
            "lastTransitionTime": "1999-01-01T00:00:00Z",
        },
    ],
}


def accepted(message: str = "m", status: str = "True", generation: int = 1) -> dict[str, Any]:
    """The condition Accepted, as it is wanted."""
    return {
        "type": "Accepted",
        "status": status,
        "reason": "R",
        "message": message,
        "observedGeneration": generation,
    }


def parents(*conditions: dict[str, Any], gateway: str = "web") -> dict[str, Any]:
    """The status of a route with one parent of ours."""
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway}
    return {"parents": [{"parentRef": reference, "controllerName": OURS, "conditions": list(conditions)}]}


class World:
    """A writer that writes to the API server, and what it wants."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.wanted: dict[Ref, dict[str, Any]] = {}
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.cluster = Cluster(
            client, Watched(tuple(MODELS.values()), statuses=frozenset(MODELS), namespaces=(namespace,))
        )
        self.writer = StatusWriter(client, self.wanted, self.cluster, OURS, watch=self)

    def status_written(self, kind: str, outcome: str, seconds: float) -> None:
        """Count."""
        self.outcomes[kind, outcome] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the cluster is followed and the writer leads."""
        feed = Feed(self.cluster.sources)

        async def take() -> None:
            async for edits in feed:
                self.writer.touch(each.ref for each in edits)
                synced.set()

        synced = asyncio.Event()
        tasks = [asyncio.create_task(feed.run()), asyncio.create_task(take())]
        await asyncio.wait_for(synced.wait(), 30)
        tasks.append(asyncio.create_task(self.writer.lead()))
        try:
            yield
        finally:
            for each in tasks:
                each.cancel()
            for each in tasks:
                with suppress(asyncio.CancelledError):
                    await each

    def ref(self, name: str, kind: str = "HTTPRoute") -> Ref:
        """The name of an object of the test's namespace."""
        return Ref(kind, self.namespace, name)

    def path(self, ref: Ref, subresource: str = "") -> str:
        """Where an object is."""
        return item(MODELS[ref.kind], "v1", ref, subresource)

    async def create(self, name: str, kind: str = "HTTPRoute", **spec: Any) -> Ref:
        """Create an object."""
        body = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec or {"parentRefs": [{"name": "web"}]},
        }
        await self.client.request("POST", collection(MODELS[kind], "v1", self.namespace), body=body)
        return self.ref(name, kind)

    async def patch(self, ref: Ref, body: dict[str, Any], subresource: str = "") -> None:
        """Change an object, as somebody else does."""
        await self.client.request("PATCH", self.path(ref, subresource), body=body, content_type=MERGE_PATCH)

    async def status(self, ref: Ref) -> dict[str, Any]:
        """The status that the API server has."""
        found: dict[str, Any] = (await self.client.get(self.path(ref))).get("status") or {}
        return found

    def want(self, ref: Ref, status: dict[str, Any] | None) -> None:
        """As a translator tells it."""
        if status is None:
            self.wanted.pop(ref, None)
        else:
            self.wanted[ref] = status
        self.writer.touch([ref])

    async def until(self, ref: Ref, message: str) -> dict[str, Any]:
        """Wait until our condition says this; gives the status."""
        async with asyncio.timeout(60):
            while True:
                with suppress(ApiError):
                    status = await self.status(ref)
                    if message in _messages(status):
                        return status
                await asyncio.sleep(0.05)

    async def counted(self, writes: int) -> None:
        """Wait until so many writes of routes have been answered; there are no more, and were no conflicts."""
        async with asyncio.timeout(30):
            while self.outcomes["HTTPRoute", "written"] < writes:  # noqa: ASYNC110 (another machine, as it were)
                await asyncio.sleep(0.02)
        assert {name: count for (kind, name), count in self.outcomes.items() if kind == "HTTPRoute"} == {
            "written": writes
        }

    async def until_gone(self, ref: Ref) -> None:
        """Wait until there is no entry of ours."""
        async with asyncio.timeout(30):
            while OURS in [each["controllerName"] for each in (await self.status(ref))["parents"]]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def told(logs: list[Any]) -> None:
    """Wait until something is logged."""
    async with asyncio.timeout(30):
        while not logs:  # noqa: ASYNC110 (another machine, as it were)
            await asyncio.sleep(0.05)


def _messages(status: dict[str, Any]) -> set[str]:
    ours = [each for each in status.get("parents", ()) if each["controllerName"] == OURS]
    return {each["message"] for entry in [status, *ours] for each in entry.get("conditions", ())}


@pytest.fixture
async def world(client: Client, namespace: str) -> World:
    """A writer for a new namespace."""
    return World(client, namespace)


async def test_others_entries_stay_byte_for_byte(world: World) -> None:
    """What another controller wrote into a route's status is the same before, beside and after ours."""
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
    """A condition of a foreign type stays byte for byte; times of ours change with their status only."""
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    gateway = await world.create("web", "Gateway", gatewayClassName="none-at-all", listeners=[listener])
    told = (await world.status(gateway))["conditions"]
    assert {each["type"] for each in told} == {"Accepted", "Programmed"}  # what the definition fills in
    await world.patch(gateway, {"status": {"conditions": [*told, ODD]}}, "status")
    async with world.running():
        world.want(gateway, {"conditions": [accepted("first")]})
        first = (await world.until(gateway, "first"))["conditions"]
        world.want(gateway, {"conditions": [accepted("second")]})
        second = (await world.until(gateway, "second"))["conditions"]
    assert [each["type"] for each in second] == ["Accepted", "example.com/Odd"]
    assert orjson.dumps(second[1]) == orjson.dumps({key: second[1][key] for key in first[1]}) == orjson.dumps(first[1])
    assert first[0]["lastTransitionTime"] == second[0]["lastTransitionTime"] != told[0]["lastTransitionTime"]


async def test_conflicts_lose_nothing(world: World) -> None:
    """While others keep changing a route, its status and its metadata, what is wanted gets there, and theirs stays."""
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


async def test_a_status_of_the_generation_before_is_not_written(world: World) -> None:
    """After a change of the spec only a status from the new generation is written, at once."""
    route = await world.create("shop")
    async with world.running():
        world.want(route, parents(accepted("one")))
        await world.until(route, "one")
        await world.patch(route, {"spec": {"hostnames": ["a.example"]}})
        world.want(route, parents(accepted("stale")))
        await asyncio.sleep(0.3)
        assert _messages(await world.status(route)) == {"one"}
        world.want(route, parents(accepted("two", generation=2)))
        await world.until(route, "two")
        await world.counted(2)


async def test_a_policy_that_denies_is_told_and_overcome(world: World) -> None:
    """What admission denies is told with its words; other routes go on; once it is allowed, it is written."""
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
                await told(logs)
                await world.client.request("DELETE", f"{path}/{name}")
                await world.until(denied, "denied")
    finally:
        for each in (f"{path}/{name}", f"{path.removesuffix('policies')}policybindings/{name}"):
            with suppress(ApiError):
                await world.client.request("DELETE", each)
    (said,) = [each["event"] for each in logs]
    assert said.startswith(f"The status of HTTPRoute {world.namespace}/denied is not taken:")
    assert "not today" in said


async def test_a_missing_permission_is_named_and_waited_for(
    world: World, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to patch, the message names verb and resource; once it is granted, the status is written."""
    monkeypatch.setattr("watchers.status_writer.BLOCKED", 0.5)
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
    async with Client(limited) as client:
        poor = World(client, world.namespace)
        with structlog.testing.capture_logs() as logs:
            async with poor.running():
                poor.want(route, parents(accepted("granted")))
                await told(logs)
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
    """So many routes at once are one write each, without a conflict; a Gateway that counts them three a second."""
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
    """What is wanted while the API server is away is written once it is back."""
    route = await world.create("shop")
    async with world.running():
        world.want(route, parents(accepted("before")))
        await world.until(route, "before")
        kill_api_server()
        world.want(route, parents(accepted("after", "False")))
        await ready(world.client)
        await world.until(route, "after")
