"""Failures of any request delete nothing, as a property (docs/adr/0012).

While requests fail, hang or are denied, at the start of a controller or later, it deletes no proxy, no status entry
and no resource of a connected Envoy; once all reads succeed again, the state is as without the failures.
"""

from __future__ import annotations

import asyncio
import copy
from functools import cache
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import virtual_time
from tests.headgate.cluster.installation import Installation
from tests.headgate.cluster.shop import namespace, route
from tests.headgate.cluster.test_incomplete_reads import forbidden, running
from tests.watchers.cluster_api import MODELS, ClusterApi, Raw, Request
from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.registry import REGISTRY
from watchers.kubernetes.errors import ApiError, Malformed, TooLarge, Unreachable
from xds.resources.snapshot import Snapshot

pytestmark = pytest.mark.slow

HEALING_SECONDS: Final = 120.0
DEPLOYED: Final = {each.plural for each in DEPLOYED_KINDS.values()}
WITH_STATUS: Final = {plural for plural, model in MODELS.items() if model in REGISTRY.with_status}


class Fault(NamedTuple):
    """A fault of requests with some verbs for some kinds, of which one in a number of requests is affected."""

    verbs: frozenset[str]
    plurals: frozenset[str]
    outcome: str
    one_in: int

    async def meet(self, request: Request, number: int) -> None:
        """Apply the fault to a request, if it is affected."""
        if request.verb not in self.verbs or request.plural not in self.plurals or number % self.one_in:
            return
        match self.outcome:
            case "forbidden":
                raise forbidden(request)
            case "slow":
                await asyncio.sleep(20)
            case "never":
                await asyncio.sleep(35)
                raise Unreachable("https://cluster.test", "it took too long")
            case "unreachable":
                raise Unreachable("https://cluster.test", "refused")
            case "garbage":
                raise Malformed("The answer is not JSON")
            case "large":
                raise TooLarge("The answer is too long")
            case status:
                raise ApiError(request.verb, int(status), "", "no reason")


READS: Final = ("list", "watch", "get")
FAULTS = st.builds(
    Fault,
    st.frozensets(st.sampled_from(READS), min_size=1),
    st.frozensets(st.sampled_from(sorted(MODELS)), min_size=1, max_size=3)
    | st.just(frozenset(MODELS))
    | st.sampled_from(sorted(MODELS)).map(lambda each: frozenset({each})),
    st.sampled_from(
        ("forbidden", "slow", "never", "unreachable", "garbage", "large", "400", "404", "410", "429", "500", "503")
    ),
    st.integers(1, 2),
)


WRITES: Final = ("create", "patch", "put", "delete")
WRITTEN: Final = sorted(DEPLOYED | {"leases", "events"} | {f"{plural}/status" for plural in WITH_STATUS})
WRITE_FAULTS = st.builds(
    Fault,
    st.frozensets(st.sampled_from(WRITES), min_size=1),
    st.frozensets(st.sampled_from(WRITTEN), min_size=1, max_size=3) | st.just(frozenset(WRITTEN)),
    st.sampled_from(
        ("forbidden", "slow", "never", "unreachable", "garbage", "large", "404", "409", "422", "429", "500", "503")
    ),
    st.integers(1, 2),
)


class Served(NamedTuple):
    """The state of a cluster that a controller has served, and the published snapshots."""

    objects: dict[tuple[str, str, str], Raw]
    snapshots: dict[str, Snapshot]


@cache
def served() -> Served:
    """Serve a cluster once, and return its state."""

    async def scenario() -> Served:
        api = ClusterApi()
        before = await running(api)
        async with Installation(api) as again:
            await again.until(lambda: again.published.snapshots)
            return Served(before, dict(again.published.snapshots))

    return virtual_time.run(scenario())


def restored() -> ClusterApi:
    """Return an API server with the state of `served`."""
    api = ClusterApi()
    for key, raw in served().objects.items():
        api.objects[key] = copy.deepcopy(raw)
    api.revision = 10_000
    return api


def entries(raw: Raw) -> set[str]:
    """Return the conditions of a status: those of the object, of its listeners, and of its parents."""
    status: Any = raw.get("status") or {}
    places = [("", status), *((each["name"], each) for each in status.get("listeners", ()))]
    places += [(str(each["parentRef"]), each) for each in status.get("parents", ())]
    return {f"{place}: {each['type']}" for place, found in places for each in found.get("conditions", ())}


def assert_nothing_was_deleted(api: ClusterApi, installation: Installation, *, selected_anew: bool = False) -> None:
    """Assert that no object, no status entry and no resource was deleted, not even for a moment.

    If a namespace was deselected and selected again, its Gateway may be removed as a whole, and come back as a whole.
    """
    for event in api.events:
        if event.key[0] in DEPLOYED:
            assert event.type != "DELETED", event.key
        if event.key[0] in WITH_STATUS and event.key in served().objects:
            assert entries(served().objects[event.key]) <= entries(event.raw), event.key
    for key, snapshot in installation.published.history:
        assert snapshot is not None or selected_anew, key
        if snapshot is None:
            continue
        assert {each.reference for each in served().snapshots[key]} <= {each.reference for each in snapshot}


def assert_served_as_before(installation: Installation) -> None:
    """Assert that the same snapshots are served as before."""
    assert installation.ready()
    published = installation.published.snapshots["shop/web"]
    assert {*served().snapshots["shop/web"]} <= {*published}


def faulty(faults: list[Fault]) -> Any:
    """Return the function that applies faults to the requests of a cluster."""
    numbers: dict[Request, int] = {}

    async def meet(request: Request) -> None:
        numbers[request] = number = numbers.get(request, -1) + 1
        for each in faults:
            await each.meet(request, number)

    return meet


SELECTORS = st.sampled_from(["", "team"])
LISTS = st.lists(FAULTS, min_size=1, max_size=3)
DURATIONS = st.sampled_from([3.0, 60.0, 400.0])


@settings(max_examples=40)
@given(LISTS, SELECTORS, DURATIONS)
def test_at_the_start(faults: list[Fault], selector: str, seconds: float) -> None:
    """Whatever cannot be read at a controller's start, no object of an earlier one is deleted."""
    served()  # in an event loop of its own

    async def scenario() -> None:
        api = restored()
        api.fault = faulty(faults)
        async with Installation(api, selector) as installation:
            await asyncio.sleep(seconds)
            assert_nothing_was_deleted(api, installation)
            api.fault = None
            await asyncio.sleep(HEALING_SECONDS)
            assert_nothing_was_deleted(api, installation)
            assert_served_as_before(installation)

    virtual_time.run(scenario())


@settings(max_examples=40)
@given(LISTS, SELECTORS, DURATIONS, st.booleans())
def test_later(faults: list[Fault], selector: str, seconds: float, compact: bool) -> None:
    """Whatever can no longer be read after watches are cut, the state stays, and new objects are added."""
    served()  # in an event loop of its own

    async def scenario() -> None:
        api = restored()
        async with Installation(api, selector) as installation:
            await installation.until(installation.ready)
            await asyncio.sleep(5)
            api.fault = faulty(faults)
            api.cut(compact=compact)
            await asyncio.sleep(seconds / 2)
            api.put(route("more", "web", "cart"))
            await asyncio.sleep(seconds / 2)
            assert_nothing_was_deleted(api, installation)
            api.fault = None
            await asyncio.sleep(HEALING_SECONDS)
            assert_nothing_was_deleted(api, installation)
            assert installation.ready()
            assert "status" in api.of("HTTPRoute")["shop", "more"]

    virtual_time.run(scenario())


@settings(max_examples=40)
@given(LISTS, DURATIONS, st.sampled_from([0.0, 0.01, 3.0]), st.booleans())
def test_while_a_namespace_is_selected(faults: list[Fault], seconds: float, pause: float, compact: bool) -> None:
    """Whatever cannot be read while a namespace is selected again, its Gateway is published as a whole or not."""
    served()  # in an event loop of its own

    async def scenario() -> None:
        api = restored()
        async with Installation(api, "team") as installation:
            await installation.until(installation.ready)
            await asyncio.sleep(5)
            api.fault = faulty(faults)
            for labels in ({}, {"team": "shop"}):
                api.put(namespace("shop", **labels))
                await asyncio.sleep(pause)
            if compact:
                api.cut(compact=True)
            await asyncio.sleep(seconds)
            assert_nothing_was_deleted(api, installation, selected_anew=True)
            api.fault = None
            await asyncio.sleep(HEALING_SECONDS)
            assert_nothing_was_deleted(api, installation, selected_anew=True)
            assert_served_as_before(installation)

    virtual_time.run(scenario())


def ports(api: ClusterApi) -> set[int]:
    """Return the ports of the Service of the proxies."""
    return {each["port"] for each in api.of("Service")["shop", "headgate-web"]["spec"]["ports"]}


@settings(max_examples=40)
@given(st.lists(WRITE_FAULTS, min_size=1, max_size=3), st.lists(FAULTS, max_size=1), DURATIONS, st.booleans())
def test_while_writes_fail(writes: list[Fault], reads: list[Fault], seconds: float, at_the_start: bool) -> None:
    """Whatever cannot be written, nothing is deleted; once writes succeed, statuses and proxies have the changes."""
    served()  # in an event loop of its own

    async def scenario() -> None:
        api = restored()
        api.fault = faulty(writes + reads) if at_the_start else None
        async with Installation(api) as installation:
            if not at_the_start:
                await installation.until(
                    lambda: installation.ready() and installation.controller.leader.election.leading
                )
                api.fault = faulty(writes + reads)
            await asyncio.sleep(seconds / 2)
            api.put(route("more", "web", "cart"))
            changed = copy.deepcopy(api.of("Gateway")["shop", "web"])
            changed["spec"]["listeners"].append({"name": "more", "protocol": "HTTP", "port": 8181})
            api.put(changed)
            await asyncio.sleep(seconds / 2)
            assert_nothing_was_deleted(api, installation)
            api.fault = None
            await installation.until(lambda: 8181 in ports(api))
            await installation.until(lambda: "status" in api.of("HTTPRoute")["shop", "more"])
            await installation.until(lambda: len(api.of("Gateway")["shop", "web"]["status"]["listeners"]) == 3)
            await asyncio.sleep(HEALING_SECONDS)
            assert_nothing_was_deleted(api, installation)
            assert installation.ready()

    virtual_time.run(scenario())
