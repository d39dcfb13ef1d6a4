"""The work queue: order, deduplication, delays and exclusive processing."""

import asyncio

from watchers.controllers.workqueue import WorkQueue


async def test_keys_are_queued_once_and_in_order() -> None:
    """Keys are returned in the order of their first addition, once."""
    queue = WorkQueue[str]()
    queue.add_all("abcab")
    assert len(queue) == 3
    assert [await queue.get() for _ in "abc"] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_a_key_is_processed_by_one_task_at_a_time() -> None:
    """A key that is added while it is processed is returned again once that is done."""
    queue = WorkQueue[str]()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add_all("aba")
    assert await queue.get() == "b"
    another = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not another.done()
    queue.done("a")
    assert await another == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_the_earlier_due_time_of_a_key_counts() -> None:
    """A later call can shorten a delay, but not extend it."""
    now = 0.0
    queue = WorkQueue[str](lambda: now)
    queue.add("a", 5)
    queue.add("b", 3)
    queue.add("a", 1)
    queue.add("b", 9)
    now = 1.0
    assert await queue.get() == "a"
    now = 3.0
    assert await queue.get() == "b"
    queue.done("a")
    queue.done("b")
    assert len(queue) == 0


async def test_get_waits_for_a_due_key() -> None:
    """A waiting `get` returns a key that is added, and one that becomes due."""
    queue = WorkQueue[str]()
    takers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("later", 0.02)
    queue.add("now")
    queue.add("too")
    assert sorted(await asyncio.gather(*takers)) == ["later", "now", "too"]
