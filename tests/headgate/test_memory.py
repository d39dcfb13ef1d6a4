"""Memory per object, in allocated bytes that are still in use."""

from __future__ import annotations

import gc
import tracemalloc

from bench.apiserver import serving
from bench.memory import load, routes

ROUTES = 1_000  # fewer would count what each kind takes once
MOST_READ, MOST_DERIVED = 3_700, 9_500


def used() -> int:
    """Return the bytes in use that were allocated since the test began."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_a_route_takes_little_memory() -> None:
    """An HTTPRoute takes less than 13 KB, with its memos, status and resources."""
    async with serving(routes(ROUTES)) as url:
        tracemalloc.start()
        try:
            found = await load(url, ROUTES, used)
        finally:
            tracemalloc.stop()
    assert 1_000 < found.read < MOST_READ
    assert 1_000 < found.derived < MOST_DERIVED
