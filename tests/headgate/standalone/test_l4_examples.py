"""The examples of TCP and UDP: the commands of their README, with `headgate run` on their files."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.headgate.running import Headgate, free_port

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples"
CLIENTS = 20


@contextlib.asynccontextmanager
async def backend(command: str) -> AsyncIterator[None]:
    """Run a backend of an example."""
    python, *arguments = shlex.split(command)
    assert python == "python3"
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=EXAMPLES.parent)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def answers(command: str) -> Counter[str]:
    """Return how many clients of an example got which answer."""
    process = await asyncio.create_subprocess_exec("bash", "-c", command, stdout=-1, stderr=-3)
    out, _ = await process.communicate()
    return Counter(out.decode().splitlines())


@pytest.mark.parametrize("name", ["tcp", "udp"])
async def test_the_commands_of_an_example(headgate: Headgate, tmp_path: Path, name: str) -> None:
    """Both backends answer the clients, in about the shares that the route gives them."""
    headgate.folder = tmp_path / "example"
    headgate.folder.mkdir()
    text = (EXAMPLES / name / "README.md").read_text()
    found = re.findall(r"\b(?:9300|5300|1[59]30[12])\b", text)
    ports = {number: str(free_port()) for number in dict.fromkeys(found)}

    def moved(text: str) -> str:
        """Return a text of the example with free ports."""
        return re.sub(r"\b\d{4,5}\b", lambda number: ports.get(number[0], number[0]), text)

    for each in (EXAMPLES / name / "config").iterdir():
        headgate.write(each.stem, moved(each.read_text()))
    one, two, run, clients = (moved(line.strip()) for line in text.splitlines() if line.startswith("    "))
    assert run == f"headgate run examples/{name}/config"
    async with backend(one), backend(two):
        await headgate.start()
        await headgate.condition("web", "Programmed", "True")
        seen: Counter[str] = Counter()
        async with asyncio.timeout(30):
            while seen.keys() != {"v1: hello", "v2: hello"}:  # until both backends have started, and by their weights
                seen = await answers(clients)
        assert seen["v1: hello"] > seen["v2: hello"]
        assert seen.total() == CLIENTS
