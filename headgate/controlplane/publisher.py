"""Publication of snapshots to the xDS server, and the keys under which it serves them."""

from __future__ import annotations

import asyncio

from headgate.controlplane.clients import GrpcClients
from headgate.controlplane.events import Events
from headgate.controlplane.sync_status import SyncStatusReporter
from headgate.observability.containment import contained
from headgate.observability.tracing import span
from headgate_proto.envoy.config.core.v3 import base_pb2
from translator.objects.gateway_api.gateway import gateway_of, is_gateway_key, key_of
from translator.translator import Changes, Translator
from xds import Server, Snapshot, StreamRejected


class SnapshotKeys:
    """The keys of snapshots: those of served Gateways, and of deleted Gateways whose proxies drain.

    Attributes:
        ready: set once the readable objects that existed at the start are published; not while no Gateway can be
            served. Until then, any key may be that of a Gateway.
        draining: the keys of deleted Gateways whose proxies are served an empty snapshot.
    """

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self.ready = asyncio.Event()
        self.draining: set[str] = set()

    def select(self, node: base_pb2.Node) -> str:
        """Return the key of a node's snapshot, which is its cluster.

        Raises:
            StreamRejected: there is no such Gateway. While its configuration cannot be computed, its proxies keep the
                last one.
        """
        self.check(node.cluster)
        return node.cluster

    def check(self, key: str) -> None:
        """Check that a key names a Gateway; while its configuration cannot be computed, its proxies may wait.

        Any other key is that of the gRPC clients of a namespace, which need not exist.

        Raises:
            StreamRejected: there is no such Gateway.
        """
        if key in self.draining or (key and not is_gateway_key(key)):
            return
        if self.ready.is_set() and self._translator.serves_nothing(gateway_of(key)):
            text = f"Headgate serves no Gateway {key!r}: a node names its Gateway by its cluster, NAMESPACE/NAME"
            raise StreamRejected(text)


class Publisher:
    """Publishes the snapshots of Gateways.

    Args:
        translator: has the snapshots of all Gateways.
        server: the xDS server.
        keys: the keys; takes those that drain.
        sync_statuses: reports ACKs; takes the Gateways whose ACKs are awaited.
        events: handles changes of the set of served Gateways.
        clients: the gRPC clients, which wait for what they ask for.
        drains: whether the proxies of a deleted Gateway are served an empty snapshot, which closes their listeners,
            until `withdraw`; otherwise the snapshot is withdrawn at once: connected proxies keep their configuration.
    """

    def __init__(
        self,
        translator: Translator,
        server: Server,
        keys: SnapshotKeys,
        sync_statuses: SyncStatusReporter,
        events: Events,
        clients: GrpcClients,
        *,
        drains: bool = False,
    ) -> None:
        self._translator = translator
        self._server = server
        self._clients = clients
        self._keys = keys
        self._sync_statuses = sync_statuses
        self._events = events
        self._drains = drains
        self._gateways: frozenset[str] | None = None

    def publish(self, changes: Changes, edited: float | None) -> None:
        """Publish the changed snapshots; a failure of one Gateway does not affect the others.

        Args:
            changes: the changes of an evaluation.
            edited: the time of their oldest edit, on the event loop's clock; None without edits.
        """
        for gateway, snapshot in changes.snapshots.items():
            with contained(f"publishing Gateway {key_of(gateway)}"):
                self._publish(key_of(gateway), snapshot, edited)
        for namespace, snapshot in changes.client_snapshots.items():
            with contained(f"publishing the Services that gRPC clients of namespace {namespace} ask for"):
                self._publish_to_clients(namespace, snapshot, edited)
        self._clients.evaluated()
        gateways = frozenset(map(key_of, self._translator.snapshots))
        if gateways != self._gateways:
            self._gateways = gateways
            with contained("running proxies"):
                self._events.gateways_changed(gateways)
        self._sync_statuses.await_acks(self._translator.acknowledged.awaiting)

    def drain(self, key: str) -> None:
        """Serve an empty snapshot to the proxies of a deleted Gateway, so that they close their listeners."""
        self._keys.draining.add(key)
        self._server.publish(key, Snapshot())

    def withdraw(self, key: str) -> None:
        """Withdraw the snapshot of a key, unless its Gateway was created again."""
        self._keys.draining.discard(key)
        if gateway_of(key) not in self._translator.snapshots:
            self._server.withdraw(key)
            self._sync_statuses.report_withdrawn(key)

    def _publish(self, key: str, snapshot: Snapshot | None, edited: float | None) -> None:
        if snapshot is None:
            (self.drain if self._drains else self.withdraw)(key)
            return
        self._keys.draining.discard(key)
        with span("publish", {"headgate.gateway": key, "xds.resources": len(snapshot)}):
            self._server.publish(key, snapshot, edited)

    def _publish_to_clients(self, namespace: str, snapshot: Snapshot | None, edited: float | None) -> None:
        if snapshot is None:
            self._server.withdraw(namespace)
        else:
            self._server.publish(namespace, snapshot, edited)
