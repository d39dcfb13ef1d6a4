"""An ACK of a real Envoy counts only if Envoy uses the accepted resource: for every type that it can reject."""

import asyncio
from pathlib import Path

import pytest

from tests.xds.envoy_process import Envoy, running_envoy
from tests.xds.kinds import KINDS, NAMES, Kind
from tests.xds.status_recorder import StatusRecorder
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import FULL_STATE
from xds.server.server import Server, SyncStatus, Timeouts

cases = pytest.mark.parametrize(
    ("kind", "delta"),
    [
        pytest.param(kind, delta, id=f"{kind.__name__}-{'delta' if delta else 'sotw'}")
        for kind in KINDS
        for delta in (True, False)
        if delta or not kind.delta_only
    ],
)


def serving(news: StatusRecorder, address: str = "127.0.0.1:0") -> Server:
    """Return a server without a NACK history."""
    timeouts = Timeouts(ack_deadline=1, removal_delay=0.1)
    return Server(lambda node: node.cluster, address=address, on_sync_status=news, timeouts=timeouts)


class Scene:
    """Published resources of one kind, which Envoy rejects or uses."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.base = tuple(kind.base())

    def snapshot(self, version: int, *bad: str, **others: Resource) -> Snapshot:
        """Return a snapshot of all resources in a version, some of them bad."""
        made = {name: (self.kind.bad if name in bad else self.kind.good)(name, version) for name in NAMES}
        return Snapshot.of([*self.base, *(made | others).values()])

    async def comes_to(self, news: StatusRecorder, envoy: Envoy, snapshot: Snapshot, bad: str, **used: int) -> None:
        """Wait until all responses are answered, exactly the bad resources rejected, and the expected ones used."""
        named = {snapshot_name(self.kind, name) for name in bad}

        def is_judged(sync_status: SyncStatus) -> bool:
            nacked = {each.name for each, _ in sync_status.nacks if each.type_url == self.kind.url}
            return sync_status.snapshot is snapshot and nacked == named and sync_status.synced == (not named)

        await news.until(is_judged)
        expected = {name: version for name, version in used.items() if version}
        async with asyncio.timeout(10):
            while (found := await self.kind.used(envoy)) != expected:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert found == expected


def snapshot_name(kind: Kind, name: str) -> str:
    """Return the name of a resource."""
    return kind.good(name, 1).name


@cases
async def test_rejected_resources_are_identified(envoy_path: Path, kind: type[Kind], delta: bool) -> None:
    """Bad resources among good ones are identified at the start, later, again, and by another server."""
    scene, news = Scene(kind()), StatusRecorder()
    old = dict.fromkeys(NAMES, 1)
    async with serving(news) as server:
        server.publish("gateway", first := scene.snapshot(1, "b", "e"))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await scene.comes_to(news, envoy, first, "be", **old | {"b": 0, "e": 0})
            server.publish("gateway", second := scene.snapshot(2, "c", "d"))
            await scene.comes_to(news, envoy, second, "cd", **dict.fromkeys(NAMES, 2) | {"c": 1, "d": 1})
            server.publish("gateway", mended := scene.snapshot(3))
            await scene.comes_to(news, envoy, mended, "", **dict.fromkeys(NAMES, 3))
            server.publish("gateway", third := scene.snapshot(4, "a", "d", "f"))
            after = dict.fromkeys(NAMES, 4) | {"a": 3, "d": 3, "f": 3}
            await scene.comes_to(news, envoy, third, "adf", **after)
            await server.stop()
            news = StatusRecorder()
            async with serving(news, f"127.0.0.1:{server.port}") as another:
                another.publish("gateway", third)
                if not delta and kind.url in FULL_STATE:
                    # A full response deletes what it omits, and another server does not know the resources in use.
                    after |= dict.fromkeys("adf", 0)
                await scene.comes_to(news, envoy, third, "adf", **after)
