"""Work in threads that neither the event loop nor the process has to wait for."""

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TypeVar

T = TypeVar("T")

Work = Callable[[], None]

MAX_IDLE: Final = 4
"""Most threads that wait for further work: to start one takes several times as long as to wake one."""

_idle: Final[deque[SimpleQueue[Work]]] = deque()
os.register_at_fork(after_in_child=_idle.clear)


def start_in_thread(work: Work) -> None:
    """Start work in a thread that does nothing else meanwhile. Exceptions in it are not handled."""
    try:
        waiting = _idle.pop()
    except IndexError:
        threading.Thread(target=_run, args=(work,), name="background", daemon=True).start()
    else:
        waiting.put(work)


def _run(work: Work) -> None:
    """Do one work after another, in a thread."""
    queue: SimpleQueue[Work] = SimpleQueue()
    while True:
        work()
        if len(_idle) >= MAX_IDLE:
            return
        _idle.append(queue)
        work = queue.get()


async def in_thread(work: Callable[[], T], ended: Callable[[], None] = lambda: None) -> T:
    """Run work in a separate thread; return its result.

    Unlike with `asyncio.to_thread`, work that never ends, as on a network file system without a response, prevents
    neither the event loop from closing nor the process from ending, and no other work has to wait for it.

    Args:
        work: the work.
        ended: called once the work has ended, whether or not its result is still waited for.

    Raises:
        BaseException: the exception of the work.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        ended()
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: the result is not needed
            loop.call_soon_threadsafe(deliver, result, error)

    start_in_thread(run)
    return await future
