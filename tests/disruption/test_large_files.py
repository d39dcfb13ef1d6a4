"""Files that take long to read, or of which much is invalid: nothing else waits for them."""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial

from tests.disruption.objects import route, services
from tests.disruption.traffic import probes, serves, traffic
from tests.headgate.running import Headgate
from tests.headgate.waiting import eventually

MERGED = 27_700
"""How many mappings the file of 349 KB merges."""

ROUNDS = 5
"""How often each is tried; every round has to keep the bound, on a machine that does nothing else."""

OBJECTS = 8_000


async def test_merge_keys(headgate: Headgate) -> None:
    """A file of 349 KB of merge keys is told within a second, and another file's change is served within 100 ms."""
    text = "<<: [" + ", ".join(f"{{k{number}: a}}" for number in range(MERGED)) + "]\n"
    told, served = [], []
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    await serves(headgate.port, "/a")
    async with traffic(headgate.port) as requests:
        for number in range(ROUNDS):
            began = time.monotonic()
            headgate.write(f"merge-{number}", text)
            headgate.write("other", route("other", f"/other-{number}"))
            served.append(await serves(headgate.port, f"/other-{number}"))
            await eventually(partial(is_told, headgate, f"merge-{number}.yaml"))
            told.append(time.monotonic() - began)
            (headgate.folder / f"merge-{number}.yaml").unlink()
            await requests.passes(1)
    print(
        f"\n{len(text)} bytes of merge keys: told after {milliseconds(told)}, "
        f"another file served after {milliseconds(served)}; "
        f"{requests}"
    )
    assert max(told) < 1.0
    assert max(served) < 0.1


def is_told(headgate: Headgate, file: str) -> bool:
    """Tell whether the log names a file."""
    return file in headgate.log


def milliseconds(times: list[float]) -> str:
    """Show times in seconds."""
    return ", ".join(f"{each * 1e3:.0f}" for each in times) + " ms"


async def test_thousands_of_objects_turn_invalid(headgate: Headgate) -> None:
    """While 8,000 objects turn invalid at once, and valid again, healthz answers within 100 ms throughout."""
    valid, invalid = services(OBJECTS, "80"), services(OBJECTS, "eighty")
    headgate.write("many", valid)
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    await serves(headgate.port, "/a")
    slowest = []
    async with traffic(headgate.port) as requests:
        for _ in range(ROUNDS):
            async with probes(headgate) as took:
                await asyncio.to_thread(headgate.write, "many", invalid)
                await problems(headgate, some=True)
                await asyncio.to_thread(headgate.write, "many", valid)
                await problems(headgate, some=False)
                await requests.passes(1)
            slowest.append(max(took))
    print(f"\n{OBJECTS} objects invalid at once: healthz at most {milliseconds(slowest)}; {requests}")
    assert max(slowest) < 0.1


async def problems(headgate: Headgate, some: bool, within: float = 30) -> None:
    """Wait until there are problems in the files, or none."""
    async with asyncio.timeout(within):
        while True:
            text = str(await headgate.ask("/metrics"))
            counts = re.findall(r"^headgate_diagnostics{.*} (.+)$", text, re.MULTILINE)
            if any(float(each) for each in counts) == some:
                return
            await asyncio.sleep(0.1)
