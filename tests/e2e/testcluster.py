"""The test cluster's own components, which tests kill, stop and restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.kube import Kube, until

DISRUPTIVE: Final = [pytest.mark.disruptive, pytest.mark.usefixtures("restored")]
"""The marks of modules whose tests kill or stop parts of the cluster, or of Headgate in it."""
BRIDGE: Final = "lcbr"
"""The network that the pods are in."""


class TestCluster:
    """The tool that runs the cluster.

    Attributes:
        tool: its executable.
        state: the folder where the cluster keeps what it has.
    """

    __test__ = False

    def __init__(self, tool: Path, state: Path) -> None:
        self.tool = tool
        self.state = state

    async def kill(self, part: str) -> None:
        """End etcd, apiserver, kcm or scheduler with SIGKILL; it is started again after a second."""
        process = await asyncio.create_subprocess_exec(self.tool, "kill", part, stderr=asyncio.subprocess.DEVNULL)
        await process.wait()

    @asynccontextmanager
    async def standing_still(self, part: str) -> AsyncIterator[None]:
        """Stop a part: its connections stay open, and it answers nothing."""
        pid = int((self.state / f"{part}.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def cut_off(self, address: str) -> AsyncIterator[None]:
        """Drop all packets of the pod with this address."""
        (neighbour,) = await _ip("ip", "-j", "neigh", "show", "to", address)
        ports = await _ip("bridge", "-j", "fdb", "show", "br", BRIDGE)
        port = next(each["ifname"] for each in ports if each["mac"] == neighbour["lladdr"])
        await _ip("ip", "link", "set", port, "down")
        try:
            yield
        finally:
            await _ip("ip", "link", "set", port, "up")

    def log(self, namespace: str, pod: str) -> str:
        """Return what a pod has logged, each line with the time; the API server is not needed for it."""
        folder = self.state / "pods" / namespace / pod
        return "\n".join(each.read_text() for each in sorted(folder.glob("*.log")))

    async def back(self, kube: Kube) -> None:
        """Wait until the API server has all it needs again, and has the cluster's controllers begin anew.

        Those that outlive it find their caches out of date, and rest for minutes before they look again.
        """

        async def read() -> bool:
            await kube.list("ConfigMap")
            return await kube.client.ready()

        await until("API server", read)
        for part in ("kcm", "scheduler"):
            await self.kill(part)


async def _ip(*command: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0, command
    found: list[dict[str, Any]] = json.loads(said or b"[]")
    return found
