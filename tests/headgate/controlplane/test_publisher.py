"""Publication: what is served under the key of a Gateway, from when it comes until it has gone."""

from __future__ import annotations

import asyncio

import pytest

from bench.world import edit, gateway, removal, route
from headgate.controlplane.events import Events
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.sync_status import SyncStatusReporter
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.headgate.controlplane.planes import Made, batches, make
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
    """Events that record which Gateways have something to serve.

    Attributes:
        seen: their keys, at each change.
    """

    def __init__(self) -> None:
        self.seen: list[frozenset[str]] = []

    def gateways_changed(self, gateways: frozenset[str]) -> None:
        """Record them."""
        self.seen.append(gateways)


async def evaluated(made: Made, *edits: Edit) -> None:
    """Have edits evaluated and published."""
    task = asyncio.create_task(made.plane.evaluator.run())
    made.plane.keys.ready.clear()
    await made.plane.evaluator.take(batches(*edits))
    await made.plane.keys.ready.wait()
    task.cancel()
    await asyncio.wait({task})


def served(made: Made) -> int | None:
    """Return how many resources are served under the key; None if there is no snapshot."""
    status = made.plane.server.sync_status(KEY)
    return len(status.snapshot) if status else None


async def test_a_gateway_that_goes_is_withdrawn() -> None:
    """The proxies of a removed Gateway keep what they have, and nobody else may have it; events tell of each change."""
    events = Gateways()
    made = make(Server(lambda node: node.cluster), events)
    assert made.plane.keys.select(NODE) == KEY  # nothing is known yet
    await evaluated(made, edit(gateway()))
    assert made.plane.keys.select(NODE) == KEY
    assert served(made)
    await evaluated(made, edit(gateway(port=8081)))
    await evaluated(made, removal(gateway()))
    assert served(made) is None
    with pytest.raises(StreamRejected, match="serves no Gateway 'shop/web'"):
        made.plane.keys.select(NODE)
    assert events.seen == [{KEY}, frozenset()]


async def test_a_gateway_that_goes_is_drained() -> None:
    """Where proxies drain, those of a removed Gateway are served nothing until it is withdrawn, or comes back."""
    made = make(Server(lambda node: node.cluster), drains=True)
    await evaluated(made, edit(gateway()))
    await evaluated(made, removal(gateway()))
    assert served(made) == 0
    made.plane.keys.check(KEY)
    await evaluated(made, edit(gateway()))
    made.plane.publisher.withdraw(KEY)
    assert served(made)
    await evaluated(made, removal(gateway()))
    made.plane.publisher.withdraw(KEY)
    assert served(made) is None
    with pytest.raises(StreamRejected):
        made.plane.keys.check(KEY)


async def test_what_is_withdrawn_has_no_proxies() -> None:
    """Of a Gateway whose snapshot is withdrawn no proxy counts any more, and that is evaluated."""
    statuses: list[GatewaySyncStatus] = []

    class Recording(Inputs):
        """Inputs that record each sync status."""

        def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> None:
            statuses.append(status)

    made = make(Server(lambda node: node.cluster), sink=lambda each: Recording(each.translator))
    await evaluated(made, edit(gateway()))
    await evaluated(made, removal(gateway()))
    assert statuses == [GatewaySyncStatus()]


def test_nacks_are_attributed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that answers again does not have the routes looked for anew, as long as the NACKs are the same."""
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
