"""The read pool: an endless read delays no other."""

import threading
from collections.abc import Callable

import pytest

from watchers.background import in_thread
from watchers.files.read_pool import MAX_THREADS, ReadPool, TooExpensive, processor_limit

Interrupt = Callable[[], None]
LONG = 30.0


@pytest.fixture
def gate() -> threading.Event:
    """Return the event that hung reads wait for."""
    return threading.Event()


def hung(gate: threading.Event) -> Callable[[Interrupt], str]:
    """Return work that does not end, and cannot be interrupted, until a test releases it."""

    def work(_: Interrupt) -> str:
        gate.wait()
        return "late"

    return work


def quick(_: Interrupt) -> str:
    """Do work that ends at once."""
    return "read"


async def test_hung_files_delay_no_other(gate: threading.Event) -> None:
    """All other files are read, although several reads never end."""
    pool: ReadPool[str] = ReadPool()
    for number in range(5):
        pool.submit(f"hung{number}", hung(gate), number)
    files = [f"f{number}" for number in range(50)]
    for file in files:
        pool.submit(file, quick, file)
    await pool.wait(files, LONG)
    assert pool.take() == dict.fromkeys(files, "read")
    assert sorted(pool.slow(0.0)) == sorted(pool.paths) == [f"hung{number}" for number in range(5)]
    gate.set()
    await pool.wait(list(pool.paths), LONG)
    assert pool.take() == {f"hung{number}": "late" for number in range(5)}
    assert pool.is_idle


async def test_a_newer_version_replaces_the_one_being_read(gate: threading.Event) -> None:
    """Of a file that changes during its read, only the newer version counts, even if the older read ends later."""
    pool: ReadPool[str] = ReadPool()
    pool.submit("f", hung(gate), 1)
    pool.submit("f", quick, 2)
    assert pool.pending("f") == 2
    await pool.wait(["f"], LONG)
    assert pool.take() == {"f": "read"}
    pool.submit("g", quick, 1)
    gate.set()
    await pool.wait(["g"], LONG)
    assert pool.take() == {"g": "read"}


async def test_reads_can_be_cancelled() -> None:
    """When the pool is stopped, reads end without a result."""
    pool: ReadPool[str] = ReadPool()
    ended, begun = threading.Event(), threading.Event()

    def endless(interrupt: Interrupt) -> str:
        try:
            while True:
                begun.set()
                interrupt()
        finally:
            ended.set()

    pool.submit("f", endless, 1)
    assert await in_thread(lambda: begun.wait(LONG))
    pool.stop()
    assert await in_thread(lambda: ended.wait(LONG))
    assert (pool.is_idle, pool.take()) == (True, {})


async def test_threads_are_bounded(gate: threading.Event) -> None:
    """However many reads hang, threads are bounded; waiting files are reported as slow."""
    time = 0.0
    pool: ReadPool[str] = ReadPool(lambda: time)
    before = threading.active_count()
    for number in range(MAX_THREADS + 5):
        time += 1.0
        pool.submit(f"hung{number}", hung(gate), number)
    assert threading.active_count() - before <= MAX_THREADS
    pool.submit("f", quick, 1)
    time += 100.0
    assert "f" in pool.slow(5.0)
    gate.set()
    await in_thread(gate.wait)


def test_processor_time_is_limited() -> None:
    """The read of a file that takes too much processor time is cancelled, with an error."""
    times = iter([5.0, 14.0, 15.1])
    check = processor_limit(lambda: next(times))
    check()
    with pytest.raises(TooExpensive, match="10 s of processor time; split it"):
        check()


async def test_an_exception_in_a_thread_is_raised() -> None:
    """An exception in a thread is raised in the caller."""
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_an_untaken_result_keeps_the_pool_busy() -> None:
    """A result that nothing waited for keeps the pool from being idle, so that it is taken."""
    pool: ReadPool[str] = ReadPool()
    pool.submit("f", quick, 1)
    await pool.wait(["f"], LONG)
    assert (pool.is_idle, pool.has_results) == (False, True)
    pool.take()
    assert (pool.is_idle, pool.has_results) == (True, False)


@pytest.mark.parametrize("known", [True, False])
async def test_known_and_new_files_take_turns(gate: threading.Event, known: bool) -> None:
    """One changed file does not wait for a folder of new ones, nor one new file for many changed ones."""
    pool: ReadPool[str] = ReadPool()
    order = list[str]()

    def read(name: str) -> Callable[[Interrupt], str]:
        def work(_: Interrupt) -> str:
            gate.wait()
            order.append(name)
            return name

        return work

    many = [f"f{number}" for number in range(100)]
    for name in many:
        pool.submit(name, read(name), 1, known=not known)
    pool.submit("one", read("one"), 1, known=known)
    gate.set()
    await pool.wait([*many, "one"], LONG)
    assert order.index("one") <= MAX_THREADS
    assert len(order) == len(many) + 1
