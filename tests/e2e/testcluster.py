"""The test cluster's own parts, which die and come back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.kube import Kube, until


class TestCluster:
    """The tool that runs the cluster.

    Attributes:
        tool: its executable.
    """

    __test__ = False

    def __init__(self, tool: Path) -> None:
        self.tool = tool

    async def kill(self, part: str) -> None:
        """Ends etcd, apiserver, kcm or scheduler with SIGKILL; it is started again after a second."""
        process = await asyncio.create_subprocess_exec(self.tool, "kill", part)
        assert await process.wait() == 0

    async def back(self, kube: Kube) -> None:
        """Waits until the API server has all it needs again."""

        async def read() -> bool:
            await kube.list("ConfigMap")
            return await kube.client.ready()

        await until("API server", read)
