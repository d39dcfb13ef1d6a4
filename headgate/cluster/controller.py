"""The wiring of `headgate controller`: watch a cluster, evaluate in one task, write to the API server as leader."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from headgate.admin.server import AdminState, serving
from headgate.cluster.events import ON_DEMAND, ClusterEvents
from headgate.cluster.leader import Leader
from headgate.cluster.metrics import ClusterMetrics
from headgate.controlplane.acks import AckAggregator
from headgate.controlplane.clients import GrpcClients
from headgate.controlplane.demand import Demand
from headgate.controlplane.discovery import Discovery
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.plane import ControlPlane
from headgate.controlplane.publisher import SnapshotKeys
from headgate.controlplane.reconnect_window import RECONNECT_SECONDS
from headgate.controlplane.sync_status import SyncStatusReporter
from headgate.observability.metrics import Metrics, XdsGauges
from headgate.observability.tracing import Traces
from headgate.process.address import Address
from headgate.process.lifecycle import run_until_stopped
from headgate.process.memory import reading
from headgate.process.ports import check_free
from headgate.reporting.condition_log import log_cluster_diagnostics
from headgate.security.access import AccessReviews
from headgate.security.cluster_authority import ClusterAuthority
from headgate.security.identity import bearer
from headgate.security.rotation import Authorities
from headgate.security.tokens import TokenReviews
from translator.infrastructure.names import owned_by
from translator.inputs import ProxyDefaults, Settings, in_cluster
from translator.objects.kubernetes.workloads import PodSelection
from translator.registry import KINDS, REGISTRY
from translator.translator import Translator
from watchers.diagnostics import DiagnosticSet
from watchers.informers.cluster import ClusterSource, WatchConfig
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ClusterError
from watchers.kubernetes.kubeconfig import Access, Target
from watchers.peers.exchange import Peers
from watchers.sources import SourceMux
from xds import FINGERPRINTS, Observers, Peer, Server

log = structlog.stdlib.get_logger("headgate")


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The settings of `headgate controller`.

    Attributes:
        target: the cluster.
        namespace: the namespace of Headgate; "" for that of the pod or of the kubeconfig's context.
        namespaces: the namespaces to watch, by name; empty for all.
        namespace_labels: the namespaces to watch, by a label selector; "" for all.
        xds: the address of the xDS server.
        xds_host: the DNS name that proxies connect to, and the subject of the server's certificate.
        admin: the address of the admin server.
        proxy_image: the image of Envoy; "" for the one this Headgate is tested with.
        translation: the settings of the translation, as `in_cluster` makes them.
        class_finalizer: whether GatewayClasses get a finalizer while Gateways use them.
        admin_hosts: further names in the Host header that the admin server accepts.
    """

    target: Target
    namespace: str
    namespaces: tuple[str, ...]
    namespace_labels: str
    xds: Address
    xds_host: str
    admin: Address
    proxy_image: str
    translation: Settings = field(default_factory=in_cluster)
    class_finalizer: bool = False
    admin_hosts: tuple[str, ...] = ()


def run(settings: ControllerSettings) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        UserError: it cannot start; the message says how to correct that.
    """
    check_free(settings.xds, "--xds-address")
    check_free(settings.admin, "--admin-address")
    run_until_stopped(lambda: _serve(settings), mistakes=(ClusterError,))


async def _serve(settings: ControllerSettings) -> None:
    access = await Access.load(settings.target)
    async with ApiClient(access) as client:
        await serve(settings, client)


async def serve(settings: ControllerSettings, client: ApiClient) -> None:
    """Serve a cluster until cancelled; the authority in a Secret issues the xDS server's certificate."""
    namespace = settings.namespace or client.namespace
    host = settings.xds_host or f"headgate.{namespace}.svc"
    authority = ClusterAuthority(client, namespace, (host, f"{host}.cluster.local", "localhost"))
    await authority.load()
    FINGERPRINTS.use_key(authority.fingerprint_key)
    new_server = partial(Server, credentials=authority.credentials())
    controller = Controller(replace(settings, namespace=namespace, xds_host=host), client, new_server)
    authority.add_event_handler(controller.trust)
    await controller.serve(authority)


class Controller:
    """One controller, wired from its parts.

    Args:
        settings: the settings; `namespace` and `xds_host` are not empty.
        client: the client of the API server.
        new_server: makes the xDS server; takes the keyword arguments of `Server`.
    """

    def __init__(self, settings: ControllerSettings, client: ApiClient, new_server: Callable[..., Server]) -> None:
        metrics = Metrics()
        cluster_metrics = ClusterMetrics(metrics.registry)
        translator = Translator(
            settings.translation, on_demand=[*(model.kind for model in ON_DEMAND), PodSelection.kind]
        )
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self.settings = settings
        self.client = client
        self.inputs = Inputs(translator)
        self.cluster = ClusterSource(client, watch_config(settings), log_cluster_diagnostics, cluster_metrics)
        self.peers = Peers(client, settings.namespace, identity, DiagnosticSet(log_cluster_diagnostics))
        self.leader = Leader(
            client,
            settings.namespace,
            settings.translation.controller_name,
            identity,
            translator,
            self.inputs,
            self.cluster,
            cluster_metrics,
            self._prepare_to_lead,
            class_finalizer=settings.class_finalizer,
        )
        self.acks = AckAggregator(self.peers, self.inputs, self.leader.is_leading)
        keys, sync_statuses = SnapshotKeys(translator), SyncStatusReporter(self.acks)
        authentication, clients = _Authentication(TokenReviews(client), self._catch_up), GrpcClients(self.inputs)
        demand = Demand(always=self.leader.is_leading)
        server = new_server(
            select=keys.select,
            address=str(settings.xds),
            authenticate=authentication.authenticate,
            authorise=authentication.authorise,
            admit=clients.admit,
            observer=Observers(metrics, Traces(), clients, demand),
            on_sync_status=sync_statuses.report,
        )
        self.discovery = Discovery(self.inputs, allow_http=settings.translation.allow_http_issuers)
        leader = self.leader
        events = ClusterEvents(
            *(translator, self.cluster, leader.writer, leader.proxy_reconciler, leader.finalizers), self.discovery
        )
        self.plane = ControlPlane.build(
            self.inputs, server, keys, sync_statuses, events, clients, metrics, demand=demand
        )
        metrics.collect(self.leader.gauges)
        metrics.collect(XdsGauges(server.clients, dict, lambda: (each.severity for each in self.cluster.diagnostics)))

    async def _prepare_to_lead(self) -> None:
        """Evaluate all edits; ACKs that are awaited may be overdue from now on."""
        self.inputs.changed.set()
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Evaluate what was held back as long as this replica had no clients and did not lead."""
        await self.plane.evaluator.catch_up()

    async def serve(self, authority: ClusterAuthority) -> None:
        """Serve and renew the certificates until cancelled."""
        log.info(
            "Headgate is starting",
            cluster=self.client.url,
            namespace=self.settings.namespace,
            xds=str(self.settings.xds),
            admin=f"http://{self.settings.admin.for_clients}",
        )
        async with self.plane.server, serving(self.admin_state()), asyncio.TaskGroup() as group:
            group.create_task(authority.run(), name="authority")
            group.create_task(self.peers.run(), name="peers")
            await self.follow(group)

    def admin_state(self) -> AdminState:
        """Return the state that the admin server shows."""
        settings, may = self.settings, AccessReviews(self.client).may
        return AdminState(
            self.plane,
            supervisors=dict,
            diagnostics=lambda: self.cluster.diagnostics,
            place=lambda _: "",
            address=settings.admin,
            hosts=settings.admin_hosts,
            may=may,
        )

    async def follow(self, group: asyncio.TaskGroup) -> None:
        """Start to watch and evaluate; once everything is synced, join the leader election."""
        feed = SourceMux(self.cluster.sources, self.cluster.unsynced_namespaces)
        group.create_task(feed.run(), name="feed")
        group.create_task(self.plane.evaluator.take(feed), name="edits")
        group.create_task(self.plane.evaluator.run(), name="evaluation")
        group.create_task(self.discovery.run(), name="discovery")
        with reading():
            await self.leader.follow_inventory(group, self.settings.namespaces or ("",))
            await self.plane.keys.ready.wait()
        log.info("Headgate is ready", gateways=len(self.plane.translator.snapshots))
        if missing := self.cluster.not_installed:
            text = "Kinds that are not installed have no objects; install their CustomResourceDefinitions to use them"
            log.info(text, kinds=" ".join(missing))
        asyncio.get_running_loop().call_later(RECONNECT_SECONDS, self.acks.close_reconnect_window)
        group.create_task(self.leader.run(), name="election")

    def trust(self, authorities: Authorities) -> None:
        """Set the authorities that proxies trust, and the key of their drain paths."""
        settings = self.settings
        defaults = ProxyDefaults(
            xds_host=settings.xds_host,
            xds_port=settings.xds.port,
            ca=authorities.trusted,
            drain_key=authorities.drain_key,
        )
        if settings.proxy_image:
            defaults = replace(defaults, image=settings.proxy_image)
        self.inputs.set_proxy_defaults(defaults)


def watch_config(settings: ControllerSettings) -> WatchConfig:
    """Return the watch configuration: all kinds; for kinds that Headgate deploys, only its own objects."""
    own = owned_by(settings.translation.controller_name)
    return WatchConfig(
        statuses=frozenset(each.kind for each in REGISTRY.with_status),
        controller=settings.translation.controller_name,
        labels={model.kind: own for model in KINDS.values() if model.own_only},
        namespaces=settings.namespaces,
        namespace_labels=settings.namespace_labels,
    )


class _Authentication:
    """Authenticates proxies and gRPC clients by the token of their service account.

    Args:
        tokens: reviews tokens.
        catch_up: evaluates what was held back: the first snapshot of a client must not be older than what it has.
    """

    def __init__(self, tokens: TokenReviews, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._tokens = tokens
        self._catch_up = catch_up

    async def authenticate(self, peer: Peer) -> None:
        """Authenticate a client by a TokenReview, before the server reads from its stream."""
        await self._tokens.identify(bearer(peer))
        await self._catch_up()

    async def authorise(self, key: str, peer: Peer) -> None:
        """Authorise a proxy for its own Gateway, or a gRPC client for its own namespace, by its service account."""
        await self._tokens.verify(bearer(peer), key)
