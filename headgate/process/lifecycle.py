"""The lifecycle of a process: signals stop it, and errors that the user can fix are shown without a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

from headgate.process.errors import UserError

log = structlog.stdlib.get_logger("headgate")

#: Ignored signals, which would end the process but not its Envoys. A service manager's reload sends SIGHUP.
IGNORED = frozenset({signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})


#: Most seconds for which a thread may hold the interpreter while others wait. A change passes through a dozen threads
#: between its file and Envoy; with Python's default of 0.005, a large file read meanwhile adds 0.1 s.
SWITCH_INTERVAL = 0.001


def run_until_stopped(
    serve: Callable[[], Awaitable[None]],
    hurry: Callable[[], None] = lambda: None,
    mistakes: tuple[type[Exception], ...] = (),
) -> None:
    """Run `serve` until it ends, a signal stops it, or its terminal is closed; a second signal calls `hurry`.

    Args:
        serve: cancelled by the first signal.
        hurry: speeds up the rest of the shutdown.
        mistakes: errors that the user can fix, in addition to `UserError`.

    Raises:
        UserError: such an error ended it.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    mistakes = (UserError, *mistakes)
    try:
        asyncio.run(_until_stopped(serve, hurry))
    except mistakes as error:
        raise UserError(str(error)) from None
    except BaseExceptionGroup as errors:
        known, bugs = errors.split(mistakes)
        if known is None or bugs is not None:
            raise
        raise UserError(str(_first(known))) from None


async def _until_stopped(serve: Callable[[], Awaitable[None]], hurry: Callable[[], None]) -> None:
    serving = asyncio.ensure_future(serve())
    stops = 0

    def stop() -> None:
        nonlocal stops
        stops += 1
        if stops == 1:
            log.info("Stopping; once more to hurry")
            serving.cancel()
        else:
            hurry()

    loop = asyncio.get_running_loop()
    for number in _stopping():
        loop.add_signal_handler(number, stop)
    for number in IGNORED - _stopping():
        if signal.getsignal(number) is not signal.SIG_IGN:  # unless it is ignored, as by `nohup`
            loop.add_signal_handler(number, _ignore, number)
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    log.info("Stopped")


def _stopping() -> frozenset[signal.Signals]:
    """Return the signals that stop the process and its Envoys; if the process has a terminal, including SIGHUP."""
    stopping = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT})
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN or not _has_terminal():
        return stopping
    return stopping | {signal.SIGHUP}


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _ignore(number: signal.Signals) -> None:
    log.info(f"{number.name} changes nothing: files are followed as they change, and SIGTERM stops")


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
