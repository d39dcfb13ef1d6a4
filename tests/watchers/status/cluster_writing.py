"""A writer of statuses against a real API server, and what it wants."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.informers.cluster import ClusterSource, WatchConfig
from watchers.kubernetes.client import MERGE_PATCH, ApiClient
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.paths import collection, item
from watchers.sources import SourceMux
from watchers.status.writer import StatusWriter

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
    """Return the condition Accepted, as it is wanted."""
    return {
        "type": "Accepted",
        "status": status,
        "reason": "R",
        "message": message,
        "observedGeneration": generation,
    }


def parents(*conditions: dict[str, Any], gateway: str = "web") -> dict[str, Any]:
    """Return the status of a route with one parent of ours."""
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway}
    return {"parents": [{"parentRef": reference, "controllerName": OURS, "conditions": list(conditions)}]}


class World:
    """A writer that writes to the API server, and what it wants.

    Attributes:
        wanted: what it wants.
        outcomes: how often something became of a write, by kind and outcome.
    """

    def __init__(self, client: ApiClient, namespace: str, *models: type[KubernetesObject]) -> None:
        self.client, self.namespace = client, namespace
        self.wanted: dict[Ref, dict[str, Any]] = {}
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.cluster = ClusterSource(
            client,
            WatchConfig(
                models or tuple(MODELS.values()),
                statuses=frozenset(each.kind for each in models or MODELS.values()),
                controller=OURS,
                namespaces=(namespace,),
            ),
        )
        self.writer = StatusWriter(client, self.wanted, self.cluster, OURS, observer=self)

    def status_written(self, kind: str, outcome: str, seconds: float) -> None:
        """Count."""
        self.outcomes[kind, outcome] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the cluster is followed and the writer leads."""
        feed = SourceMux(self.cluster.sources)

        async def take() -> None:
            async for edits in feed:
                self.writer.enqueue(each.ref for each in edits)
                synced.set()

        synced = asyncio.Event()
        tasks = [asyncio.create_task(feed.run()), asyncio.create_task(take())]
        await asyncio.wait_for(synced.wait(), 30)
        tasks.append(asyncio.create_task(self.writer.run()))
        try:
            yield
        finally:
            for each in tasks:
                each.cancel()
            for each in tasks:
                with suppress(asyncio.CancelledError):
                    await each

    def ref(self, name: str, kind: str = "HTTPRoute") -> Ref:
        """Return the name of an object of the test's namespace."""
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
        """Return the status that the API server has."""
        found: dict[str, Any] = (await self.client.get(self.path(ref))).get("status") or {}
        return found

    def want(self, ref: Ref, status: dict[str, Any] | None) -> None:
        """As a translator tells it."""
        if status is None:
            self.wanted.pop(ref, None)
        else:
            self.wanted[ref] = status
        self.writer.enqueue([ref])

    async def until(self, ref: Ref, message: str) -> dict[str, Any]:
        """Wait until our condition says this; gives the status."""
        async with asyncio.timeout(60):
            while True:
                with suppress(ApiError):
                    status = await self.status(ref)
                    if message in messages(status):
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


def messages(status: dict[str, Any]) -> set[str]:
    """Return what our conditions say."""
    ours = [each for each in status.get("parents", ()) if each["controllerName"] == OURS]
    return {each["message"] for entry in [status, *ours] for each in entry.get("conditions", ())}
