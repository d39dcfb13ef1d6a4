"""Back-off of lists, watches and reads if the API server denies, fails or does not answer; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests import virtual_time
from tests.watchers.cluster_api import ClusterApi, Request
from tests.watchers.informers.following import Followed
from tests.watchers.punctual import Punctual
from translator.objects.kubernetes.core import ConfigMap
from translator.objects.kubernetes.service import Service
from translator.refs import Ref
from watchers.informers import on_demand as ondemand
from watchers.informers import reflector
from watchers.informers.cluster import ClusterSource, WatchConfig
from watchers.kubernetes.client import Query, ResponseStream
from watchers.kubernetes.errors import ApiError


class TimedApi(ClusterApi):
    """An API server that keeps to the times of requests, and notes when they come.

    Attributes:
        times: when which verb was asked for.
        lasts: after how many seconds a watch ends, if it is not to last as long as was asked for.
        is_ready: whether it says that it has all it needs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[str, float]] = []
        self.lasts: float | None = None
        self.is_ready = True

    async def ready(self) -> bool:
        """Return whether it is ready."""
        return self.is_ready

    async def get(self, path: str, *, query: Query | None = None, **rest: Any) -> Any:
        """Answer a GET request within its timeout."""
        return await Punctual(super()).request("GET", path, query=query, **rest)  # type: ignore[arg-type]

    @asynccontextmanager
    async def watch(
        self, path: str, query: Query, accept: str = "", seconds: float = 300
    ) -> AsyncIterator[ResponseStream]:
        """Open a watch, which ends after its time."""
        async with super().watch(path, query, accept) as stream:
            asyncio.get_running_loop().call_later(self.lasts or seconds, stream.cut)
            yield stream

    async def _meet(self, request: Request) -> None:
        self.times.append((request.verb, asyncio.get_running_loop().time()))
        await super()._meet(request)

    def pauses(self, verb: str) -> list[float]:
        """Return the seconds between requests."""
        return [after - before for before, after in pairwise(time for each, time in self.times if each == verb)]


@pytest.mark.parametrize(("verb", "longest"), [("list", reflector.LONGEST_PAUSE), ("get", ondemand.LONGEST_PAUSE)])
def test_backoff_pauses_are_bounded(verb: str, longest: float) -> None:
    """A request that fails for hours is repeated at the longest pause, even if Retry-After is longer."""

    async def scenario() -> None:
        api = TimedApi()
        api.put({"kind": "ConfigMap", "metadata": {"name": "one", "namespace": "shop"}})

        async def fault(request: Request) -> None:
            if request.verb == verb:
                raise ApiError(verb, 503, retry_after=3600)

        api.fault = fault
        cluster = ClusterSource(api, WatchConfig(kinds=(ConfigMap,)))
        async with Followed(*cluster.sources):
            cluster.set_referenced(ConfigMap, {Ref("ConfigMap", "shop", "one")})
            await asyncio.sleep(7200)
        late = api.pauses(verb)[-100:]
        assert len(late) == 100
        assert longest / 2 <= min(late) <= max(late) <= longest + 0.001

    virtual_time.run(scenario())


def test_concurrent_reads_are_bounded() -> None:
    """Of many objects that become referenced at once, some wait, and all are read."""
    running = most = 0

    async def fault(request: Request) -> None:
        nonlocal running, most
        if request.verb == "get":
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.5)
            running -= 1

    async def scenario() -> None:
        api = TimedApi()
        refs = {Ref("ConfigMap", "shop", str(number)) for number in range(3 * ondemand.AT_ONCE)}
        for ref in refs:
            api.put({"kind": "ConfigMap", "metadata": {"name": ref.name, "namespace": "shop"}})
        api.fault = fault
        cluster = ClusterSource(api, WatchConfig(kinds=(ConfigMap,)))
        async with Followed(*cluster.sources) as found:
            cluster.set_referenced(ConfigMap, refs)
            await found.until(lambda: found.objects.keys() >= refs)
        assert most == ondemand.AT_ONCE

    virtual_time.run(scenario())


def test_an_unanswered_list_is_repeated() -> None:
    """A request for a page that hangs is cancelled after its timeout, and repeated."""

    async def fault(request: Request) -> None:
        if request.verb == "list" and len(api.times) == 1:
            await asyncio.Event().wait()

    async def scenario() -> None:
        api.fault = fault
        async with Followed(*ClusterSource(api, WatchConfig(kinds=(Service,))).sources) as found:
            await asyncio.sleep(reflector.LIST_SECONDS - 0.1)
            assert found.first is None
            await asyncio.sleep(reflector.LONGEST_PAUSE)
            assert found.first is not None

    api = TimedApi()
    virtual_time.run(scenario())


def test_a_watch_ends_and_is_repeated() -> None:
    """Each watch of a kind has another duration, and the next one follows without a pause."""

    async def scenario() -> None:
        api = TimedApi()
        async with Followed(*ClusterSource(api, WatchConfig(kinds=(Service,))).sources):
            await asyncio.sleep(7200)
        least, most = reflector.WATCH_SECONDS
        lasted = api.pauses("watch")
        assert least <= min(lasted) < max(lasted) <= most
        assert max(lasted) - min(lasted) > (most - least) / 4

    virtual_time.run(scenario())


@pytest.mark.parametrize("good", [True, False])
def test_short_watches_are_repeated_after_a_pause(good: bool) -> None:
    """If watches end too soon, the next ones are started after growing pauses."""
    lasts = reflector.LASTING_SECONDS - (0.0 if good else 0.1)

    async def scenario() -> None:
        api = TimedApi()
        api.lasts = lasts
        async with Followed(*ClusterSource(api, WatchConfig(kinds=(Service,))).sources):
            await asyncio.sleep(600)
        longest = max(api.pauses("watch")) - lasts
        assert longest < 0.001 if good else longest > 5

    virtual_time.run(scenario())


def test_denials_are_reported_once_they_last() -> None:
    """The first consecutive denials of an API server that reports to be starting have no diagnostic."""
    told: list[bool] = []

    async def fault(request: Request) -> None:
        if request.verb == "list":
            told.append(bool(cluster.diagnostics))
            raise ApiError("list", 403)

    async def scenario() -> None:
        api.is_ready = False
        api.fault = fault
        async with Followed(*cluster.sources) as found:
            await found.until(lambda: len(told) > reflector.REPORTED_DENIALS)
        assert told[: reflector.REPORTED_DENIALS + 1] == [False] * reflector.REPORTED_DENIALS + [True]

    api = TimedApi()
    cluster = ClusterSource(api, WatchConfig(kinds=(Service,)))
    virtual_time.run(scenario())
