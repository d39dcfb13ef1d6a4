"""The status writer during outages, rejections and missing permissions, of an object, a kind or all."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
import structlog

from tests import virtual_time
from tests.watchers.punctual import Punctual
from tests.watchers.status.keeper import Keeper
from tests.watchers.status.writing import GATEWAY, OURS, World, accepted, parents, route
from translator.refs import Ref
from watchers.controllers.reconciler import LONGEST_RETRY
from watchers.kubernetes.errors import ApiError, Unreachable
from watchers.status.client import SECONDS
from watchers.status.writer import CONFLICTS, StatusWriter


@pytest.fixture
async def world() -> World:
    """Return a writer that does not run yet."""
    return World()


async def test_statuses_are_written_after_an_outage(world: World) -> None:
    """After an outage, or after Retry-After, everything is written."""
    for number in range(40):
        world.keeper.put(route(str(number)), {})
        world.wanted[route(str(number))] = parents(accepted())
    busy = ApiError("PATCH", 429, "TooManyRequests", "slow down", 0)
    world.keeper.failures += [Unreachable("https://x", "refused"), busy, busy]
    async with world.leading():
        await world.keeper.until(
            lambda: all(world.keeper.status(route(str(n))) for n in range(40)) and not world.keeper.running
        )
    assert world.counted.outcomes.count("written") == 40


async def test_pauses_start_again_with_the_next_outage(world: World) -> None:
    """The pauses grow during an outage, and start again with the next one."""
    world.keeper.put(route("a"), {})
    world.keeper.failures += [Unreachable("https://x", "refused")] * 2
    with structlog.testing.capture_logs() as logs:
        async with world.leading():
            world.want(route("a"), parents(accepted()))
            await world.keeper.until(lambda: world.counted.outcomes.count("written") == 1)
            world.keeper.failures += [Unreachable("https://x", "refused")]
            world.want(route("a"), parents(accepted(message="another")))
            await world.keeper.until(lambda: world.counted.outcomes.count("written") == 2)
    pauses = [each["seconds"] for each in logs]
    assert len(pauses) == 3
    assert pauses[2] <= 0.25


async def test_a_missing_permission_blocks_its_kind_only(world: World) -> None:
    """The error of a missing permission names verb and resource, once; other kinds are written."""
    text = 'httproutes "a" is forbidden: User "u" cannot patch resource "httproutes/status" in API group "g"'
    world.keeper.failures += [ApiError("PATCH", 403, "Forbidden", text)]
    for name in "abc":
        world.keeper.put(route(name), {})
    world.keeper.put(GATEWAY, {})
    with structlog.testing.capture_logs() as logs:
        async with world.leading():
            world.want(route("a"), parents(accepted()))
            await world.keeper.until(lambda: world.keeper.requests and not world.keeper.running)
            for name in "bc":
                world.want(route(name), parents(accepted()))
            world.want(GATEWAY, {"conditions": [accepted()]})
            await world.keeper.until(lambda: world.keeper.wrote(GATEWAY) and not world.keeper.running)
            assert world.writer.depth == 3
    assert world.keeper.requests == [("PATCH", route("a")), ("PATCH", GATEWAY)]
    assert [each["event"] for each in logs] == [
        "may not patch httproutes/status in the API group gateway.networking.k8s.io: grant the verbs get and patch on "
        "it, as the ClusterRole in deploy/ does; until then no HTTPRoute gets a status"
    ]


async def test_a_rejection_affects_its_object_only(world: World) -> None:
    """A write that admission denies is logged once with its message, and retried; other objects are written."""
    world.keeper.failures += [ApiError("PATCH x", 422, "Invalid", "a policy denied request: no")]
    world.keeper.put(route("a"), {})
    world.keeper.put(route("b"), {})
    with structlog.testing.capture_logs() as logs:
        async with world.leading():
            world.want(route("a"), parents(accepted()))
            await world.keeper.until(lambda: world.keeper.requests and not world.keeper.running)
            world.want(route("b"), parents(accepted()))
            await world.keeper.until(lambda: world.keeper.wrote(route("b")) and not world.keeper.running)
            await world.keeper.until(lambda: world.keeper.wrote(route("a")) == 2 and not world.keeper.running)
    assert [each["event"] for each in logs] == [
        "The API server rejects the status of HTTPRoute default/a: PATCH x: a policy denied request: no (422)"
    ]
    assert world.keeper.status(route("a"))["parents"]


async def test_a_dropped_field_is_not_written_again(world: World) -> None:
    """If an older API version drops a field of a status, the status counts as written."""

    class Older(Keeper):
        def _store(self, ref: Ref, value: dict[str, Any]) -> dict[str, Any]:
            return super()._store(ref, {**value, "status": {k: v for k, v in value["status"].items() if k != "novel"}})

    world.keeper = Older()
    world.writer = StatusWriter(world.keeper, world.wanted, world.keeper, OURS)
    world.keeper.put(GATEWAY, {})
    async with world.leading():
        world.want(GATEWAY, {"conditions": [accepted()], "novel": 1})
        await world.idle()
        world.writer.enqueue([GATEWAY])
        await world.idle()
    assert world.keeper.requests == [("PATCH", GATEWAY)]


async def test_nothing_is_written_once_the_lease_is_lost(world: World) -> None:
    """A write that is due after the lease was lost is not sent."""
    world.keeper.put(route("a"), {})
    world.may_write = False
    async with world.leading():
        world.want(route("a"), parents(accepted()))
        await world.idle()
    assert world.keeper.requests == []


async def test_a_bug_affects_its_object_only(world: World) -> None:
    """A status that cannot be merged because of a bug is logged, and the others are written."""
    world.keeper.put(route("a"), {"parents": None})
    world.keeper.put(route("b"), {})
    with structlog.testing.capture_logs() as logs:
        async with world.leading():
            world.want(route("a"), {"parents": [{}]})
            world.want(route("b"), parents(accepted()))
            await world.keeper.until(lambda: world.keeper.wrote(route("b")) and not world.keeper.running)
    assert [each["log_level"] for each in logs] == ["error"]
    assert world.keeper.status(route("b"))["parents"]


class Meeting(Keeper):
    """An API server that fails each patch with the same error.

    Attributes:
        times: the times of patches.
    """

    def __init__(self, status: int) -> None:
        super().__init__()
        self.times: list[float] = []
        self._status = status

    def _answer(self, method: str, path: str, ref: Ref, body: Any) -> Any:
        if method != "PATCH":
            return super()._answer(method, path, ref, body)
        self.times.append(asyncio.get_running_loop().time())
        raise ApiError(method, self._status)


async def troubled(keeper: Keeper, seconds: float) -> None:
    """Run a writer of one status for some seconds."""
    keeper.put(route("a"), {})
    wanted = {route("a"): parents(accepted())}
    term = asyncio.create_task(StatusWriter(Punctual(keeper), wanted, keeper, OURS).run())
    await asyncio.sleep(seconds)
    term.cancel()
    await asyncio.wait({term})


def test_an_object_that_changes_continuously_is_written_after_a_pause() -> None:
    """After a number of conflicts there is a pause, so that an object that changes continuously costs little."""

    async def scenario() -> None:
        keeper = Meeting(409)
        await troubled(keeper, 0.4)
        assert len(keeper.times) == CONFLICTS
        keeper = Meeting(409)
        await troubled(keeper, 600)
        assert CONFLICTS < len(keeper.times) < 20 * CONFLICTS

    virtual_time.run(scenario())


def test_pauses_of_a_rejected_status_are_bounded() -> None:
    """The pauses of a rejected status grow to a limit."""

    async def scenario() -> None:
        keeper = Meeting(422)
        await troubled(keeper, 36_000)
        late = [after - before for before, after in pairwise(keeper.times)][-50:]
        assert len(late) == 50
        assert LONGEST_RETRY / 2 <= min(late) <= max(late) <= LONGEST_RETRY

    virtual_time.run(scenario())


@pytest.mark.parametrize(("seconds", "requests"), [(SECONDS - 0.1, 1), (SECONDS + 1, 2)])
def test_a_hanging_request_for_a_status_is_repeated(seconds: float, requests: int) -> None:
    """A request that a webhook does not answer times out, and is repeated."""

    async def scenario() -> None:
        keeper = Keeper()
        keeper.gate.clear()
        await troubled(keeper, seconds)
        assert keeper.wrote(route("a")) == requests

    virtual_time.run(scenario())
