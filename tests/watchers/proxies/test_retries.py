"""Retries of the proxy reconciler after rejections, drift and timeouts; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests import virtual_time
from tests.watchers.proxies.test_api_errors import CONFIG, GATEWAY, manifest
from tests.watchers.punctual import Punctual
from translator.infrastructure.manifest import Manifest, ProxyManifests
from translator.refs import Ref
from watchers.controllers.reconciler import FIRST_RETRY, LONGEST_RETRY
from watchers.informers.list_watch import ObjectChange
from watchers.kubernetes.errors import ApiError
from watchers.proxies.inventory import Inventory
from watchers.proxies.reconciler import CONCURRENCY, OBSERVE_SECONDS, REPAIRED_SECONDS, ProxyReconciler
from watchers.proxies.server_side_apply import SECONDS


class Cluster:
    """An API server that accepts applies, and whose watch reports them.

    Attributes:
        tells: whether the watch reports applied objects.
        meets: called with each write; may wait or raise.
        times: the times of the writes.
        running: the number of writes in progress.
        most: the most writes in progress at once.
    """

    def __init__(self) -> None:
        self.tells = True
        self.meets: Callable[[], Any] | None = None
        self.times: list[float] = []
        self.running = self.most = 0
        self.inventory = Inventory()
        self._version = 0

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        """Respond to a request."""
        if method == "GET":
            raise ApiError("GET", 404)
        self.times.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            if self.meets is not None:
                await self.meets()
        finally:
            self.running -= 1
        return self.put(body)

    def put(self, body: Any) -> Any:
        """Store an object."""
        self._version += 1
        found = {**body, "metadata": {**body["metadata"], "uid": "u", "resourceVersion": str(self._version)}}
        if self.tells:
            ref = Ref(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])
            self.inventory.observe([ObjectChange(ref, found)])
        return found

    @property
    def pauses(self) -> list[float]:
        """Return the seconds between writes."""
        return [after - before for before, after in pairwise(self.times)]

    @asynccontextmanager
    async def leading(self, *names: str) -> AsyncIterator[ProxyReconciler]:
        """Run a reconciler that deploys a ConfigMap for each of these Gateways."""
        reconciler = ProxyReconciler(
            Punctual(self), {GATEWAY._replace(name=each): proxies(each) for each in names}, self.inventory, "me", print
        )
        term = asyncio.create_task(reconciler.run())
        try:
            yield reconciler
        finally:
            term.cancel()
            await asyncio.wait({term})


def proxies(name: str) -> ProxyManifests:
    """Return a ConfigMap for a Gateway."""
    body = manifest().body
    ref = CONFIG._replace(name=f"headgate-{name}")
    labels = {**body["metadata"]["labels"], "gateway.networking.k8s.io/gateway-name": name}
    return ProxyManifests(
        (Manifest(ref, {**body, "metadata": {"name": ref.name, "namespace": "web", "labels": labels}}),)
    )


def test_concurrent_deployments_are_bounded() -> None:
    """The number of Gateways that are deployed at once is limited, and all are deployed."""

    async def scenario() -> None:
        cluster = Cluster()
        cluster.meets = lambda: asyncio.sleep(0.5)
        async with cluster.leading(*(str(number) for number in range(3 * CONCURRENCY))):
            await asyncio.sleep(1.6)
        assert (cluster.most, len(cluster.times)) == (CONCURRENCY, 3 * CONCURRENCY)

    virtual_time.run(scenario())


def test_pauses_of_a_rejected_manifest_are_bounded() -> None:
    """The first pause of a rejected manifest is short, and later ones grow to a limit."""

    async def refuses() -> None:
        raise ApiError("PATCH", 422)

    async def scenario() -> None:
        cluster = Cluster()
        cluster.meets = refuses
        async with cluster.leading("shop"):
            await asyncio.sleep(36_000)
        first, *_ = cluster.pauses
        late = cluster.pauses[-50:]
        assert FIRST_RETRY / 2 <= first <= FIRST_RETRY
        assert len(late) == 50
        assert LONGEST_RETRY / 2 <= min(late) <= max(late) <= LONGEST_RETRY

    virtual_time.run(scenario())


@pytest.mark.parametrize(("seconds", "requests"), [(SECONDS - 0.1, 1), (SECONDS + 1, 2)])
def test_a_request_that_hangs_is_made_again(seconds: float, requests: int) -> None:
    """A request that a webhook does not answer times out, and is repeated."""

    async def scenario() -> None:
        cluster = Cluster()
        cluster.meets = asyncio.Event().wait
        async with cluster.leading("shop"):
            await asyncio.sleep(seconds)
        assert len(cluster.times) == requests

    virtual_time.run(scenario())


@pytest.mark.parametrize(("seconds", "writes"), [(OBSERVE_SECONDS - 0.1, 1), (OBSERVE_SECONDS + 0.1, 2)])
def test_an_unobserved_object_is_created_again(seconds: float, writes: int) -> None:
    """A created object that is not observed in time was deleted, and is created again."""

    async def scenario() -> None:
        cluster = Cluster()
        cluster.tells = False
        async with cluster.leading("shop"):
            await asyncio.sleep(seconds)
        assert len(cluster.times) == writes

    virtual_time.run(scenario())


def test_an_object_without_drift_for_long_is_repaired_at_once() -> None:
    """Ten changes of an object are repaired at growing pauses; after a long time without drift these start again."""

    async def scenario() -> None:
        cluster = Cluster()

        async def undo(reconciler: ProxyReconciler, times: int) -> list[float]:
            """Change the object a number of times, each time once it is repaired; return the seconds of the repairs."""
            found = []
            for _ in range(times):
                cluster.put({**manifest().body, "data": {"a": "changed"}})
                reconciler.enqueue([GATEWAY])
                changed, writes = asyncio.get_running_loop().time(), len(cluster.times)
                while len(cluster.times) == writes:  # noqa: ASYNC110 - virtual time
                    await asyncio.sleep(0.1)
                found.append(cluster.times[-1] - changed)
            return found

        async with cluster.leading("shop") as reconciler:
            await asyncio.sleep(1)
            assert max(await undo(reconciler, 10)) > 60
            await asyncio.sleep(REPAIRED_SECONDS)  # The time without drift begins after the last pause.
            assert max(await undo(reconciler, 2)) > 60
            await asyncio.sleep(REPAIRED_SECONDS + LONGEST_RETRY)
            assert max(await undo(reconciler, 3)) < 2

    virtual_time.run(scenario())
