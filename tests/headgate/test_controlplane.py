"""When the control plane evaluates and publishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bench.world import edit, gateway
from headgate.controlplane import ControlPlane
from headgate.metrics import Metrics
from headgate.statuses import Statuses
from translator.edit import Edit
from translator.outputs import Settings, Translator
from xds.server import Server


async def test_nothing_is_published_before_all_is_read() -> None:
    """What wakes the control plane before the first batch, as other replicas do, makes nothing ready."""
    translator = Translator(Settings(offline=True))
    evaluations: list[int] = []

    def complete() -> bool:
        evaluations.append(len(translator.snapshots))
        return True

    async with Server(lambda node: node.cluster) as server:
        plane = ControlPlane(
            translator,
            server,
            Statuses(translator.object),
            gateways_changed=lambda _: None,
            news=lambda _: None,
            metrics=Metrics(),
            complete=complete,
        )
        evaluating = asyncio.create_task(plane.evaluate())
        plane.wake()
        for _ in range(10):
            await asyncio.sleep(0)
        assert (evaluations, plane.ready.is_set()) == ([], False)

        async def batches() -> AsyncIterator[tuple[Edit, ...]]:
            yield (edit(gateway()),)

        await plane.take(batches())
        await plane.ready.wait()
        evaluating.cancel()
    assert evaluations == [1]
