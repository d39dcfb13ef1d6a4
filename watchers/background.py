"""Work in threads that neither the event loop nor the process has to wait for."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], ended: Callable[[], None] = lambda: None) -> T:
    """Run work in a separate thread; return its result.

    Unlike with `asyncio.to_thread`, work that never ends, as on a network file system without a response, prevents
    neither the event loop from closing nor the process from ending.

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

    threading.Thread(target=run, name="background", daemon=True).start()
    return await future
