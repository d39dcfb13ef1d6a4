"""Whose turn it is: shares of the pool, and those that take long."""

from __future__ import annotations

import asyncio

from headgate.waf.inspection import Verdict
from headgate.waf.pool import Overloaded, Pool, PoolError, PoolLimits
from headgate.waf.turns import HEAVY_SECONDS, MOST_HEAVY, Turns
from tests.headgate.waf.requests import ATTACK, post, request
from tests.headgate.waf.test_pool import SLOW, pool
from tests.headgate.waiting import eventually

A, B, C = ("route a", "{}"), ("route b", "{}"), ("route c", "{}")


def test_shares_take_turns() -> None:
    """However many requests of one share wait, the next one of another share has the turn after the next."""
    turns = Turns[int](1, 10)
    for number in range(4):
        turns.wait(A, number)
    turns.wait(B, 4)
    turns.wait(C, 5)
    assert [turns.take(1) for _ in range(7)] == [(A, 0), (B, 4), (C, 5), (A, 1), (A, 2), (A, 3), None]


def test_one_share_cannot_have_all_places() -> None:
    """Where too many wait, the last one of the longest queue has to go; of equal ones, the newcomer."""
    turns = Turns[int](1, 4)
    assert [turns.wait(A, number) for number in range(5)] == [None, None, None, None, 4]
    assert [turns.wait(B, number) for number in range(5, 8)] == [3, 2, 7]
    turns.leave(A, 0)
    turns.leave(A, 0)
    assert [turns.take(1) for _ in range(4)] == [(A, 1), (B, 5), (B, 6), None]


def test_a_process_is_kept_for_short_inspections() -> None:
    """Shares with long inspections leave one process free, together; after many short ones they are as all others."""
    turns = Turns[int](3, 10)
    for share in (A, B):
        turns.begin(share)
        turns.end(share, HEAVY_SECONDS)
    turns.begin(A)
    assert turns.may_run(B, 3)
    turns.begin(B)
    assert not turns.may_run(A, 3)
    assert not turns.may_run(B, 3)
    assert turns.may_run(C, 3)
    turns.wait(A, 1)
    turns.wait(C, 2)
    assert turns.take(3) == (C, 2)
    assert turns.take(3) is None
    turns.end(B, 0.0)
    assert turns.take(3) == (A, 1)
    assert turns.may_run(B, 1)


def test_what_is_known_of_shares_is_bounded() -> None:
    """No more shares are known as heavy than that, and nothing of those that are not."""
    turns = Turns[int](2, 10)
    for number in range(MOST_HEAVY + 5):
        for seconds in (0.0, 1.0):
            turns.begin((f"route {number}", ""))
            turns.end((f"route {number}", ""), seconds)
    assert (len(turns._heavy), len(turns._running)) == (MOST_HEAVY, 0)


async def flood(found: Pool, stop: asyncio.Event) -> int:
    """Have slow requests of one route inspected, one after another; return how many."""
    count = 0
    while not stop.is_set():
        count += 1
        try:
            await found.inspect(post(SLOW), SLOW, "flooded")
        except PoolError:
            await asyncio.sleep(0.01)
    return count


async def test_a_flooded_route_does_not_stop_others() -> None:
    """While one route is flooded with requests that are too slow, those of another one are inspected."""
    async with pool(2, PoolLimits(inspection=1.0, waiting=0.9, queue=4)) as found:
        await asyncio.gather(*(found.inspect(request(), b"") for _ in range(2)))
        stop = asyncio.Event()
        flooding = [asyncio.ensure_future(flood(found, stop)) for _ in range(20)]
        await eventually(lambda: found.restarts > 0, 60)
        await eventually(lambda: found.running == 2)
        verdicts = list[Verdict | None]()
        for number in range(40):
            try:
                verdicts.append(await found.inspect(request(ATTACK if number % 2 else "/"), b"", "other"))
            except Overloaded:
                verdicts.append(None)
            await asyncio.sleep(0.05)
        stop.set()
        assert min(await asyncio.gather(*flooding)) > 0
        assert [each and each.status for each in verdicts] == [0, 403] * 20
