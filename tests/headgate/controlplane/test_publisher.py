"""Publication of a Gateway's snapshot, from its creation to its deletion."""

from __future__ import annotations

import asyncio

import pytest

from bench.world import edit, gateway, removal, route
from headgate.controlplane.events import Events
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.sync_status import SyncStatusReporter
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.headgate.controlplane.planes import Fixture, batches, make
from translator.inputs import Edit, GatewaySyncStatus, Settings
from translator.refs import Ref
from translator.status import nacks as attribution
from translator.translator import Translator
from xds import NackState, StreamRejected, SyncStatus
from xds.protocol.nacks import Nack
from xds.resources.types import CLUSTER, LISTENER
from xds.server.server import Server

KEY = "shop/web"
NODE = base_pb2.Node(id="proxy", cluster=KEY)


class Gateways(Events):
    """Event handlers that record the served Gateways.

    Attributes:
        seen: their keys, at each change.
    """

    def __init__(self) -> None:
        self.seen: list[frozenset[str]] = []

    def gateways_changed(self, gateways: frozenset[str]) -> None:
        """Record the keys."""
        self.seen.append(gateways)


async def evaluated(fixture: Fixture, *edits: Edit) -> None:
    """Evaluate and publish edits."""
    task = asyncio.create_task(fixture.plane.evaluator.run())
    fixture.plane.keys.ready.clear()
    await fixture.plane.evaluator.take(batches(*edits))
    await fixture.plane.keys.ready.wait()
    task.cancel()
    await asyncio.wait({task})


def served(fixture: Fixture) -> int | None:
    """Return the number of resources of the key's snapshot; None if there is none."""
    status = fixture.plane.server.sync_status(KEY)
    return len(status.snapshot) if status else None


async def test_a_deleted_gateway_is_withdrawn() -> None:
    """The snapshot of a deleted Gateway is withdrawn, its key is rejected, and event handlers get each change."""
    events = Gateways()
    fixture = make(Server(lambda node: node.cluster), events)
    assert fixture.plane.keys.select(NODE) == KEY  # nothing is known yet
    await evaluated(fixture, edit(gateway()))
    assert fixture.plane.keys.select(NODE) == KEY
    assert served(fixture)
    await evaluated(fixture, edit(gateway(port=8081)))
    await evaluated(fixture, removal(gateway()))
    assert served(fixture) is None
    with pytest.raises(StreamRejected, match="serves no Gateway 'shop/web'"):
        fixture.plane.keys.select(NODE)
    assert events.seen == [{KEY}, frozenset()]


async def test_a_deleted_gateway_is_drained() -> None:
    """With draining, a deleted Gateway has an empty snapshot until it is withdrawn or created again."""
    fixture = make(Server(lambda node: node.cluster), drains=True)
    await evaluated(fixture, edit(gateway()))
    await evaluated(fixture, removal(gateway()))
    assert served(fixture) == 0
    fixture.plane.keys.check(KEY)
    await evaluated(fixture, edit(gateway()))
    fixture.plane.publisher.withdraw(KEY)
    assert served(fixture)
    await evaluated(fixture, removal(gateway()))
    fixture.plane.publisher.withdraw(KEY)
    assert served(fixture) is None
    with pytest.raises(StreamRejected):
        fixture.plane.keys.check(KEY)


async def test_a_withdrawn_gateway_has_no_proxies() -> None:
    """The sync status of a Gateway with a withdrawn snapshot has no proxies, and is evaluated."""
    statuses: list[GatewaySyncStatus] = []

    class Recording(Inputs):
        """Inputs that record the sync statuses."""

        def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
            statuses.append(status)

    fixture = make(Server(lambda node: node.cluster), sink=lambda each: Recording(each.translator))
    await evaluated(fixture, edit(gateway()))
    await evaluated(fixture, removal(gateway()))
    assert statuses == [GatewaySyncStatus()]


def test_nacks_are_attributed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated report of the same NACKs does not attribute them to routes again."""
    translator = Translator(Settings())
    translator.edit([edit(gateway()), edit(route(0, 1, 1))])
    translator.evaluate()
    [snapshot] = translator.snapshots.values()
    [name] = snapshot.resources(CLUSTER) or [""]
    calls = 0
    plain = attribution.attribute_nacks

    def counted(*args: object) -> object:
        nonlocal calls
        calls += 1
        return plain(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("headgate.controlplane.sync_status.attribute_nacks", counted)
    inputs = Inputs(translator)
    reporter = SyncStatusReporter(inputs)
    nacks = (NackState(Nack(CLUSTER, name, "no"), None),)
    for clients in (1, 2, 3):
        reporter.report(KEY, SyncStatus(snapshot, clients, 0, nacks, clients))
    assert calls == 1
    reporter.report(KEY, SyncStatus(snapshot, 3, 0, (*nacks, NackState(Nack(LISTENER, "port-80", "no"), None)), 3))
    assert calls == 2
    reporter.report(KEY, SyncStatus(snapshot, 3, 3, (), 3))
    assert calls == 2
