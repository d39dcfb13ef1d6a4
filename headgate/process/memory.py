"""The garbage collector: hardly anything here is a cycle, so it mostly walks through objects that stay."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Iterator

#: Number of new objects after which Python collects cycles of the youngest ones. Queries create many objects and
#: hardly any cycle: with Python's default of 700, the collection takes 40 % of the time to read 10,000 routes.
GC_THRESHOLD = 50_000


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Collect no cycles while modules are imported, which takes a third of the time; their objects are frozen then.

    From then on it collects as seldom as `GC_THRESHOLD` says.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
        gc.enable()


#: The most seconds without a collection after the start, should nothing be served until then.
MOST_READING_SECONDS = 60.0


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Collect no cycles while the objects that exist at the start are read and evaluated, which stay: it takes a tenth.

    Once they are there, or after `MOST_READING_SECONDS`, it collects again, and never through what was there by then.
    """
    gc.disable()
    overdue = asyncio.get_running_loop().call_later(MOST_READING_SECONDS, gc.enable)
    try:
        yield
        settle_memory()
    finally:
        overdue.cancel()
        gc.enable()


def settle_memory() -> None:
    """Freeze the objects of the garbage collector, which otherwise delays a change by 0.4 s at 10,000 routes.

    It does not collect cycles before, which would take as long: reading objects creates none. What the C library keeps
    of the lists that were read goes back to the system, where that library can return it (glibc).
    """
    gc.freeze()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
