"""The wiring of `headgate controller`: watch a cluster, evaluate in one task, deploy and write as the leader."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from headgate.admin.server import AdminState, serving
from headgate.cluster.metrics import ClusterGauges, ClusterMetrics
from headgate.controlplane.acks import aggregate, decode, encode
from headgate.controlplane.evaluator import ControlPlane
from headgate.controlplane.reconnect_window import RETURN_SECONDS, ReconnectWindow
from headgate.controlplane.status_store import StatusStore
from headgate.observability.metrics import Metrics, XdsGauges
from headgate.observability.tracing import Traces
from headgate.process.address import Address
from headgate.process.lifecycle import run_until_stopped, settle_memory
from headgate.process.ports import check_free
from headgate.reporting.condition_log import log_changes
from headgate.security.access import AccessReviews
from headgate.security.cluster_authority import ClusterAuthority
from headgate.security.identity import bearer
from headgate.security.tokens import TokenReviews
from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.infrastructure.names import owned_by
from translator.inputs import ApplyResult, GatewaySyncStatus, ProxyDefaults, in_cluster
from translator.objects.gateway_api.gateway import gateway_of, key_of
from translator.refs import Ref
from translator.registry import KINDS, REGISTRY
from translator.translator import Changes, Translator
from watchers.controllers.leader_election import Election
from watchers.diagnostics import Diagnostic, DiagnosticSet
from watchers.informers.cluster import ClusterSource, WatchConfig
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ClusterError
from watchers.kubernetes.kubeconfig import Access, Target
from watchers.peers.exchange import Peers
from watchers.proxies.inventory import Inventory, follow
from watchers.proxies.reconciler import ProxyReconciler
from watchers.sources import SourceMux
from watchers.status.writer import StatusWriter
from xds import Observers, Peer, Server

LEASE = "headgate"
ON_DEMAND = tuple(model for model in KINDS.values() if model.on_demand)

log = structlog.stdlib.get_logger("headgate")


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The settings of `headgate controller`.

    Attributes:
        target: the cluster.
        namespace: where Headgate itself is; "" for that of the pod or of the kubeconfig's context.
        controller_name: GatewayClasses with this name are ours.
        namespaces: the namespaces to watch, by name; empty for all.
        namespace_labels: the namespaces to watch, by a label selector; "" for all.
        xds: where proxies connect.
        xds_host: the DNS name under which they do; its certificate is made for it.
        admin: where Headgate answers about itself.
        proxy_image: the image of Envoy; "" for the one this Headgate is tested with.
        external_names: whether Services of type ExternalName may be backends.
        admin_hosts: further names of hosts under which it does so.
    """

    target: Target
    namespace: str
    controller_name: str
    namespaces: tuple[str, ...]
    namespace_labels: str
    xds: Address
    xds_host: str
    admin: Address
    proxy_image: str
    external_names: bool
    admin_hosts: tuple[str, ...] = ()


def run(settings: ControllerSettings) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        UserError: something that the user can mend stands in the way.
    """
    check_free(settings.xds, "--xds-address")
    check_free(settings.admin, "--admin-address")
    run_until_stopped(lambda: _serve(settings), mistakes=(ClusterError,))


async def _serve(settings: ControllerSettings) -> None:
    access = await Access.load(settings.target)
    async with ApiClient(access) as client:
        await Controller(settings, client).serve()


class Controller:
    """One controller: its parts and how they are connected."""

    def __init__(self, settings: ControllerSettings, client: ApiClient) -> None:
        self.settings = settings
        self.client = client
        self.namespace = settings.namespace or client.namespace
        self.host = settings.xds_host or f"headgate.{self.namespace}.svc"
        self.metrics = Metrics()
        self.translator = Translator(
            in_cluster(settings.controller_name, external_names=settings.external_names),
            on_demand=[model.kind for model in ON_DEMAND],
        )
        cluster_metrics = ClusterMetrics(self.metrics.registry)
        self.cluster = ClusterSource(client, self.watched(), self.log_diagnostics, cluster_metrics)
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self.election = Election(client, self.namespace, LEASE, identity, changed=cluster_metrics.leads)
        names = (self.host, f"{self.host}.cluster.local", "localhost")
        self.authority = ClusterAuthority(client, self.namespace, names, self.trust)
        self.tokens = TokenReviews(client)
        self.translator.set_reconnecting(True)
        self.deliveries: dict[Ref, GatewaySyncStatus] = {}
        self.reconnect_window = ReconnectWindow(self.deliver)
        self.peers = Peers(client, self.namespace, identity, self.hear_peers, DiagnosticSet(self.log_diagnostics))
        self.inventory = Inventory(lambda gateways: self.deployer.enqueue(gateways))
        self.deployer = ProxyReconciler(
            client,
            self.translator.deployments,
            self.inventory,
            settings.controller_name,
            self.take_deployed,
            observer=cluster_metrics,
            may_write=lambda: self.election.leading,
            is_unmanaged=self.translator.is_unmanaged,
        )
        self.writer = StatusWriter(
            client,
            self.translator.statuses,
            self.cluster,
            settings.controller_name,
            observer=cluster_metrics,
            may_write=lambda: self.election.leading,
            has_no_status=self.has_no_status,
        )
        self.metrics.collect(
            ClusterGauges(self.inventory.scales, lambda: self.deployer.depth, lambda: self.writer.depth)
        )
        self.server: Server
        self.plane: ControlPlane

    def watched(self) -> WatchConfig:
        """Return the watch configuration: all kinds; of the kinds that Headgate deploys, its own objects only."""
        own = owned_by(self.settings.controller_name)
        return WatchConfig(
            statuses=frozenset(each.kind for each in REGISTRY.with_status),
            controller=self.settings.controller_name,
            labels={model.kind: own for model in KINDS.values() if model.own_only},
            namespaces=self.settings.namespaces,
            namespace_labels=self.settings.namespace_labels,
        )

    def admin_state(self) -> AdminState:
        """Return the state that the admin server shows."""
        diagnostics, settings = lambda: self.cluster.diagnostics, self.settings
        may = AccessReviews(self.client).may
        return AdminState(self.plane, dict, diagnostics, lambda _: "", settings.admin, settings.admin_hosts, may)

    async def serve(self) -> None:
        """Serve until it is cancelled."""
        await self.authority.load()
        server = Server(
            select=lambda node: self.plane.select(node),
            address=str(self.settings.xds),
            credentials=self.authority.credentials(),
            authenticate=self.authenticate,
            authorise=self.authorise,
            observer=Observers(self.metrics, Traces()),
            on_sync_status=lambda key, status: self.plane.deliver(key, status),
        )
        self.attach(server)
        log.info(
            "Headgate is starting",
            cluster=self.client.url,
            namespace=self.namespace,
            xds=str(self.settings.xds),
            admin=f"http://{self.settings.admin.for_clients}",
        )
        async with server, serving(self.admin_state()), asyncio.TaskGroup() as group:
            group.create_task(self.authority.run(), name="authority")
            group.create_task(self.peers.run(), name="peers")
            await self.follow(group)

    def attach(self, server: Server) -> None:
        """Create the control plane, which publishes to this server."""
        self.server = server
        self.plane = ControlPlane(
            self.translator,
            self.server,
            StatusStore(self.translator.object),
            gateways_changed=lambda _: None,
            conditions_changed=lambda changes: log_changes(changes, lambda _: ""),
            metrics=self.metrics,
            taken=self.writer.enqueue,
            changed=self.changed,
            delivered=self.take_delivery,
            overdue=self.overdue,
            complete=self.is_complete,
        )
        self.metrics.collect(
            XdsGauges(self.server.clients, dict, lambda: (each.severity for each in self.cluster.diagnostics))
        )

    async def follow(self, group: asyncio.TaskGroup) -> None:
        """Start watching and evaluating; once all is synced, join the leader election."""
        feed = SourceMux(self.cluster.sources, self.cluster.unsynced_namespaces)
        group.create_task(feed.run(), name="feed")
        group.create_task(self.plane.take(feed), name="edits")
        group.create_task(self.plane.evaluate(), name="evaluation")
        await self.follow_inventory(group)
        await self.plane.ready.wait()
        settle_memory()
        log.info("Headgate is ready", gateways=len(self.translator.snapshots))
        asyncio.get_running_loop().call_later(RETURN_SECONDS, self.await_no_more)
        group.create_task(self.election.run(self.lead), name="election")

    async def follow_inventory(self, group: asyncio.TaskGroup) -> None:
        """Start watching deployed objects, and wait until all of them are synced."""
        diagnostics = DiagnosticSet(self.log_diagnostics)
        parts = [(model, each) for model in DEPLOYED_KINDS.values() for each in self.settings.namespaces or ("",)]
        synced = asyncio.Semaphore(0)
        for model, namespace in parts:
            group.create_task(
                follow(
                    self.inventory,
                    self.client,
                    model,
                    self.settings.controller_name,
                    synced.release,
                    namespace,
                    diagnostics,
                ),
                name=f"inventory of {model.kind}",
            )
        for _ in parts:
            await synced.acquire()

    async def lead(self) -> None:
        """Run what only the leader runs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.deployer.run(), name="deployer")
            group.create_task(self.writer.run(), name="statuses")

    async def authenticate(self, peer: Peer) -> None:
        """Authenticate a client by a TokenReview, before anything is read from it."""
        await self.tokens.identify(bearer(peer))

    async def authorise(self, key: str, peer: Peer) -> None:
        """Authorise a proxy for the resources of its own Gateway, by the token of its service account."""
        await self.tokens.verify(bearer(peer), key)

    def take_delivery(self, gateway: Ref, delivery: GatewaySyncStatus) -> None:
        """Store the sync status of the proxies of this replica, and publish it to the other replicas."""
        if delivery.clients:
            self.deliveries[gateway] = delivery
        else:
            self.deliveries.pop(gateway, None)
        if delivery.all_acked or not delivery.clients:
            self.peers.publish(key_of(gateway), encode(delivery))
        self.add_up(gateway)

    def overdue(self, gateway: Ref) -> None:
        """Publish the sync status of overdue proxies to the other replicas."""
        self.peers.publish(key_of(gateway), encode(self.deliveries.get(gateway, GatewaySyncStatus())))

    def hear_peers(self, keys: Iterable[str]) -> None:
        """Aggregate the Gateways whose sync status changed at other replicas."""
        for each in keys:
            self.add_up(gateway_of(each))
        self.plane.wake()

    def add_up(self, gateway: Ref) -> None:
        """Give the translator the sync status of a Gateway, aggregated over all replicas."""
        own = self.deliveries.get(gateway, GatewaySyncStatus())
        others = map(decode, self.peers.records(key_of(gateway)))
        self.reconnect_window.take(gateway, aggregate([own, *others]))

    def deliver(self, gateway: Ref, delivery: GatewaySyncStatus) -> None:
        """Give the translator the sync status of a Gateway, and whether its proxies are reconnecting."""
        self.translator.set_sync_status(gateway, delivery)
        self.plane.wake()

    def await_no_more(self) -> None:
        """Close the reconnect window: all proxies had the time to connect."""
        self.translator.set_reconnecting(False)
        self.plane.wake()

    def trust(self, certificates: str) -> None:
        """Set the certificates that proxies trust."""
        defaults = ProxyDefaults(
            xds_host=self.host,
            xds_port=self.settings.xds.port,
            ca=certificates,
            drain_key=self.authority.drain_key,
        )
        if self.settings.proxy_image:
            defaults = replace(defaults, image=self.settings.proxy_image)
        self.translator.set_proxy_defaults(defaults)
        if hasattr(self, "plane"):
            self.plane.wake()

    def is_complete(self) -> bool:
        """Fetch objects that are read on demand; return whether the translator learned of no new absent ones."""
        learned = [
            self.translator.set_absent(
                model.kind, self.cluster.set_referenced(model, self.translator.referenced(model.kind))
            )
            for model in ON_DEMAND
        ]
        return not any(learned)

    def has_no_status(self, ref: Ref) -> bool:
        """Return whether a known object certainly has no status of ours."""
        return self.translator.object(ref) is not None and self.translator.has_no_status(ref)

    def changed(self, changes: Changes) -> None:
        """Enqueue the statuses and deployments that an evaluation changed."""
        self.writer.enqueue(changes.statuses)
        self.deployer.enqueue(changes.deployments)

    def take_deployed(self, gateway: Ref, deployed: ApplyResult | None) -> None:
        """Set the result of applying a Gateway's proxy manifests."""
        self.translator.set_apply_result(gateway, deployed)
        self.plane.wake()

    def log_diagnostics(self, appeared: Iterable[Diagnostic], resolved: Iterable[Diagnostic]) -> None:
        """Log diagnostics of the cluster that appear or are resolved."""
        for each in appeared:
            (log.error if each.severity == "error" else log.warning)(str(each))
        for each in resolved:
            log.info(f"Resolved: {each}")
