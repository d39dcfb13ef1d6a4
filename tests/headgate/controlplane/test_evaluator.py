"""The evaluation loop: the times of evaluation and publication, and liveness."""

from __future__ import annotations

import asyncio

import grpc.aio
import pytest
from aiohttp.test_utils import TestClient, TestServer

import headgate.controlplane.evaluator as module
from bench.world import edit, gateway, route, world
from headgate.admin.server import STALLED_SECONDS, AdminState, application
from headgate.controlplane.events import Events
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.sync_status import PENDING_AFTER
from headgate.process.address import Address
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests import virtual_time
from tests.headgate.controlplane.planes import Completing, batches, make
from tests.headgate.waiting import eventually
from tests.xds.calls import DELTA, Call, serving
from translator.envoy.names import PROXIES
from translator.inputs import GatewaySyncStatus
from translator.objects.gateway_api.gateway import gateway_of
from translator.refs import Ref
from translator.translator import Changes
from xds import SyncStatus
from xds.protocol.session import Response, Session
from xds.resources.types import ENDPOINT, LISTENER
from xds.server.server import Server


async def test_nothing_is_published_before_the_first_batch() -> None:
    """Inputs before the first batch, such as records of other replicas, do not make the control plane ready."""
    evaluations: list[int] = []

    def complete() -> bool:
        evaluations.append(len(plane.translator.snapshots))
        return True

    async with Server(lambda node: node.cluster) as server:
        plane, inputs = make(server, Completing(complete))
        evaluating = asyncio.create_task(plane.evaluator.run())
        inputs.set_reconnecting(False)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (evaluations, plane.keys.ready.is_set()) == ([], False)
        await plane.evaluator.take(batches(edit(gateway())))
        await plane.keys.ready.wait()
        evaluating.cancel()
    assert evaluations == [1]


async def test_equal_objects_cause_no_evaluation() -> None:
    """Objects that are equal to the known ones, as after writes of their statuses, are not evaluated; others are."""
    evaluations = 0

    def complete() -> bool:
        nonlocal evaluations
        evaluations += 1
        return True

    plane, _ = make(Server(lambda node: node.cluster), Completing(complete))
    evaluating = asyncio.create_task(plane.evaluator.run())
    objects = tuple(world(3, hosts=1, services=1))
    for edits, expected in ((objects, 1), (objects, 1), ((*objects, edit(route(3, hosts=1, services=1))), 2)):
        await plane.evaluator.take(batches(*edits))
        for _ in range(10):
            await asyncio.sleep(0)
        assert evaluations == expected
    evaluating.cancel()


async def test_other_tasks_run_during_a_long_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """During the evaluation of a large batch other tasks run, and further edits wait until it is published."""
    monkeypatch.setattr(module, "TURN_SECONDS", 0.0)
    turns, routes = 0, 100
    published: list[int] = []
    twice = asyncio.Event()

    def complete() -> bool:
        if published:
            twice.set()
        published.append(sum(ref.kind == "HTTPRoute" for ref in plane.translator.statuses))
        return True

    async with Server(lambda node: node.cluster) as server:
        plane, _ = make(server, Completing(complete))
        evaluating = asyncio.create_task(plane.evaluator.run())
        await plane.evaluator.take(batches(*world(routes, hosts=10, services=10)))
        while not plane.translator.statuses:
            await asyncio.sleep(0)
            turns += 1
        more = asyncio.create_task(plane.evaluator.take(batches(edit(route(routes, hosts=10, services=10)))))
        while not plane.keys.ready.is_set():
            await asyncio.sleep(0)
            turns += 1
        await more
        await twice.wait()
        evaluating.cancel()
    assert turns > routes
    assert published == [routes, routes + 1]


async def test_a_stalled_evaluation_fails_the_liveness_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """/healthz succeeds during an evaluation of any length, and fails without progress, which restarts the pod."""
    loop = asyncio.get_running_loop()
    begun, later = loop.time(), 0.0
    async with Server(lambda node: node.cluster) as server:
        plane, _ = make(server)
        state = AdminState(plane, dict, tuple, lambda _: "", Address("127.0.0.1", 0))
        async with TestClient(TestServer(application(state))) as client:
            monkeypatch.setattr(loop, "time", lambda: begun + later)

            async def health() -> int:
                async with client.get("/healthz") as response:
                    return response.status

            assert await health() == 200
            await plane.evaluator.take(batches(*world(10, hosts=1, services=1)))
            later = STALLED_SECONDS - 1
            assert await health() == 200
            later = STALLED_SECONDS + 1  # more than a rounding error
            assert await health() == 503
            monkeypatch.setattr(module, "TURN_SECONDS", 0.0)
            evaluating = asyncio.create_task(plane.evaluator.run())
            await asyncio.sleep(0)
            assert not plane.keys.ready.is_set()
            assert await health() == 200
            await plane.keys.ready.wait()
            later = 10 * STALLED_SECONDS
            assert await health() == 200
            evaluating.cancel()


async def test_a_snapshot_is_sent_before_statuses_are_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream gets its response before the sync status is reported, and before anything is done about statuses."""
    order: list[str] = []
    clients = [0]
    following = Session.next

    def recording(session: Session) -> Response | None:
        response = following(session)
        if response is not None:
            order.append("response")
        return response

    class Handlers(Events):
        """Event handlers that record when they are called."""

        def evaluated(self, changes: Changes) -> None:
            """Record the call."""
            order.append("evaluated")

    monkeypatch.setattr(Session, "next", recording)

    def report(_: str, status: SyncStatus) -> None:
        order.append("sync status")
        clients.append(status.clients)

    server = serving(on_sync_status=report)
    async with server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        plane, _ = make(server, Handlers())
        evaluating = asyncio.create_task(plane.evaluator.run())
        await plane.evaluator.take(batches(edit(gateway())))
        call = Call(channel, DELTA)
        await call.request(LISTENER, node=base_pb2.Node(id="proxy", cluster="shop/web"))
        response = await call.response()
        await call.request(LISTENER, node=None, nonce=response.nonce)
        await call.request(ENDPOINT, PROXIES, node=None)
        await call.response()  # so the server has the ACK, without which the next listener waits
        await eventually(lambda: clients[-1] == 1)  # it was reported: that does not come later
        order.clear()
        await plane.evaluator.take(batches(edit(gateway(port=8081))))
        await call.response()
        evaluating.cancel()
    assert order[:3] == ["response", "sync status", "evaluated"]


@virtual_time.passes
async def test_missing_acks_are_reported_as_pending() -> None:
    """A configuration without ACKs is reported as pending after a while, once."""
    web = gateway_of("shop/web")
    overdue: list[float] = []
    now = asyncio.get_running_loop().time

    class Recording(Inputs):
        """Inputs that record when ACKs of the Gateway are overdue."""

        def set_overdue(self, gateway: Ref) -> None:
            super().set_overdue(gateway)
            assert gateway == web
            overdue.append(now())

    plane, inputs = make(Server(lambda node: node.cluster), sink=lambda each: Recording(each.translator))
    evaluating = asyncio.create_task(plane.evaluator.run())
    await plane.evaluator.take(batches(edit(gateway())))
    await plane.keys.ready.wait()
    inputs.set_sync_status(web, GatewaySyncStatus(1, True, snapshot=plane.translator.snapshots[web].version))
    await asyncio.sleep(10)
    inputs.set_sync_status(web, GatewaySyncStatus(1, False, snapshot=""))
    await plane.evaluator.take(batches(edit(gateway(port=8081))))
    await asyncio.sleep(10)
    evaluating.cancel()
    assert overdue == [pytest.approx(10 + PENDING_AFTER)]
