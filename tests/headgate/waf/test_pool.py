"""The pool of processes that inspect: what is slow, what crashes, and what is too much."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headgate.process.errors import UserError
from headgate.waf.pool import Crashed, Overloaded, Pool, PoolLimits, TooSlow
from headgate.waf.worker import MEMORY_BYTES
from tests.headgate.waf.requests import ATTACK, post, request
from tests.live.waf_service import rules
from translator.waf_profile import Profile

SLOW = b"a=" + b"<" * 50_000
"""A body that takes a second or two."""
PATIENT = PoolLimits(inspection=30, waiting=30)


@contextlib.asynccontextmanager
async def pool(size: int = 1, limits: PoolLimits = PATIENT) -> AsyncIterator[Pool]:
    """Run a pool."""
    async with Pool(size, rules(), limits) as found:
        yield found
    assert found.running == 0


def processes(found: Pool) -> list[int]:
    """Return the ids of the processes of a pool."""
    return [each.process.pid for each in found._workers]


def alive(process: int) -> bool:
    """Return whether a process is there."""
    return Path(f"/proc/{process}").exists()


def environment(process: int) -> bytes:
    """Return the environment of a process."""
    return Path(f"/proc/{process}/environ").read_bytes()


async def test_requests_are_shared_out() -> None:
    """Several requests are inspected at a time, and each gets its own verdict."""
    async with pool(2) as found:
        assert found.running == 2
        uris = [ATTACK, "/shop"] * 10
        verdicts = await asyncio.gather(*(found.inspect(request(uri), b"") for uri in uris))
        assert [each.status for each in verdicts] == [403, 0] * 10


async def test_a_slow_inspection_is_ended() -> None:
    """An inspection that takes too long ends with its process; another one takes its place, and inspects."""
    async with pool(limits=PoolLimits(inspection=0.2, waiting=30)) as found:
        (before,) = processes(found)
        assert (await found.inspect(request(), b"")).status == 0
        with pytest.raises(TooSlow):
            await found.inspect(post(SLOW), SLOW)
        assert (await found.inspect(request(ATTACK), b"")).status == 403
        assert found.restarts == 1
        assert processes(found) != [before]
        assert not alive(before)


async def test_a_process_that_crashes() -> None:
    """The request of a process that ends is not inspected; the next one is, by another process."""
    async with pool() as found:
        await found.inspect(request(), b"")
        (before,) = processes(found)
        waiting = asyncio.ensure_future(found.inspect(post(SLOW), SLOW))
        await asyncio.sleep(0)
        os.kill(before, signal.SIGKILL)
        with pytest.raises(Crashed):
            await waiting
        assert (await found.inspect(request(ATTACK), b"")).status == 403
        assert found.restarts == 1


async def test_too_many_requests() -> None:
    """Of the requests beyond those that may wait none is kept waiting, and those that wait do so for a while only."""
    async with pool(limits=PoolLimits(inspection=30, waiting=0.05, queue=2)) as found:
        await found.inspect(request(), b"")
        slow = asyncio.ensure_future(found.inspect(post(SLOW), SLOW))
        await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(found.inspect(request(), b"")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await found.inspect(request(), b"")
        for each in waiting:
            with pytest.raises(Overloaded):
                await each
        await slow
        assert (await found.inspect(request(ATTACK), b"")).status == 403


async def test_clients_that_go_away() -> None:
    """A request that is given up leaves its process usable, and so does one that waits."""
    async with pool() as found:
        await found.inspect(request(), b"")
        given_up = [asyncio.ensure_future(found.inspect(request(ATTACK), b"")) for _ in range(3)]
        await asyncio.sleep(0)
        for each in given_up:
            each.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        assert [(await found.inspect(request(uri), b"")).status for uri in ("/", ATTACK, "/")] == [0, 403, 0]
        assert found.restarts == 0


async def test_processes_are_replaced_in_time() -> None:
    """A process that has made so many inspections is replaced, which is no failure."""
    async with pool(limits=PoolLimits(inspection=30, waiting=30, inspections=3)) as found:
        (before,) = processes(found)
        assert [(await found.inspect(request(ATTACK), b"")).status for _ in range(7)] == [403] * 7
        assert processes(found) != [before]
        assert found.restarts == 0


async def test_rules_are_loaded_with_the_first_request() -> None:
    """Loading the rules of a profile is no part of the time of an inspection, and a wrong profile is told."""
    async with pool(limits=PoolLimits(inspection=0.03, waiting=30)) as found:
        assert (await found.inspect(request(ATTACK, profile=Profile(paranoia=2)), b"")).status == 403
        wrong = await found.inspect(request(profile=Profile(directives='SecRule ARGS "@ipMatch none" "id:1"')), b"")
        assert "Rules error" in wrong.error
        assert found.restarts == 0


async def test_no_rules(tmp_path: Path) -> None:
    """Without rules nothing starts, and the error says where they were looked for."""
    rules()
    with pytest.raises(UserError, match=f"no OWASP Core Rule Set in {tmp_path}"):
        async with Pool(1, tmp_path):
            pass


async def test_the_memory_of_a_process_is_limited() -> None:
    """A process has a limit of memory, beyond which it ends as one that crashes."""
    async with pool() as found:
        (process,) = processes(found)
        assert resource.prlimit(process, resource.RLIMIT_AS)[0] == MEMORY_BYTES
        resource.prlimit(process, resource.RLIMIT_AS, (1, 1))
        with pytest.raises(Crashed):
            await found.inspect(request(profile=Profile(paranoia=3)), b"")
        assert (await found.inspect(request(ATTACK), b"")).status == 403


async def test_the_environment_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that inspects has nothing of the environment."""
    monkeypatch.setenv("HEADGATE_SECRET", "sesame")
    async with pool() as found:
        (process,) = processes(found)
        assert b"sesame" not in environment(process)
