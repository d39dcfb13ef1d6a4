"""The event handlers of `headgate controller`: write statuses and manifests, fetch referenced objects."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.controlplane.discovery import Discovery
from headgate.controlplane.events import Events
from headgate.reporting.condition_log import log_changes
from headgate.reporting.conditions import ConditionChange
from translator.objects.kubernetes.workloads import PodSelection
from translator.refs import Ref
from translator.registry import KINDS, REGISTRY
from translator.translator import Changes, Translator
from watchers.finalizers.reconciler import FinalizerReconciler
from watchers.informers.cluster import ClusterSource
from watchers.proxies.reconciler import ProxyReconciler
from watchers.status.writer import StatusWriter

ON_DEMAND = tuple(model for model in KINDS.values() if model.on_demand)
"""The kinds whose objects are read only when they are referenced."""

WITH_STATUS = frozenset(model.kind for model in REGISTRY.with_status)
"""The kinds of objects that have a status."""


class ClusterEvents(Events):
    """Handles the events of a control plane in a cluster.

    Args:
        translator: knows which objects are referenced.
        cluster: fetches referenced objects.
        writer: writes statuses.
        proxy_reconciler: applies the manifests of proxies.
        finalizers: sets the finalizer of GatewayClasses.
        discovery: fetches what the translator asks for, such as the metadata of OpenID issuers.
    """

    def __init__(
        self,
        translator: Translator,
        cluster: ClusterSource,
        writer: StatusWriter,
        proxy_reconciler: ProxyReconciler,
        finalizers: FinalizerReconciler,
        discovery: Discovery,
    ) -> None:
        self._translator = translator
        self._cluster = cluster
        self._writer = writer
        self._proxy_reconciler = proxy_reconciler
        self._finalizers = finalizers
        self._discovery = discovery

    def edited(self, refs: Iterable[Ref]) -> None:
        """Enqueue the statuses and finalizers of edited objects, which may differ from the desired ones now."""
        edited = [each for each in refs if each.kind in WITH_STATUS]
        self._writer.enqueue(edited)
        self._finalizers.enqueue(edited)

    def fetch_referenced(self) -> bool:
        """Request referenced objects that are read on demand; return whether no object was newly found absent."""
        self._cluster.set_pod_selections(self._translator.referenced(PodSelection.kind))
        learned = [
            self._translator.set_absent(
                model.kind, self._cluster.set_referenced(model, self._translator.referenced(model.kind))
            )
            for model in ON_DEMAND
        ]
        return not (self._translator.set_unserved(self._cluster.not_installed) or any(learned))

    def conditions_changed(self, changes: list[ConditionChange]) -> None:
        """Log the changes of conditions."""
        log_changes(changes, lambda _: "")

    def evaluated(self, changes: Changes) -> None:
        """Enqueue the statuses, deployments and finalizers that an evaluation changed; fetch what it asked for."""
        self._writer.enqueue(changes.statuses)
        self._proxy_reconciler.enqueue(changes.deployments)
        self._finalizers.enqueue(changes.classes_in_use)
        self._discovery.evaluated()
