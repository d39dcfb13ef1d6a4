"""The reconciler: backoff, outages, blocked kinds and panics; in virtual time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise, repeat

import pytest

from tests import virtual_time
from translator.refs import Ref
from watchers.controllers.reconciler import (
    FIRST_RETRY,
    KIND_BACKOFF,
    LONGEST_OUTAGE,
    LONGEST_RETRY,
    Blocked,
    NotLeader,
    Reconciler,
    Rejected,
    Result,
)
from watchers.controllers.worker_pool import PANIC_SECONDS
from watchers.kubernetes.errors import ApiError, Unreachable

ROUTE, OTHER, GATEWAY = Ref("HTTPRoute", "shop", "cart"), Ref("HTTPRoute", "shop", "pay"), Ref("Gateway", "shop", "web")
AWAY = Unreachable("https://cluster.test", "refused")
UNCHANGED = Result(succeeded=False)


def now() -> float:
    """Return the virtual time in seconds."""
    return asyncio.get_running_loop().time()


class Controller:
    """A controller whose reconciliations have the results of the test.

    Attributes:
        answers: the results of the next reconciliations of an object; later ones succeed.
        times: the times of the requests for an object.
        reported: the calls of the handlers: an outage with its pause, a blocked kind, or a panic.
    """

    def __init__(self, *, pauses_all: bool = False) -> None:
        self.answers: defaultdict[Ref, Iterator[Result | Exception]] = defaultdict(lambda: iter(()))
        self.times: defaultdict[Ref, list[float]] = defaultdict(list)
        self.reported: list[tuple[str, object]] = []
        self.reconciler = Reconciler(
            2,
            self._reconcile,
            lambda _, error, seconds: self.reported.append((str(error), seconds)),
            lambda ref: self.reported.append(("panic", ref)),
            on_blocked=lambda blocked: self.reported.append(("blocked", blocked.message)),
            pauses_all=pauses_all,
        )

    async def _reconcile(self, ref: Ref) -> Result:
        wait = self.reconciler.paused_until(ref) - now()
        if wait > 0:
            return Result(wait, succeeded=False)
        self.times[ref].append(now())
        await asyncio.sleep(0)
        answer = next(self.answers[ref], Result())
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pauses(self, ref: Ref) -> list[float]:
        """Return the seconds between the requests for an object."""
        return [after - before for before, after in pairwise(self.times[ref])]

    @asynccontextmanager
    async def leading(self, *refs: Ref) -> AsyncIterator[None]:
        """Reconcile these objects, and those that are enqueued."""
        term = asyncio.create_task(self.reconciler.run(refs))
        try:
            yield
        finally:
            term.cancel()
            await asyncio.wait({term})


def forbidden() -> Blocked:
    """Return the error of a missing permission."""
    return Blocked("may not patch", ApiError("PATCH", 403))


@virtual_time.passes
async def test_a_rejected_object_backs_off_to_a_bound() -> None:
    """The pauses of a rejected object double up to the longest, and no other object waits."""
    controller = Controller()
    controller.answers[ROUTE] = repeat(Rejected())
    async with controller.leading(ROUTE):
        await asyncio.sleep(36_000)
        controller.reconciler.enqueue([OTHER])
        enqueued = now()
        await asyncio.sleep(1)
    first, second, *_ = pauses = controller.pauses(ROUTE)
    assert FIRST_RETRY / 2 <= first <= FIRST_RETRY <= second <= 2 * FIRST_RETRY
    assert LONGEST_RETRY / 2 <= min(pauses[-50:]) <= max(pauses[-50:]) <= LONGEST_RETRY
    assert (controller.times[OTHER], controller.reported) == ([enqueued], [])


@virtual_time.passes
async def test_an_enqueued_object_ignores_its_backoff() -> None:
    """An enqueued rejected object is reconciled at once, and its next pause is the next longer one."""
    controller = Controller()
    controller.answers[ROUTE] = repeat(Rejected(), 5)
    async with controller.leading(ROUTE):
        while len(controller.times[ROUTE]) < 4:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.1)
        enqueued = now()
        controller.reconciler.enqueue([ROUTE])
        await asyncio.sleep(60)
    *_, changed, last = controller.times[ROUTE]
    assert changed == pytest.approx(enqueued)
    assert last - changed >= 2**4 * FIRST_RETRY / 2


@virtual_time.passes
async def test_a_rejection_names_its_pause() -> None:
    """The pause of a rejected object is at least that of Retry-After, up to the longest."""
    controller = Controller()
    controller.answers[ROUTE] = iter([Rejected(60), Rejected(2 * LONGEST_RETRY)])
    async with controller.leading(ROUTE):
        await asyncio.sleep(1_000)
    assert controller.pauses(ROUTE) == pytest.approx([60, LONGEST_RETRY])


@pytest.mark.parametrize(("result", "longest"), [(Result(1), FIRST_RETRY), (Result(1, succeeded=False), 16)])
def test_only_success_resets_the_backoff(result: Result, longest: float) -> None:
    """A successful write resets the backoff, a reconciliation without a write does not."""

    async def scenario() -> None:
        controller = Controller()
        controller.answers[ROUTE] = iter([*repeat(Rejected(), 4), result, Rejected()])
        async with controller.leading(ROUTE):
            await asyncio.sleep(100)
        assert longest / 2 <= controller.pauses(ROUTE)[-1] <= longest

    virtual_time.run(scenario())


@virtual_time.passes
async def test_a_deleted_object_is_forgotten() -> None:
    """The backoff of a deleted object is forgotten: the next one of its name begins with the first pause."""
    controller = Controller()
    controller.answers[ROUTE] = iter([*repeat(Rejected(), 4), UNCHANGED, Rejected()])
    async with controller.leading(ROUTE):
        await asyncio.sleep(100)
        controller.reconciler.forget(ROUTE)
        controller.reconciler.enqueue([ROUTE])
        await asyncio.sleep(100)
    assert controller.pauses(ROUTE)[-1] <= FIRST_RETRY


@virtual_time.passes
async def test_a_result_says_when_to_reconcile_again() -> None:
    """An object is requeued after the result's seconds, or not before it is enqueued."""
    controller = Controller()
    controller.answers[ROUTE] = iter([Result(7), Result()])
    async with controller.leading(ROUTE):
        await asyncio.sleep(100)
    assert controller.times[ROUTE] == pytest.approx([0, 7])


@virtual_time.passes
async def test_an_outage_pauses_all_objects_until_the_same_time() -> None:
    """An outage pauses all objects until the same time, and is reported once a pause; pauses grow to a limit."""
    controller = Controller(pauses_all=True)
    controller.answers |= {ROUTE: repeat(AWAY), OTHER: repeat(AWAY)}
    async with controller.leading(ROUTE, OTHER):
        await asyncio.sleep(3_600)
    assert controller.times[ROUTE] == controller.times[OTHER]
    first, *_ = pauses = controller.pauses(ROUTE)
    assert [seconds for _, seconds in controller.reported][:-1] == pytest.approx(pauses)
    late = pauses[-50:]
    assert first <= 0.25
    assert LONGEST_OUTAGE / 2 <= min(late) <= max(late) <= LONGEST_OUTAGE


@virtual_time.passes
async def test_an_outage_may_pause_one_object() -> None:
    """Without `pauses_all`, other objects go on, and each failure has its own pause."""
    controller = Controller()
    conflict = ApiError("PATCH", 409, retry_after=5)
    controller.answers |= {ROUTE: repeat(conflict, 1), OTHER: iter([AWAY])}
    async with controller.leading(ROUTE, OTHER, GATEWAY):
        await asyncio.sleep(0.1)
        assert controller.reconciler.paused_until(ROUTE) <= now()
        await asyncio.sleep(100)
    assert controller.reported[0] == (str(conflict), 5)
    assert [error for error, _ in controller.reported] == [str(conflict), str(AWAY)]
    assert controller.pauses(ROUTE) == pytest.approx([5])
    assert controller.pauses(OTHER) == pytest.approx([controller.reported[1][1]])
    assert controller.times[GATEWAY] == [0]


@virtual_time.passes
async def test_the_next_outage_starts_with_the_first_pause() -> None:
    """The first pause of an outage is short, also after an earlier one."""
    controller = Controller(pauses_all=True)
    controller.answers[ROUTE] = iter([*repeat(AWAY, 8), Result(1), AWAY])
    async with controller.leading(ROUTE):
        await asyncio.sleep(600)
    *_, before, _, after = controller.pauses(ROUTE)
    assert before >= LONGEST_OUTAGE / 2
    assert after <= 0.25


@pytest.mark.parametrize(("asked", "seconds"), [(5.0, 5.0), (600.0, LONGEST_OUTAGE)])
def test_a_throttling_api_server_names_the_pause(asked: float, seconds: float) -> None:
    """The pause of an outage is at least that of Retry-After, up to the longest."""

    async def scenario() -> None:
        controller = Controller(pauses_all=True)
        controller.answers[ROUTE] = iter([ApiError("PATCH", 429, retry_after=asked)])
        async with controller.leading(ROUTE):
            await asyncio.sleep(1_000)
        assert controller.pauses(ROUTE) == pytest.approx([seconds])

    virtual_time.run(scenario())


@virtual_time.passes
async def test_a_blocked_kind_pauses_its_objects_only() -> None:
    """All objects of a blocked kind wait; it is reported once until a write of that kind has succeeded."""
    controller = Controller(pauses_all=True)
    controller.answers[ROUTE] = iter([forbidden(), forbidden(), Result(), forbidden()])
    async with controller.leading(ROUTE):
        await asyncio.sleep(1)
        controller.reconciler.enqueue([OTHER, GATEWAY])
        await asyncio.sleep(KIND_BACKOFF - 2)
        assert (controller.times[OTHER], controller.times[GATEWAY]) == ([], [1])
        await asyncio.sleep(2 * KIND_BACKOFF)
        assert controller.pauses(ROUTE) == pytest.approx([KIND_BACKOFF] * 2)
        assert controller.reported == [("blocked", "may not patch")]
        controller.reconciler.enqueue([ROUTE])
        await asyncio.sleep(1)
    assert controller.reported == [("blocked", "may not patch")] * 2


@virtual_time.passes
async def test_a_former_leader_retries_nothing() -> None:
    """An object whose write was due after the lease was lost waits until the replica leads again."""
    controller = Controller()
    controller.answers[ROUTE] = iter([NotLeader()])
    async with controller.leading(ROUTE):
        await asyncio.sleep(1_000)
        assert controller.reconciler.depth == 0
    assert (len(controller.times[ROUTE]), controller.reported) == (1, [])


@virtual_time.passes
async def test_a_panic_affects_its_object_only() -> None:
    """After a panic, the object is reconciled again after a pause; the others go on."""
    controller = Controller()
    controller.answers[ROUTE] = iter([RuntimeError("a bug")])
    async with controller.leading(ROUTE, OTHER):
        await asyncio.sleep(1_000)
    assert controller.pauses(ROUTE) == pytest.approx([PANIC_SECONDS])
    assert (controller.times[OTHER], controller.reported) == ([0], [("panic", ROUTE)])


@pytest.mark.parametrize(
    ("failure", "first"),
    [(AWAY, 0.25), (Rejected(), FIRST_RETRY), (forbidden(), KIND_BACKOFF)],
    ids=["outage", "rejected", "blocked"],
)
def test_a_new_term_resets_all_pauses(failure: Exception, first: float) -> None:
    """Pauses of an earlier term do not apply to the next one; a kind that is still blocked is reported again."""

    async def scenario() -> None:
        controller = Controller(pauses_all=True)
        controller.answers[ROUTE] = repeat(failure)
        async with controller.leading(ROUTE):
            await asyncio.sleep(500)
        controller.times.clear()
        controller.reported.clear()
        async with controller.leading(ROUTE):
            await asyncio.sleep(100)
        assert controller.times[ROUTE][0] == pytest.approx(500)
        assert controller.pauses(ROUTE)[0] <= first
        assert controller.reported or isinstance(failure, Rejected)

    virtual_time.run(scenario())
