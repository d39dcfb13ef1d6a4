"""Threads for work: none waits for another, and some are used again."""

import threading

from watchers import background
from watchers.background import MAX_IDLE, in_thread

LONG = 30.0


async def test_threads_are_used_again() -> None:
    """Work that follows other work runs in the threads of that."""
    assert len({await in_thread(threading.get_ident) for _ in range(100)}) <= MAX_IDLE + 1


async def test_work_that_does_not_end_delays_no_other() -> None:
    """Work starts at once, however much other work is not done."""
    gate = threading.Event()
    threads = set[int]()

    def hung() -> None:
        threads.add(threading.get_ident())
        gate.wait(LONG)

    for _ in range(20):
        background.start_in_thread(hung)
    assert await in_thread(threading.get_ident) not in threads
    gate.set()


async def test_few_threads_wait_for_work() -> None:
    """Of many threads whose work has ended, only some are kept."""
    everyone = threading.Barrier(MAX_IDLE * 3)
    threads: list[threading.Thread] = []

    def meet() -> None:
        threads.append(threading.current_thread())
        everyone.wait(LONG)

    for _ in range(MAX_IDLE * 3 - 1):
        background.start_in_thread(meet)
    await in_thread(meet)
    assert len(background._idle) <= MAX_IDLE
