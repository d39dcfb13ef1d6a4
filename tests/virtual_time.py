"""An event loop whose clock goes on only while everybody waits: minutes of pauses and timeouts take no time."""

from __future__ import annotations

import asyncio
import functools
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

T = TypeVar("T")
P = ParamSpec("P")


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Look what is ready; if nothing is, move the clock to when something is due."""
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and nothing is ever due"
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual clock; for tests without sockets."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time, which is what `time.monotonic` tells, too."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        now = runner.get_loop().time
        with patch.object(time, "monotonic", now), patch.object(time, "clock_gettime", lambda _: now()):
            return runner.run(main)


def passes(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a test of a coroutine, which runs in virtual time."""

    @functools.wraps(test)
    def timed(*args: P.args, **options: P.kwargs) -> T:
        return run(test(*args, **options))

    return timed
