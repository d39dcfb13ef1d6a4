"""The worker pool: concurrency, slow keys and unforeseen exceptions."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests import virtual_time
from watchers.controllers import worker_pool as workers
from watchers.controllers.worker_pool import MAX_SLOW, WorkerPool


async def test_a_bug_is_told_and_met_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that meets with a bug rests and is settled again; the others go on."""
    monkeypatch.setattr(workers, "PANIC_SECONDS", 0.01)
    settled: list[str] = []
    told: list[str] = []
    done = asyncio.Event()

    async def settle(key: str) -> float | None:
        settled.append(key)
        if key == "bad" and settled.count("bad") == 1:
            raise RuntimeError("a bug")
        if settled.count("bad") == 2:
            done.set()
        return None

    found = WorkerPool(1, settle, told.append)
    leading = asyncio.create_task(found.run(["bad", "good"]))
    async with asyncio.timeout(10):
        await done.wait()
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading
    assert (told, sorted(settled)) == (["bad"], ["bad", "bad", "good"])


async def test_who_does_not_lead_settles_nothing() -> None:
    """What is touched before and after a term is not kept: the next term begins with all there is."""
    settled: list[str] = []
    done = asyncio.Event()

    async def settle(key: str) -> float | None:
        settled.append(key)
        done.set()
        return None

    found = WorkerPool(2, settle, lambda _: None)
    found.enqueue(["before"])
    assert found.depth == 0
    leading = asyncio.create_task(found.run(["first"]))
    async with asyncio.timeout(10):
        await done.wait()
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading
    found.enqueue(["after"])
    assert (found.depth, settled) == (0, ["first"])


async def test_what_takes_long_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys wait for an answer that does not come, the others are settled."""
    monkeypatch.setattr(workers, "SLOW_SECONDS", 0.01)
    never, done = asyncio.Event(), asyncio.Event()

    async def settle(key: int) -> float | None:
        if key < 10:
            await never.wait()
        done.set()
        return None

    found = WorkerPool(2, settle, lambda _: None)
    leading = asyncio.create_task(found.run(range(11)))
    async with asyncio.timeout(10):
        await done.wait()
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading


def test_what_takes_long_is_bounded() -> None:
    """Beyond so many keys that take long at once the next wait, and all are settled in the end."""

    async def scenario() -> None:
        running, settled = set[int](), set[int]()

        async def settle(key: int) -> float | None:
            running.add(key)
            await asyncio.sleep(600)
            running.discard(key)
            settled.add(key)
            return None

        leading = asyncio.create_task(WorkerPool(2, settle, lambda _: None).run(range(2 * MAX_SLOW + 4)))
        await asyncio.sleep(599)
        assert running == set(range(MAX_SLOW + 2))
        await asyncio.sleep(1200)
        leading.cancel()
        await asyncio.wait({leading})
        assert settled == set(range(2 * MAX_SLOW + 4))

    virtual_time.run(scenario())
