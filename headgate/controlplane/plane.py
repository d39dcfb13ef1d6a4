"""A control plane, assembled from its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from headgate.controlplane.clients import GrpcClients
from headgate.controlplane.demand import Demand
from headgate.controlplane.evaluator import Evaluator
from headgate.controlplane.events import Events
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.publisher import Publisher, SnapshotKeys
from headgate.controlplane.status_store import StatusStore
from headgate.controlplane.sync_status import SyncStatusReporter
from headgate.observability.metrics import Metrics, PolicyGauges
from translator.translator import Translator
from xds import Server


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The parts of a control plane that commands and the admin server need.

    Attributes:
        translator: turns objects into snapshots and statuses; the evaluator alone edits and evaluates it.
        server: serves the snapshots.
        keys: the keys of the snapshots, and whether the objects that existed at the start are published.
        publisher: publishes the snapshots.
        statuses: the status of each object.
        evaluator: evaluates the translator.
        metrics: the metrics of the other parts.
    """

    translator: Translator
    server: Server
    keys: SnapshotKeys
    publisher: Publisher
    statuses: StatusStore
    evaluator: Evaluator
    metrics: Metrics

    @classmethod
    def build(
        cls,
        inputs: Inputs,
        server: Server,
        keys: SnapshotKeys,
        sync_statuses: SyncStatusReporter,
        events: Events,
        clients: GrpcClients,
        metrics: Metrics,
        *,
        drains: bool = False,
        demand: Demand | None = None,
    ) -> Self:
        """Build the parts that depend on the server and the event handlers; `drains` as in `Publisher`.

        `demand` is as in `Evaluator`.
        """
        translator = inputs.translator
        publisher = Publisher(translator, server, keys, sync_statuses, events, clients, drains=drains)
        statuses = StatusStore(translator.object)
        metrics.collect(PolicyGauges(lambda: statuses.missing_targets))
        evaluator = Evaluator(translator, inputs.changed, publisher, statuses, events, metrics, keys.ready, demand)
        return cls(translator, server, keys, publisher, statuses, evaluator, metrics)
