"""Evaluation: when the evaluator evaluates, and has published what."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer

import headgate.controlplane.evaluator as module
from bench.world import edit, gateway, route, world
from headgate.admin.server import STALLED_SECONDS, AdminState, application
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.sync_status import PENDING_AFTER
from headgate.process.address import Address
from tests import virtual_time
from tests.headgate.controlplane.planes import Completing, batches, make
from translator.inputs import GatewaySyncStatus
from translator.objects.gateway_api.gateway import gateway_of
from translator.refs import Ref
from xds.server.server import Server


async def test_nothing_is_published_before_all_is_read() -> None:
    """What wakes the control plane before the first batch, as other replicas do, makes nothing ready."""
    evaluations: list[int] = []

    def complete() -> bool:
        evaluations.append(len(made.translator.snapshots))
        return True

    async with Server(lambda node: node.cluster) as server:
        made, inputs = make(server, Completing(complete))
        evaluating = asyncio.create_task(made.evaluator.run())
        inputs.set_reconnecting(False)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (evaluations, made.keys.ready.is_set()) == ([], False)
        await made.evaluator.take(batches(edit(gateway())))
        await made.keys.ready.wait()
        evaluating.cancel()
    assert evaluations == [1]


async def test_others_have_their_turn_while_much_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the objects of a large batch other tasks run; edits wait until it is published."""
    monkeypatch.setattr(module, "TURN_SECONDS", 0.0)
    turns, routes = 0, 100
    published: list[int] = []
    twice = asyncio.Event()

    def complete() -> bool:
        if published:
            twice.set()
        published.append(sum(ref.kind == "HTTPRoute" for ref in made.translator.statuses))
        return True

    async with Server(lambda node: node.cluster) as server:
        made, _ = make(server, Completing(complete))
        evaluating = asyncio.create_task(made.evaluator.run())
        await made.evaluator.take(batches(*world(routes, hosts=10, services=10)))
        while not made.translator.statuses:
            await asyncio.sleep(0)
            turns += 1
        more = asyncio.create_task(made.evaluator.take(batches(edit(route(routes, hosts=10, services=10)))))
        while not made.keys.ready.is_set():
            await asyncio.sleep(0)
            turns += 1
        await more
        await twice.wait()
        evaluating.cancel()
    assert turns > routes
    assert published == [routes, routes + 1]


async def test_an_evaluation_that_does_not_come_on_is_no_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long there is work, all is well while it goes on; a process that leaves it undone is to be replaced."""
    loop = asyncio.get_running_loop()
    begun, later = loop.time(), 0.0
    async with Server(lambda node: node.cluster) as server:
        made, _ = make(server)
        state = AdminState(made, dict, tuple, lambda _: "", Address("127.0.0.1", 0))
        async with TestClient(TestServer(application(state))) as client:
            monkeypatch.setattr(loop, "time", lambda: begun + later)

            async def health() -> int:
                async with client.get("/healthz") as response:
                    return response.status

            assert await health() == 200
            await made.evaluator.take(batches(*world(10, hosts=1, services=1)))
            later = STALLED_SECONDS - 1
            assert await health() == 200
            later = STALLED_SECONDS + 1  # more than floats round
            assert await health() == 503
            monkeypatch.setattr(module, "TURN_SECONDS", 0.0)
            evaluating = asyncio.create_task(made.evaluator.run())
            await asyncio.sleep(0)
            assert not made.keys.ready.is_set()
            assert await health() == 200
            await made.keys.ready.wait()
            later = 10 * STALLED_SECONDS
            assert await health() == 200
            evaluating.cancel()


@virtual_time.passes
async def test_proxies_that_do_not_answer_are_told_to_be_pending() -> None:
    """A change that proxies have not acknowledged after a while is told, once, and not before that."""
    web = gateway_of("shop/web")
    told: list[float] = []
    now = asyncio.get_running_loop().time

    class Telling(Inputs):
        """Inputs that tell when the Gateway is overdue."""

        def set_overdue(self, gateway: Ref) -> None:
            super().set_overdue(gateway)
            assert gateway == web
            told.append(now())

    made, inputs = make(Server(lambda node: node.cluster), sink=lambda each: Telling(each.translator))
    evaluating = asyncio.create_task(made.evaluator.run())
    await made.evaluator.take(batches(edit(gateway())))
    await made.keys.ready.wait()
    inputs.set_sync_status(web, GatewaySyncStatus(1, True, snapshot=made.translator.snapshots[web].version))
    await asyncio.sleep(10)
    inputs.set_sync_status(web, GatewaySyncStatus(1, False, snapshot=""))
    await made.evaluator.take(batches(edit(gateway(port=8081))))
    await asyncio.sleep(10)
    evaluating.cancel()
    assert told == [pytest.approx(10 + PENDING_AFTER)]
