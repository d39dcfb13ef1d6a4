"""Real Envoys of both variants under steady load and random changes: no request fails or reaches a wrong backend.

`make chaos` sends 200,000 requests; HEADGATE_CHAOS_SEED repeats a failed run.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.chaos import library, objects
from tests.chaos.library import Library
from tests.chaos.objects import Objects
from tests.chaos.stage import Stage, staged
from tests.chaos.world import World

REQUESTS = int(os.environ.get("HEADGATE_CHAOS_REQUESTS", "3000"))
RATE = float(os.environ.get("HEADGATE_CHAOS_RATE", "500"))
SEED = int(os.environ.get("HEADGATE_CHAOS_SEED", random.randrange(1_000_000)))


@pytest.mark.parametrize(
    ("world", "paths"),
    [(Library, library.PATHS), (Objects, objects.PATHS)],
    ids=["library", "headgate"],
)
async def test_no_request_fails_or_reaches_a_wrong_backend(
    envoy_path: Path, world: type[World], paths: list[str]
) -> None:
    """While clusters, routes, listeners, endpoints and the control plane change, right backends respond."""
    rng = random.Random(SEED)
    async with staged(envoy_path, RATE, paths) as stage:
        configuration = world(stage, rng)
        await configuration.begin()
        changes = await under_load(stage, configuration, REQUESTS // 2)
        load = stage.load
        print(
            f"seed {SEED}: {load.sent} requests, {changes} changes ({len(stage.log)} steps), {len(load.wrong)} wrong, "
            f"{load.again} sent again, slowest {load.slowest * 1000:.0f} ms"
        )
        assert not load.wrong
        assert changes


async def under_load(stage: Stage, world: World, requests: int) -> int:
    """Make changes one after the other while requests are sent; return the number of changes."""
    changes = 0
    load = asyncio.ensure_future(stage.load.run(requests))
    try:
        while not load.done():
            await world.change()
            changes += 1
            assert not stage.load.wrong, "\n".join([f"seed {SEED}", *stage.load.wrong[:10], *stage.log[-20:]])
        await load
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
    return changes
