"""The worker pool: concurrency, slow keys and unforeseen exceptions."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests import virtual_time
from watchers.controllers import worker_pool as workers
from watchers.controllers.worker_pool import MAX_SLOW, WorkerPool


async def test_a_panic_is_reported_and_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a bug is reconciled again after a pause; the others go on."""
    monkeypatch.setattr(workers, "PANIC_SECONDS", 0.01)
    reconciled: list[str] = []
    panics: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> float | None:
        reconciled.append(key)
        if key == "bad" and reconciled.count("bad") == 1:
            raise RuntimeError("a bug")
        if reconciled.count("bad") == 2:
            done.set()
        return None

    found = WorkerPool(1, reconcile, panics.append)
    leading = asyncio.create_task(found.run(["bad", "good"]))
    async with asyncio.timeout(10):
        await done.wait()
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading
    assert (panics, sorted(reconciled)) == (["bad"], ["bad", "bad", "good"])


async def test_keys_of_an_earlier_term_are_dropped() -> None:
    """Keys that are enqueued before and after a term are dropped: the next term starts with all keys."""
    reconciled: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> float | None:
        reconciled.append(key)
        done.set()
        return None

    found = WorkerPool(2, reconcile, lambda _: None)
    found.enqueue(["before"])
    assert found.depth == 0
    leading = asyncio.create_task(found.run(["first"]))
    async with asyncio.timeout(10):
        await done.wait()
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading
    found.enqueue(["after"])
    assert (found.depth, reconciled) == (0, ["first"])


async def test_slow_keys_delay_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of keys that wait for a response do not delay the others."""
    monkeypatch.setattr(workers, "SLOW_SECONDS", 0.01)
    never, done = asyncio.Event(), asyncio.Event()

    async def reconcile(key: int) -> float | None:
        if key < 10:
            await never.wait()
        done.set()
        return None

    found = WorkerPool(2, reconcile, lambda _: None)
    leading = asyncio.create_task(found.run(range(11)))
    async with asyncio.timeout(10):
        await done.wait()
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading


def test_slow_keys_are_bounded() -> None:
    """The number of slow keys is bounded: further ones wait, and all are reconciled in the end."""

    async def scenario() -> None:
        running, reconciled = set[int](), set[int]()

        async def reconcile(key: int) -> float | None:
            running.add(key)
            await asyncio.sleep(600)
            running.discard(key)
            reconciled.add(key)
            return None

        leading = asyncio.create_task(WorkerPool(2, reconcile, lambda _: None).run(range(2 * MAX_SLOW + 4)))
        await asyncio.sleep(599)
        assert running == set(range(MAX_SLOW + 2))
        await asyncio.sleep(1200)
        leading.cancel()
        await asyncio.wait({leading})
        assert reconciled == set(range(2 * MAX_SLOW + 4))

    virtual_time.run(scenario())
