"""The status writer during outages, refusals and missing permissions, of an object, a kind or all."""

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
    """Return a writer that does not lead yet."""
    return World()


async def test_an_api_server_that_is_away_is_waited_for(world: World) -> None:
    """After an outage, or where it asks for patience, everything is written all the same."""
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


async def test_after_an_outage_the_next_is_waited_for_as_shortly(world: World) -> None:
    """The pauses grow while the API server is away, and begin anew with the next outage."""
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


async def test_a_missing_permission_is_told_once_and_concerns_its_kind_only(world: World) -> None:
    """The message names verb and resource; other kinds go on."""
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


async def test_a_refusal_concerns_its_object_only(world: World) -> None:
    """What admission denies is told once with its words and tried again later; other objects go on."""
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


async def test_a_server_that_drops_a_field_is_not_written_to_for_ever(world: World) -> None:
    """Where an older API drops a field of ours, the status counts as written."""

    class Older(Keeper):
        def _keep(self, ref: Ref, value: dict[str, Any]) -> dict[str, Any]:
            return super()._keep(ref, {**value, "status": {k: v for k, v in value["status"].items() if k != "novel"}})

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
    """A write that is due when leading is over already is not made."""
    world.keeper.put(route("a"), {})
    world.may_write = False
    async with world.leading():
        world.want(route("a"), parents(accepted()))
        await world.idle()
    assert world.keeper.requests == []


async def test_a_bug_concerns_its_object_only(world: World) -> None:
    """What cannot be merged for a bug's sake is told, and the rest is written."""
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
    """Meets each patch with the same error.

    Attributes:
        times: when patches came.
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
    """Let a status be written for so long."""
    keeper.put(route("a"), {})
    wanted = {route("a"): parents(accepted())}
    term = asyncio.create_task(StatusWriter(Punctual(keeper), wanted, keeper, OURS).run())
    await asyncio.sleep(seconds)
    term.cancel()
    await asyncio.wait({term})


def test_an_object_that_changes_without_end_is_written_later() -> None:
    """After so many conflicts in a row there is a pause, so that who changes an object all the time costs little."""

    async def scenario() -> None:
        keeper = Meeting(409)
        await troubled(keeper, 0.4)
        assert len(keeper.times) == CONFLICTS
        keeper = Meeting(409)
        await troubled(keeper, 600)
        assert CONFLICTS < len(keeper.times) < 20 * CONFLICTS

    virtual_time.run(scenario())


def test_a_status_that_is_refused_for_hours_is_tried_now_and_then() -> None:
    """The pauses grow to a bound."""

    async def scenario() -> None:
        keeper = Meeting(422)
        await troubled(keeper, 36_000)
        late = [after - before for before, after in pairwise(keeper.times)][-50:]
        assert len(late) == 50
        assert LONGEST_RETRY / 2 <= min(late) <= max(late) <= LONGEST_RETRY

    virtual_time.run(scenario())


@pytest.mark.parametrize(("seconds", "requests"), [(SECONDS - 0.1, 1), (SECONDS + 1, 2)])
def test_a_request_for_a_status_that_hangs_is_made_again(seconds: float, requests: int) -> None:
    """A webhook that does not answer ends the request after its time, and the next one follows."""

    async def scenario() -> None:
        keeper = Keeper()
        keeper.gate.clear()
        await troubled(keeper, seconds)
        assert keeper.wrote(route("a")) == requests

    virtual_time.run(scenario())
