"""A status writer with a real API server, and its wanted statuses."""

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
#: An unusual form: the order of fields, a time with a zone, and several conditions.
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
    """Return the wanted condition Accepted."""
    return {
        "type": "Accepted",
        "status": status,
        "reason": "R",
        "message": message,
        "observedGeneration": generation,
    }


def parents(*conditions: dict[str, Any], gateway: str = "web") -> dict[str, Any]:
    """Return the status of a route with one entry of ours."""
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway}
    return {"parents": [{"parentRef": reference, "controllerName": OURS, "conditions": list(conditions)}]}


class World:
    """A status writer with the API server, and its wanted statuses.

    Attributes:
        wanted: the wanted statuses.
        outcomes: the number of writes, by kind and outcome.
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
        self.cluster.add_status_handler(self.writer.enqueue)

    def status_written(self, kind: str, outcome: str, seconds: float) -> None:
        """Count a write."""
        self.outcomes[kind, outcome] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch the cluster and run the writer for as long as the context lasts."""
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
        """Return the identity of an object in the test's namespace."""
        return Ref(kind, self.namespace, name)

    def path(self, ref: Ref, subresource: str = "") -> str:
        """Return the path of an object."""
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
        """Patch an object, as another client does."""
        await self.client.request("PATCH", self.path(ref, subresource), body=body, content_type=MERGE_PATCH)

    async def status(self, ref: Ref) -> dict[str, Any]:
        """Return the status at the API server."""
        found: dict[str, Any] = (await self.client.get(self.path(ref))).get("status") or {}
        return found

    def want(self, ref: Ref, status: dict[str, Any] | None) -> None:
        """Set the wanted status of an object, as a translator does."""
        if status is None:
            self.wanted.pop(ref, None)
        else:
            self.wanted[ref] = status
        self.writer.enqueue([ref])

    async def until(self, ref: Ref, message: str) -> dict[str, Any]:
        """Wait until our condition has this message; return the status."""
        async with asyncio.timeout(60):
            while True:
                with suppress(ApiError):
                    status = await self.status(ref)
                    if message in messages(status):
                        return status
                await asyncio.sleep(0.05)

    async def counted(self, writes: int) -> None:
        """Wait until a number of writes to routes have succeeded; there are no more, and no conflicts."""
        async with asyncio.timeout(30):
            while self.outcomes["HTTPRoute", "written"] < writes:  # noqa: ASYNC110 (another machine, as it were)
                await asyncio.sleep(0.02)
        assert {name: count for (kind, name), count in self.outcomes.items() if kind == "HTTPRoute"} == {
            "written": writes
        }

    async def until_gone(self, ref: Ref) -> None:
        """Wait until the status has no entry of ours."""
        async with asyncio.timeout(30):
            while OURS in [each["controllerName"] for each in (await self.status(ref))["parents"]]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def until_logged(logs: list[Any]) -> None:
    """Wait until a line is logged."""
    async with asyncio.timeout(30):
        while not logs:  # noqa: ASYNC110 (another machine, as it were)
            await asyncio.sleep(0.05)


def messages(status: dict[str, Any]) -> set[str]:
    """Return the messages of our conditions."""
    ours = [each for each in status.get("parents", ()) if each["controllerName"] == OURS]
    return {each["message"] for entry in [status, *ours] for each in entry.get("conditions", ())}
