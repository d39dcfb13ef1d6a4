"""The status writer: what it writes, when, and after conflicts. Against a real API server: tests/e2e."""

import asyncio
from typing import Any

import pytest
import structlog

from tests.watchers.status.writing import GATEWAY, OTHER, OURS, World, accepted, parents, route
from translator.refs import Ref
from watchers.informers.observed_status import ObservedStatus
from watchers.status.writer import CONCURRENCY, OTHER_PACE, PACE


@pytest.fixture
async def world() -> World:
    """Return a writer that does not lead yet."""
    return World()


async def test_only_the_leader_writes_and_begins_with_what_differs(world: World) -> None:
    """Who does not lead writes nothing; a new leader compares everything, and writes what differs and no more."""
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


async def test_what_changes_while_it_waits_is_written_once(world: World) -> None:
    """However often a status changes during a write, one more write brings the last."""
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


async def test_a_gateway_is_written_three_times_a_second_at_most(world: World) -> None:
    """Between two writes of a Gateway there is a third of a second; the first one comes at once."""
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


async def test_many_are_written_side_by_side_but_not_all_at_once(world: World) -> None:
    """Of many objects so many are under way at a time as is allowed, and all are written."""
    for number in range(100):
        world.keeper.put(route(str(number)), {})
        world.wanted[route(str(number))] = parents(accepted())
    world.keeper.gate.clear()
    async with world.leading():
        await world.keeper.until(lambda: world.keeper.running == CONCURRENCY)
        world.keeper.gate.set()
        await world.keeper.until(lambda: len(world.keeper.requests) == 100 and not world.keeper.running)
    assert world.keeper.most_running == CONCURRENCY


async def test_a_conflict_is_solved_with_a_fresh_look(world: World) -> None:
    """Where another wrote in between, what it wrote stays, and ours comes beside it."""
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


async def test_what_was_written_counts_until_it_is_observed(world: World) -> None:
    """A change right after a write takes no detour, though the watch has not brought back the write yet."""
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


async def test_a_status_of_another_generation_waits(world: World) -> None:
    """What was made from an older object than the API server's waits for what is made from that."""
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


async def test_a_status_that_stays_behind_is_written_after_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no status comes from the new generation, as for one that cannot be read, what is known is told."""
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
    """What another leader wrote for a newer generation stays until ours is for that one, however long that takes."""
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


async def test_a_conflict_with_a_newer_generation_is_left_to_the_next_status(world: World) -> None:
    """If the fresh look shows another generation, nothing is written for now."""
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


async def test_what_somebody_undoes_is_repaired(world: World) -> None:
    """When what is observed differs from what is wanted, it is written again."""
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
    """An object that is gone is not asked for; one that goes during the write is looked for once."""
    shop, gone = route("shop"), route("gone")
    world.keeper.lag[shop] = ObservedStatus("1", 1, {}, "v1")
    async with world.leading():
        world.want(gone, parents(accepted()))
        world.want(shop, parents(accepted()))
        await world.idle()
    assert world.keeper.requests == [("PATCH", shop), ("GET", shop)]
    assert world.counted.outcomes == ["gone"]


async def test_a_status_is_written_in_the_version_that_is_served(world: World) -> None:
    """An object that was read in an older version of the API is written in that, conflicts included."""
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


async def test_a_definition_without_a_status_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to write to, the message names the definition; once there is, the status is written."""
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


async def test_a_quarrel_slows_down(world: World) -> None:
    """Whoever undoes what we write at once is answered more and more slowly; a new status of ours goes out at once."""
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


async def test_nothing_is_taken_back_while_it_is_not_sure(world: World) -> None:
    """Where it is not known what to tell of an object, as its Gateway cannot be read, it has not left us."""
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


async def test_a_gateway_that_left_is_looked_at_once(world: World) -> None:
    """What we wrote is taken back once; a Gateway that others wrote in is read once and not written at all."""
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
