"""Control planes of real parts, and batches of edits for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from headgate.controlplane.clients import GrpcClients
from headgate.controlplane.demand import Demand
from headgate.controlplane.events import Events
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.plane import ControlPlane
from headgate.controlplane.publisher import SnapshotKeys
from headgate.controlplane.sync_status import SyncStatusReporter, SyncStatusSink
from headgate.observability.metrics import Metrics
from translator.inputs import Edit, Settings
from translator.translator import Translator
from xds.server.server import Server


class Completing(Events):
    """Event handlers whose `is_complete` is a function of the test."""

    def __init__(self, complete: Callable[[], bool]) -> None:
        self._complete = complete

    def fetch_referenced(self) -> bool:
        """Return the result of the test's function."""
        return self._complete()


class Fixture(NamedTuple):
    """A control plane, and the inputs of its translator."""

    plane: ControlPlane
    inputs: Inputs


def make(
    server: Server,
    events: Events | None = None,
    metrics: Metrics | None = None,
    sink: Callable[[Inputs], SyncStatusSink] = lambda inputs: inputs,
    *,
    drains: bool = False,
    demand: Demand | None = None,
) -> Fixture:
    """Return a control plane without objects; `sink` takes the inputs, and returns the sink of sync statuses."""
    inputs = Inputs(Translator(Settings(offline=True)))
    keys, sync_statuses = SnapshotKeys(inputs.translator), SyncStatusReporter(sink(inputs))
    handlers, clients = events or Events(), GrpcClients(inputs)
    plane = ControlPlane.build(
        inputs,
        server,
        keys,
        sync_statuses,
        handlers,
        clients,
        metrics or Metrics(),
        drains=drains,
        demand=demand,
    )
    return Fixture(plane, inputs)


async def batches(*edits: Edit) -> AsyncIterator[tuple[Edit, ...]]:
    """Yield one batch."""
    yield edits
