"""The work queue."""

import asyncio

from watchers.controllers.workqueue import WorkQueue


async def test_a_key_waits_once_and_in_its_turn() -> None:
    """Keys come in the order in which they were added, however often that was."""
    queue = WorkQueue[str]()
    queue.add_all("abcab")
    assert len(queue) == 3
    assert [await queue.get() for _ in "abc"] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_a_key_is_worked_on_by_one_at_a_time() -> None:
    """A key that is added while it is worked on comes again, after that is done."""
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


async def test_a_key_waits_for_its_time_and_the_earlier_time_counts() -> None:
    """A delay can be cut short by a later call, but not made longer."""
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


async def test_whoever_waits_hears_of_what_comes() -> None:
    """A taker wakes for a key that is added, and for one whose time has come."""
    queue = WorkQueue[str]()
    takers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("later", 0.02)
    queue.add("now")
    queue.add("too")
    assert sorted(await asyncio.gather(*takers)) == ["later", "now", "too"]
