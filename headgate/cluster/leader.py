"""The writes of the leader: object statuses, the manifests of proxies, and finalizers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from headgate.cluster.metrics import ClusterGauges, ClusterMetrics
from headgate.controlplane.inputs import Inputs
from headgate.reporting.condition_log import log_cluster_diagnostics
from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.refs import Ref
from translator.translator import Translator
from watchers.controllers.leader_election import Election
from watchers.diagnostics import DiagnosticSet
from watchers.finalizers.reconciler import FinalizerReconciler
from watchers.informers.cluster import ClusterSource
from watchers.kubernetes.client import ApiClient
from watchers.proxies.inventory import Inventory, follow
from watchers.proxies.reconciler import ProxyReconciler
from watchers.status.writer import DELAY, StatusWriter

LEASE = "headgate"


class Leader:
    """Writes statuses and deploys proxies while this replica leads.

    Args:
        client: the client of the API server.
        namespace: the namespace of the Lease.
        controller_name: the controller that statuses and proxies are written for.
        identity: the identity of this replica.
        translator: has the desired statuses and manifests.
        inputs: take the results of applying manifests.
        cluster: has the observed statuses.
        metrics: count writes.
        prepare: awaited before the first write: until then, the evaluation of edits may have been held back.
        class_finalizer: whether GatewayClasses get a finalizer while Gateways use them.

    Attributes:
        election: the leader election.
        proxy_reconciler: applies the manifests of proxies.
        writer: writes statuses.
        finalizers: sets the finalizer of GatewayClasses.
        gauges: the gauges of proxies and work queues.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        controller_name: str,
        identity: str,
        translator: Translator,
        inputs: Inputs,
        cluster: ClusterSource,
        metrics: ClusterMetrics,
        prepare: Callable[[], Awaitable[None]],
        *,
        class_finalizer: bool = False,
    ) -> None:
        self._client = client
        self._controller_name = controller_name
        self._translator = translator
        self._prepare = prepare
        self._inventory = Inventory()
        self.election = Election(client, namespace, LEASE, identity, changed=metrics.leads)
        self.proxy_reconciler = ProxyReconciler(
            client,
            translator.deployments,
            self._inventory,
            controller_name,
            inputs.set_apply_result,
            observer=metrics,
            may_write=self.is_leading,
            is_unmanaged=translator.is_unmanaged,
        )
        self._inventory.add_event_handler(self.proxy_reconciler.enqueue)
        self.writer = StatusWriter(
            client,
            translator.statuses,
            cluster,
            controller_name,
            observer=metrics,
            may_write=self.is_leading,
            has_no_status=self._has_no_status,
            delay=DELAY,
        )
        cluster.add_status_handler(self.writer.enqueue_observed)
        self.finalizers = FinalizerReconciler(
            client, translator.classes_in_use, enabled=class_finalizer, may_write=self.is_leading
        )
        self.gauges = ClusterGauges(
            self._inventory.scales, lambda: self.proxy_reconciler.depth, lambda: self.writer.depth
        )

    async def follow_inventory(self, group: asyncio.TaskGroup, namespaces: Iterable[str]) -> None:
        """Start to watch the objects of proxies in these namespaces, "" for all, and wait until all are synced."""
        diagnostics = DiagnosticSet(log_cluster_diagnostics)
        parts = [(model, namespace) for model in DEPLOYED_KINDS.values() for namespace in namespaces]
        synced = asyncio.Semaphore(0)
        for model, namespace in parts:
            following = follow(
                self._inventory, self._client, model, self._controller_name, synced.release, namespace, diagnostics
            )
            group.create_task(following, name=f"inventory of {model.kind}")
        for _ in parts:
            await synced.acquire()

    async def run(self) -> None:
        """Join the leader election, and write while this replica leads."""
        await self.election.run(self._lead)

    async def _lead(self) -> None:
        await self._prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.proxy_reconciler.run(), name="deployer")
            group.create_task(self.writer.run(), name="statuses")
            group.create_task(self.finalizers.run(), name="finalizers")

    def is_leading(self) -> bool:
        """Return whether this replica leads."""
        return self.election.leading

    def _has_no_status(self, ref: Ref) -> bool:
        """Return whether an object is known and is to have no status of this controller."""
        return self._translator.object(ref) is not None and self._translator.has_no_status(ref)
