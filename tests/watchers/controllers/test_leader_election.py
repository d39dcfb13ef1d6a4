"""Leader election: at most one leader, in virtual time. With a real API server: tests/e2e."""

import asyncio
from collections.abc import Callable

import pytest

from tests import virtual_time
from tests.watchers.controllers.replica import Replica
from tests.watchers.status.keeper import Keeper
from translator.refs import Ref
from watchers.controllers.leader_election import RELEASE_SECONDS, Election, LeaseTimings, running
from watchers.kubernetes.errors import ApiError, Unreachable

LEASE = Ref("Lease", "headgate-system", "headgate")
TIMING = LeaseTimings(lease=0.6, deadline=0.3, retry=0.02)


def replica(keeper: Keeper, name: str, clock: Callable[[], float] = running) -> Replica:
    """Return a replica that competes for the lease."""
    return Replica(keeper, LEASE, name, TIMING, clock)


def holder(keeper: Keeper) -> str | None:
    """Return the holder of the stored lease."""
    found: str | None = keeper.objects[LEASE]["spec"]["holderIdentity"]
    return found


async def soon(event: asyncio.Event) -> None:
    """Wait for an event that must occur."""
    async with asyncio.timeout(10):
        await event.wait()


@pytest.fixture
def keeper() -> Keeper:
    """Return an API server without a lease."""
    return Keeper()


@virtual_time.passes
async def test_a_leader_releases_the_lease(keeper: Keeper) -> None:
    """The first replica creates the Lease and leads; when it stops, the second one leads at once."""
    async with replica(keeper, "one").standing() as one:
        await soon(one.leads)
        assert (holder(keeper), one.election.leading, one.election.leader) == ("one", True, "one")
        async with replica(keeper, "two").standing() as two:
            await keeper.until(lambda: keeper.requests.count(("PUT", LEASE)) >= 3)
            assert (two.terms, two.election.leading) == (0, False)
            await one.stop()
            assert holder(keeper) is None
            assert (one.election.leading, one.changes) == (False, [True, False])
            await soon(two.leads)
            spec = keeper.objects[LEASE]["spec"]
            assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("two", 2)


@virtual_time.passes
async def test_the_lease_of_a_dead_leader_expires(keeper: Keeper) -> None:
    """A lease without a renewal for its duration is acquired by another replica, whatever its times say."""
    far = "2099-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 1, "renewTime": far, "leaseTransitions": 4}
    keeper.objects[LEASE] = {
        "metadata": {"name": LEASE.name, "resourceVersion": "1", "labels": {"a": "b"}},
        "spec": spec,
    }
    now = 0.0
    async with replica(keeper, "next", clock=lambda: now).standing() as other:
        await keeper.until(lambda: keeper.requests.count(("GET", LEASE)) >= 3)
        assert other.terms == 0
        now = 0.9
        await keeper.until(lambda: keeper.requests.count(("GET", LEASE)) >= 6)
        assert other.terms == 0
        now = 1.1
        await soon(other.leads)
    found = keeper.objects[LEASE]
    assert found["metadata"]["labels"] == {"a": "b"}
    assert found["spec"]["leaseTransitions"] == 5


@virtual_time.passes
async def test_a_leader_without_an_api_server_steps_down_in_time(keeper: Keeper) -> None:
    """A leader steps down if the API server does not respond until the deadline; after the outage, one leads."""
    loop = asyncio.get_running_loop()
    async with replica(keeper, "one").standing() as one:
        await soon(one.leads)
        keeper.gate.clear()
        begun = loop.time()
        await soon(one.idle)
        assert loop.time() - begun < TIMING.lease
        assert not one.election.leading
        keeper.gate.set()
        await soon(one.leads)
        assert one.terms == 2


@virtual_time.passes
async def test_short_outages_do_not_end_a_term(keeper: Keeper) -> None:
    """Errors and lost responses within the deadline do not end a term."""
    async with replica(keeper, "one").standing() as one:
        await soon(one.leads)
        keeper.failures += [Unreachable("https://x", "refused"), ApiError("PUT", 500), ApiError("PUT", 429)]
        seen = len(keeper.requests)
        await keeper.until(lambda: len(keeper.requests) > seen + 6)
        assert (one.terms, one.election.leading) == (1, True)


@virtual_time.passes
async def test_a_conflict_with_the_same_holder_is_no_loss(keeper: Keeper) -> None:
    """A client that labels the Lease causes a conflict, and the term goes on."""
    async with replica(keeper, "one").standing() as one:
        await soon(one.leads)
        found = keeper.objects[LEASE]
        keeper.objects[LEASE] = {**found, "metadata": {**found["metadata"], "resourceVersion": "7"}}
        seen = len(keeper.requests)
        await keeper.until(lambda: len(keeper.requests) > seen + 6)
        assert (one.terms, one.election.leading) == (1, True)


@virtual_time.passes
async def test_a_leader_that_reads_another_holder_steps_down_at_once(keeper: Keeper) -> None:
    """A leader that reads another holder steps down at once, before the deadline."""
    async with replica(keeper, "one").standing() as one:
        await soon(one.leads)
        found = keeper.objects[LEASE]
        keeper.objects[LEASE] = {
            "metadata": {**found["metadata"], "resourceVersion": "7"},
            "spec": {**found["spec"], "holderIdentity": "thief", "leaseDurationSeconds": 3600},
        }
        await soon(one.idle)
        assert (one.election.leading, one.election.leader) == (False, "thief")
    assert holder(keeper) == "thief"


@virtual_time.passes
async def test_a_deleted_lease_is_created_again(keeper: Keeper) -> None:
    """A deleted Lease causes an election."""
    async with replica(keeper, "one").standing() as one:
        await soon(one.leads)
        del keeper.objects[LEASE]
        await soon(one.idle)
        await soon(one.leads)
        assert holder(keeper) == "one"


@virtual_time.passes
async def test_a_suspension_ends_a_term(keeper: Keeper) -> None:
    """After a suspension of the machine or the process, a replica does not lead, even before its next step."""
    now = 0.0
    async with replica(keeper, "one", clock=lambda: now).standing() as one:
        await soon(one.leads)
        now = 3600.0
        assert not one.election.leading
        await soon(one.idle)
        await soon(one.leads)
        assert one.election.leading


@virtual_time.passes
async def test_a_failed_leader_releases_the_lease(keeper: Keeper) -> None:
    """An exception of the leader is raised, and the lease is released; a leader that returns ends the run."""
    one = Election(keeper, LEASE.namespace, LEASE.name, "one", timings=TIMING)

    async def fail() -> None:
        raise ValueError("no")

    async def end() -> None:
        return

    with pytest.raises(ValueError, match="no"):
        await one.run(fail)
    assert holder(keeper) is None
    await one.run(end)
    assert (holder(keeper), one.leading) == (None, False)


@virtual_time.passes
async def test_a_term_counts_from_the_request(keeper: Keeper) -> None:
    """A term counts from the request: others count from the write, however late the response is."""
    now = 0.0
    timing = LeaseTimings(lease=30, deadline=20, retry=5)
    async with Replica(keeper, LEASE, "one", timing, lambda: now).standing() as one:
        keeper.gate.clear()
        await keeper.until(lambda: keeper.requests)
        keeper.gate.set()
        keeper.gate.clear()
        await keeper.until(lambda: len(keeper.requests) == 2)
        now = 15.0
        keeper.gate.set()
        await soon(one.leads)
        assert one.election.leading
        now = 20.0
        assert not one.election.leading


@virtual_time.passes
async def test_two_replicas_never_lead_at_once(keeper: Keeper) -> None:
    """Of three replicas with random failures of requests, no two ever lead at the same time."""
    leading: set[str] = set()
    most = 0

    def watch(name: str) -> Callable[[bool], None]:
        def changed(leads: bool) -> None:
            nonlocal most
            (leading.add if leads else leading.discard)(name)
            most = max(most, len(leading))

        return changed

    replicas = [replica(keeper, name) for name in "abc"]
    for each, name in zip(replicas, "abc", strict=True):
        each.election._changed = watch(name)
    async with replicas[0].standing(), replicas[1].standing(), replicas[2].standing():
        for number in range(30):
            keeper.failures += [Unreachable("https://x", "cut")] * (number % 7)
            if number == 15:
                keeper.gate.clear()
                await asyncio.wait_for(asyncio.gather(*(soon(each.idle) for each in replicas)), 10)
                keeper.gate.set()
            seen = len(keeper.requests)
            await keeper.until(lambda seen=seen: len(keeper.requests) > seen + 3)
    assert most == 1


@virtual_time.passes
async def test_a_lease_that_cannot_be_released_expires(keeper: Keeper) -> None:
    """A replica that stops waits for the release with a timeout."""
    async with Replica(keeper, LEASE, "one", LeaseTimings()).standing() as one:
        await soon(one.leads)
        keeper.gate.clear()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await one.stop()
        assert loop.time() - begun == pytest.approx(RELEASE_SECONDS)
        assert (holder(keeper), one.election.leading) == ("one", False)
