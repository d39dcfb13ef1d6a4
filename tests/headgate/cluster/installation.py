"""A controller wired as in a cluster, on an API server in memory, with a recording xDS server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self, cast

from headgate.cluster.controller import Controller, ControllerSettings
from headgate.process.address import Address
from tests.watchers.cluster_api import ClusterApi, Raw
from watchers.kubernetes.kubeconfig import Target
from xds.resources.snapshot import Snapshot
from xds.server.groups import SyncStatus
from xds.server.server import Server

SECONDS = 600.0
"""The timeout of waits, in virtual seconds."""


class Published:
    """A recorder in place of the xDS server.

    Attributes:
        snapshots: the served snapshots, by key.
        history: all published snapshots, None where a key was withdrawn.
        report: takes the sync status of a snapshot, as clients would cause it.
    """

    def __init__(self) -> None:
        self.report: Callable[[str, SyncStatus], None]
        self.snapshots: dict[str, Snapshot] = {}
        self.history: list[tuple[str, Snapshot | None]] = []

    def connect(self, *, on_sync_status: Callable[[str, SyncStatus], None], **_: object) -> Server:
        """Replace the server that a controller creates."""
        self.report = on_sync_status
        return cast(Server, self)

    def publish(self, key: str, snapshot: Snapshot, edited: float | None = None) -> None:
        """Record a snapshot."""
        self.snapshots[key] = snapshot
        self.history.append((key, snapshot))

    def withdraw(self, key: str) -> None:
        """Record the withdrawal of a key."""
        self.snapshots.pop(key, None)
        self.history.append((key, None))

    def clients(self, node: str | None = None) -> list[Any]:
        """Nobody is connected."""
        return []

    def sync_status(self, key: str) -> None:
        """Nobody is connected."""


class Installation:
    """A running controller. An asynchronous context manager.

    Args:
        api: the API server of its cluster.
        namespace_labels: the namespaces that it watches, by a label selector; "" for all.
        namespace: the namespace of the controller.
    """

    def __init__(self, api: ClusterApi, namespace_labels: str = "", namespace: str = "headgate-system") -> None:
        here, host = Address("127.0.0.1", 0), f"headgate.{namespace}.svc"
        settings = ControllerSettings(Target(), namespace, (), namespace_labels, here, host, here, "")
        self.api = api
        self.published = Published()
        self.controller = Controller(settings, api, self.published.connect)

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        ended = self._task.done()
        self._task.cancel()
        await asyncio.wait({self._task})
        if ended:
            self._task.result()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            await self.controller.follow(group)

    def ready(self) -> bool:
        """Return whether the controller is ready."""
        return self.controller.plane.keys.ready.is_set()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until a condition is true."""
        async with asyncio.timeout(SECONDS):
            while not true():
                assert not self._task.done(), self._task.result()
                await asyncio.sleep(0.5)


def world(api: ClusterApi, manifests: list[Raw]) -> None:
    """Create objects in a cluster."""
    for each in manifests:
        api.put(each)
