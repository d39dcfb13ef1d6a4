"""The status writer: differences, pauses, and conflicts. With a real API server: tests/e2e."""

import asyncio
from typing import Any

import pytest
import structlog

from tests import virtual_time
from tests.watchers.status.writing import GATEWAY, OTHER, OURS, World, accepted, parents, route
from translator.refs import Ref
from watchers.informers.observed_status import ObservedStatus
from watchers.kubernetes.errors import ApiError
from watchers.status import writer
from watchers.status.memory import COUNT_PACE, OTHER_PACE, PACE
from watchers.status.merge import merge
from watchers.status.writer import CONCURRENCY, DELAY


@pytest.fixture
async def world() -> World:
    """Return a writer that does not run yet."""
    return World()


async def test_only_the_leader_writes_differences(world: World) -> None:
    """A replica that does not lead writes nothing; a new leader compares all statuses, and writes the differences."""
    same, differs, left = route("same"), route("differs"), route("left")
    done = parents({**accepted(), "lastTransitionTime": "2026-01-01T00:00:00Z"})
    world.keeper.put(same, done)
    world.keeper.put(differs, {})
    world.keeper.put(left, {"parents": [*parents(controller=OTHER)["parents"], *parents()["parents"]]})
    world.keeper.put(route("foreign"), parents(controller=OTHER))
    world.want(same, parents(accepted()))
    world.want(differs, parents(accepted()))
    assert (world.keeper.requests, world.writer.depth) == ([], 0)
    async with world.leading():
        await world.idle()
    assert sorted(world.keeper.requests) == [("PATCH", differs), ("PATCH", left)]
    assert world.keeper.status(left) == parents(controller=OTHER)
    assert world.counted.outcomes == ["written", "written"]
    world.want(same, parents(accepted("False")))
    assert len(world.keeper.requests) == 2


async def test_several_changes_are_written_once(world: World) -> None:
    """After any number of changes during a write, one more write has the last status."""
    shop = route("shop")
    world.keeper.put(shop, {})
    async with world.leading():
        world.keeper.gate.clear()
        world.want(shop, parents(accepted(message="0")))
        await world.keeper.until(lambda: world.keeper.wrote(shop) == 1)
        for number in range(1, 50):
            world.want(shop, parents(accepted(message=str(number))))
        world.keeper.gate.set()
        await world.keeper.until(lambda: world.keeper.wrote(shop) == 2 and not world.keeper.running)
        assert world.keeper.status(shop)["parents"][0]["conditions"][0]["message"] == "49"
        await world.idle()
        assert world.keeper.wrote(shop) == 2


@virtual_time.passes
async def test_a_status_is_written_after_a_delay() -> None:
    """A status is written once, a moment after its first change: pushes come before, and later changes join it."""
    world, shop = World(DELAY), route("shop")
    world.keeper.put(shop, {})
    async with world.leading():
        begun = asyncio.get_running_loop().time()
        world.want(shop, parents(accepted(message="1")))
        await asyncio.sleep(DELAY / 2)
        assert not world.keeper.requests
        world.want(shop, parents(accepted(message="2")))
        await world.keeper.until(lambda: world.keeper.wrote(shop) == 1 and not world.keeper.running)
        assert asyncio.get_running_loop().time() - begun == pytest.approx(DELAY)
        await asyncio.sleep(10)
    assert world.keeper.requests == [("PATCH", shop)]
    assert world.keeper.status(shop)["parents"][0]["conditions"][0]["message"] == "2"


async def test_an_own_write_is_not_compared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event of an own write is recognised by its version: the statuses are compared before the write only."""
    shop, compared = route("shop"), 0
    world.keeper.put(shop, {})

    def counted(*args: Any) -> dict[str, Any]:
        nonlocal compared
        compared += 1
        return merge(*args)

    monkeypatch.setattr(writer, "merge", counted)
    async with world.leading():
        world.want(shop, parents(accepted()))
        await world.idle()
        assert compared == 1
        world.writer.enqueue_observed([shop])
        assert world.writer.depth == 0
        world.writer.enqueue([shop])
        await world.idle()
        assert (compared, world.keeper.requests) == (1, [("PATCH", shop)])
        world.keeper.put(shop, {})
        world.writer.enqueue_observed([shop])
        await world.keeper.until(lambda: world.keeper.wrote(shop) == 2)
    assert compared > 1


async def test_a_gateway_is_written_three_times_a_second_at_most(world: World) -> None:
    """Two writes of a Gateway are a third of a second apart; the first one is immediate."""
    loop = asyncio.get_running_loop()
    world.keeper.put(GATEWAY, {})
    async with world.leading():
        begun = loop.time()
        world.want(GATEWAY, {"conditions": [accepted(message="1")]})
        await world.keeper.until(lambda: world.keeper.wrote(GATEWAY) == 1)
        assert loop.time() - begun < PACE["Gateway"] / 2
        await world.idle()
        for number in range(2, 30):
            world.want(GATEWAY, {"conditions": [accepted(message=str(number))]})
        await world.keeper.until(lambda: world.keeper.wrote(GATEWAY) == 2 and not world.keeper.running)
        assert loop.time() - begun >= PACE["Gateway"] * 0.95
        assert world.keeper.status(GATEWAY)["conditions"][0]["message"] == "29"


@virtual_time.passes
async def test_numbers_of_attached_routes_are_written_at_a_slower_pace() -> None:
    """Of many new routes, the first one is counted at once, and the others together; a condition does not wait."""
    world, now = World(), asyncio.get_running_loop().time

    def listening(routes: int, message: str = "m") -> dict[str, Any]:
        listener = {"name": "http", "attachedRoutes": routes, "conditions": [accepted(message=message)]}
        return {"conditions": [accepted()], "listeners": [listener]}

    world.keeper.put(GATEWAY, {})
    async with world.leading():
        world.want(GATEWAY, listening(0))
        await world.idle()
        await asyncio.sleep(10)
        begun = now()
        for routes in range(1, 9):
            world.want(GATEWAY, listening(routes))
            await asyncio.sleep(COUNT_PACE / 10)
            assert world.keeper.status(GATEWAY)["listeners"][0]["attachedRoutes"] == 1
        await world.keeper.until(lambda: world.keeper.wrote(GATEWAY) == 3 and not world.keeper.running)
        assert now() - begun == pytest.approx(COUNT_PACE)
        assert world.keeper.status(GATEWAY)["listeners"][0]["attachedRoutes"] == 8
        world.want(GATEWAY, listening(9))
        await world.turns()
        world.want(GATEWAY, listening(9, "other"))
        await world.keeper.until(lambda: world.keeper.wrote(GATEWAY) == 4 and not world.keeper.running)
        assert now() - begun == pytest.approx(COUNT_PACE + PACE["Gateway"])
        assert world.keeper.status(GATEWAY)["listeners"][0]["attachedRoutes"] == 9


async def test_a_status_is_withdrawn_though_the_object_has_not_changed(world: World) -> None:
    """A Gateway whose class is another controller's now loses the status that was written to the same version of it."""
    world.keeper.put(GATEWAY, {})
    async with world.leading():
        world.want(GATEWAY, {"conditions": [accepted()]})
        await world.idle()
        types: dict[str, Any] = {'k:{"type":"Accepted"}': {"f:status": {}}}
        written = {"manager": OURS, "fieldsV1": {"f:status": {"f:conditions": types}}}
        world.keeper.objects[GATEWAY]["metadata"]["managedFields"] = [written]
        world.want(GATEWAY, None)
        await world.keeper.until(lambda: world.keeper.wrote(GATEWAY) == 2 and not world.keeper.running)
    assert world.keeper.status(GATEWAY)["conditions"][0]["status"] == "Unknown"


async def test_concurrent_writes_are_bounded(world: World) -> None:
    """Writes are concurrent up to the limit, and all objects are written."""
    for number in range(100):
        world.keeper.put(route(str(number)), {})
        world.wanted[route(str(number))] = parents(accepted())
    world.keeper.gate.clear()
    async with world.leading():
        await world.keeper.until(lambda: world.keeper.running == CONCURRENCY)
        world.keeper.gate.set()
        await world.keeper.until(lambda: len(world.keeper.requests) == 100 and not world.keeper.running)
    assert world.keeper.most_running == CONCURRENCY


async def test_after_a_conflict_the_object_is_read_again(world: World) -> None:
    """After a conflict the object is read again: the other client's change stays, and ours is added."""
    shop = route("shop")
    world.keeper.put(shop, {})
    world.keeper.lag[shop] = world.keeper.observed_status(shop) or ObservedStatus("", None, {}, "v1")
    world.keeper.put(shop, parents(controller=OTHER))
    async with world.leading():
        world.want(shop, parents(accepted()))
        await world.idle()
    assert [each for each, _ in world.keeper.requests] == ["PATCH", "GET", "PATCH"]
    assert [each["controllerName"] for each in world.keeper.status(shop)["parents"]] == [OTHER, OURS]
    assert world.counted.outcomes == ["conflict", "written"]


async def test_a_write_counts_before_it_is_observed(world: World) -> None:
    """A change right after a write causes no conflict, although the write is not observed yet."""
    shop = route("shop")
    world.keeper.put(shop, {})
    world.keeper.lag[shop] = world.keeper.observed_status(shop) or ObservedStatus("", None, {}, "v1")
    async with world.leading():
        world.want(shop, parents(accepted("False")))
        await world.idle()
        world.writer.enqueue([shop])
        await world.idle()
        world.want(shop, parents(accepted("True")))
        await world.keeper.until(lambda: world.keeper.wrote(shop) == 2)
        await world.idle()
    assert [each for each, _ in world.keeper.requests] == ["PATCH", "PATCH"]


async def test_a_status_of_an_older_generation_waits(world: World) -> None:
    """A status of an older generation waits for one of the current generation."""
    shop = route("shop")
    world.keeper.put(shop, {}, generation=2)
    async with world.leading():
        world.want(shop, parents(accepted(generation=1)))
        await world.turns()
        assert world.keeper.requests == []
        world.want(shop, parents(accepted(generation=2)))
        await world.keeper.until(lambda: world.keeper.wrote(shop) and not world.keeper.running)
        assert world.keeper.status(shop)["parents"][0]["conditions"][0]["observedGeneration"] == 2
        await world.turns()
        assert world.keeper.wrote(shop) == 1


async def test_a_status_that_stays_stale_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no status of the current generation is computed, as for an invalid object, the older one is written."""
    monkeypatch.setattr("watchers.status.writer.STALE_GRACE", 0.05)
    shop, again = route("shop"), route("again")
    world.keeper.put(shop, {}, generation=2)
    world.keeper.put(again, {}, generation=1)
    async with world.leading():
        world.want(shop, parents(accepted("False", generation=1)))
        world.want(again, parents(accepted(generation=7)))
        await world.keeper.until(lambda: world.keeper.wrote(shop) and not world.keeper.running)
        await world.turns()
    assert world.keeper.requests == [("PATCH", shop)]


async def test_a_status_of_a_newer_generation_is_not_overwritten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status that another leader wrote for a newer generation stays until ours is of that generation."""
    monkeypatch.setattr("watchers.status.writer.STALE_GRACE", 0.0)
    shop = route("shop")
    newer = parents({**accepted(generation=2), "lastTransitionTime": "2026-01-01T00:00:00Z"})
    world.keeper.put(shop, newer, generation=2)
    async with world.leading():
        world.want(shop, parents(accepted("False", generation=1)))
        await world.idle()
        assert world.keeper.requests == []
        world.want(shop, parents(accepted("False", generation=2)))
        await world.idle()
    assert world.keeper.status(shop)["parents"][0]["conditions"][0]["status"] == "False"


async def test_a_conflict_with_a_newer_generation_waits_for_its_status(world: World) -> None:
    """If the object has a new generation after a conflict, the write waits for its status."""
    shop = route("shop")
    world.keeper.put(shop, {})
    world.keeper.lag[shop] = world.keeper.observed_status(shop) or ObservedStatus("", None, {}, "v1")
    world.keeper.put(shop, {}, generation=2)
    async with world.leading():
        world.want(shop, parents(accepted(generation=1)))
        await world.keeper.until(lambda: len(world.keeper.requests) == 2 and not world.keeper.running)
        await world.turns()
    assert [each for each, _ in world.keeper.requests] == ["PATCH", "GET"]
    assert world.keeper.status(shop) == {}


async def test_an_overwritten_status_is_written_again(world: World) -> None:
    """An observed status that differs from the wanted one is written again."""
    shop = route("shop")
    world.keeper.put(shop, {})
    async with world.leading():
        world.want(shop, parents(accepted()))
        await world.idle()
        world.keeper.put(shop, {"parents": []})
        world.writer.enqueue([shop])
        await world.keeper.until(lambda: world.keeper.wrote(shop) == 2 and not world.keeper.running)
        assert len(world.keeper.status(shop)["parents"]) == 1


async def test_what_is_gone_is_forgotten(world: World) -> None:
    """A deleted object is not requested; one that is deleted during the write is read once."""
    shop, gone = route("shop"), route("gone")
    world.keeper.lag[shop] = ObservedStatus("1", 1, {}, "v1")
    async with world.leading():
        world.want(gone, parents(accepted()))
        world.want(shop, parents(accepted()))
        await world.idle()
    assert world.keeper.requests == [("PATCH", shop), ("GET", shop)]
    assert world.counted.outcomes == ["gone"]


async def test_a_status_is_written_in_the_version_that_was_read(world: World) -> None:
    """An object that was read in an older API version is written in that version, also after conflicts."""
    shop = route("shop")
    world.keeper.served = "v1beta1"
    world.keeper.put(shop, {})
    world.keeper.lag[shop] = (world.keeper.observed_status(shop) or ObservedStatus("", None, {}, ""))._replace(
        resource_version="1"
    )
    async with world.leading():
        world.want(shop, parents(accepted()))
        await world.idle()
    assert [each for each, _ in world.keeper.requests] == ["PATCH", "GET", "PATCH"]
    assert world.keeper.status(shop)["parents"]


async def test_a_definition_without_a_status_is_logged_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a definition without a status subresource is logged once; with one, the status is written."""
    monkeypatch.setattr("watchers.controllers.reconciler.KIND_BACKOFF", 0.05)
    world.keeper.put(route("a"), {})
    world.keeper.without_status = 3
    with structlog.testing.capture_logs() as logs:
        async with world.leading():
            world.want(route("a"), parents(accepted()))
            await world.keeper.until(lambda: world.keeper.wrote(route("a")) == 4 and not world.keeper.running)
    assert [each["event"].partition(":")[0] for each in logs] == [
        "httproutes.gateway.networking.k8s.io has no status subresource in the version that it was read in"
    ]
    assert world.keeper.status(route("a"))["parents"]


async def test_an_object_of_a_deleted_namespace_holds_no_other(world: World) -> None:
    """A missing namespace concerns its objects only: nothing is logged, and their kind is not paused."""
    world.keeper.put(route("a"), {})
    world.keeper.put(route("b"), {})
    world.keeper.failures.append(ApiError("PATCH", 404, "NotFound", 'namespaces "web" not found'))
    with structlog.testing.capture_logs() as logs:
        async with world.leading():
            world.want(route("a"), parents(accepted()))
            await world.idle()
            world.want(route("b"), parents(accepted()))
            await world.idle()
    assert not logs
    assert [each for each, _ in world.keeper.requests] == ["PATCH", "PATCH"]
    assert world.keeper.status(route("b"))["parents"]


async def test_overwritten_statuses_are_written_at_growing_pauses(world: World) -> None:
    """A status that another client overwrites is written at growing pauses; a new status is written at once."""
    loop, shop = asyncio.get_running_loop(), route("shop")
    world.keeper.put(shop, {})
    async with world.leading():
        world.want(shop, parents(accepted()))
        begun = loop.time()
        for count in range(1, 5):
            await world.keeper.until(lambda count=count: world.keeper.wrote(shop) == count and not world.keeper.running)
            world.keeper.put(shop, {})
            world.writer.enqueue([shop])
        assert loop.time() - begun >= 0.95 * OTHER_PACE * (1 + 2 + 4)
        world.want(shop, parents(accepted(message="new")))
        await world.keeper.until(lambda: world.keeper.wrote(shop) == 5 and not world.keeper.running)
        assert world.keeper.status(shop)["parents"][0]["conditions"][0]["message"] == "new"
        await world.idle()
    assert world.keeper.wrote(shop) == 5


async def test_nothing_is_withdrawn_while_it_is_uncertain(world: World) -> None:
    """While it is not known whether an object has a status, nothing is withdrawn."""
    shop = route("shop")
    world.keeper.put(shop, parents(accepted()))
    world.silent = False
    async with world.leading():
        await world.turns()
        assert world.writer.depth == 1
    assert world.keeper.requests == []
    world.silent = True
    async with world.leading():
        await world.idle()
    assert world.keeper.status(shop) == {"parents": []}


async def test_a_status_is_withdrawn_once(world: World) -> None:
    """A status is withdrawn once; a Gateway with another controller's status is read once, and not written."""
    leaves: dict[str, Any] = {'k:{"type":"Accepted"}': {"f:status": {}}}
    ours = {"manager": OURS, "fieldsV1": {"f:status": {"f:conditions": leaves}}}
    taken = Ref("Gateway", "default", "taken")
    status = {"conditions": [{**accepted(), "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    world.keeper.put(GATEWAY, status, managedFields=[ours])
    world.keeper.put(taken, status, managedFields=[ours, {**ours, "manager": OTHER}])
    world.keeper.put(Ref("Gateway", "default", "foreign"), status)
    async with world.leading():
        await world.idle()
        world.writer.enqueue([GATEWAY, taken])
        await world.idle()
    assert sorted(world.keeper.requests) == [("GET", taken), ("GET", GATEWAY), ("PATCH", GATEWAY)]
    assert world.keeper.status(GATEWAY)["conditions"][0]["status"] == "Unknown"
    assert world.keeper.status(taken) == status
