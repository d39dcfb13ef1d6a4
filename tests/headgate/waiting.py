"""Polling for a condition in another task or process."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], T | None], within: float = 10) -> T:
    """Poll until the result is true, and return it; fail after so many seconds."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within} s: {look}"
        await asyncio.sleep(0.02)
    return seen
