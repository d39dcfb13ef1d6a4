"""Control planes of real parts, and what they are fed with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

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
    """Events of which a test decides whether all that an evaluation referenced is there."""

    def __init__(self, complete: Callable[[], bool]) -> None:
        self._complete = complete

    def fetch_referenced(self) -> bool:
        """Ask the test."""
        return self._complete()


class Made(NamedTuple):
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
) -> Made:
    """Return a control plane that knows nothing yet; `sink` takes the inputs, and gives what sync statuses go to."""
    inputs = Inputs(Translator(Settings(offline=True)))
    keys, sync_statuses = SnapshotKeys(inputs.translator), SyncStatusReporter(sink(inputs))
    plane = ControlPlane.build(
        inputs, server, keys, sync_statuses, events or Events(), metrics or Metrics(), drains=drains
    )
    return Made(plane, inputs)


async def batches(*edits: Edit) -> AsyncIterator[tuple[Edit, ...]]:
    """Yield one batch."""
    yield edits
