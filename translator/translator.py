"""The front door: edits in, snapshots, statuses and manifests out, at the cost of what changed.

What is not known stays as it was, and nothing counts as gone because of it. Each of these cases is kept in one place:

- A kind is *not synced* (`SyncTracker`): not all of its objects have been listed. A query that needs one that is not
  there, or all of them, fails; the cases below follow from that, or from a bug in a query.
- A Gateway is *unlisted* (`OutputTable`): which outputs it wants cannot be computed. Its snapshot stays.
- An output is *failing* (`OutputTable`): its resource cannot be computed. What does not refer to it goes on.
- A Gateway is *inconsistent* (`SnapshotAssembler`): each resource could be computed, but they do not fit each other,
  since an index keeps the old entries of an object. What refers to nothing that is missing goes on.
- A status is *pending* (`StatusTable`): it cannot be computed, or was not yet. The one in the cluster stays.
- Manifests are *paused* (`ManifestTable`): they cannot be computed, and never could. Whatever runs is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from translator.changes import Changes
from translator.conditions import Status
from translator.db import Db
from translator.engine.memo import Trace
from translator.infrastructure.manifest import ProxyManifests
from translator.infrastructure.manifest_table import ManifestTable
from translator.inputs import (
    ACKNOWLEDGED,
    APPLY_RESULT,
    DISCOVERY,
    INSTANCES,
    INVALID,
    MODULES,
    NOT_SYNCED,
    PROXY_DEFAULTS,
    REQUESTED,
    SYNC_STATUS,
    UNSERVED,
    ApplyResult,
    Edit,
    GatewaySyncStatus,
    Invalid,
    ProxyDefaults,
    Settings,
)
from translator.ir.aws import FoundInstances, InstanceQuery
from translator.ir.modules import FetchedModule, FetchedSource
from translator.ir.oidc import Discovered
from translator.kinds import Registry
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.kubernetes.core import Namespace, Secret, SecretMetadata
from translator.objects.kubernetes.workloads import PodSelection
from translator.refs import Ref
from translator.registry import REGISTRY
from translator.resources.output_table import OutputTable
from translator.resources.proxyless import client_outputs
from translator.roots import OutputRoots, Roots
from translator.snapshots import SnapshotAssembler
from translator.status.accepted import attached_sets
from translator.status.acknowledged import Acknowledged
from translator.status.status_table import StatusTable
from translator.sync_tracker import SyncTracker
from xds import Reference, Snapshot

__all__ = ["Changes", "Translator"]


class Translator:
    """Translates objects into one snapshot per Gateway and one status per object. Not thread-safe: one task owns it.

    Attributes:
        acknowledged: which ACKs count, and which are awaited.
    """

    def __init__(self, settings: Settings, on_demand: Collection[str] = (), registry: Registry = REGISTRY) -> None:
        """Make a translator that knows no objects.

        Args:
            settings: what the translation depends on besides the objects.
            on_demand: kinds of which only `referenced` objects are fed in. Nothing follows from the absence
                of one before `set_absent` says that it is not there.
            registry: what is declared of kinds of objects.
        """
        self._metadata_apart = Secret.kind in on_demand
        self._reader = Db(registry, settings, on_demand)
        self._db = self._reader.database
        self._sync = SyncTracker()
        self._outputs = OutputTable()
        self._assembler = SnapshotAssembler(self._outputs)
        self._statuses = StatusTable(self._generation, standalone=settings.standalone)
        self._manifests = ManifestTable()
        self._roots = Roots(self._db, registry, self._outputs, self._statuses, self._manifests)
        self.acknowledged = Acknowledged(
            partial(self._db.set, SYNC_STATUS),
            partial(self._db.set, ACKNOWLEDGED),
            partial(self._db.select, attached_sets),
            self._generation,
        )
        self._client_outputs = OutputTable()
        self._client_assembler = SnapshotAssembler(self._client_outputs)
        self._client_roots = OutputRoots(self._db, client_outputs, self._client_outputs)

    # What comes out

    @property
    def snapshots(self) -> Mapping[Ref, Snapshot]:
        """The resources of each Gateway of ours."""
        return self._assembler.snapshots

    @property
    def client_snapshots(self) -> Mapping[str, Snapshot]:
        """The resources that gRPC clients ask for, by the namespace of the clients."""
        return {each.name: found for each, found in self._client_assembler.snapshots.items()}

    def knows_requested(self, namespace: str) -> bool:
        """Return whether all is known that the gRPC clients of a namespace ask for, as of the last evaluation."""
        return Ref(Namespace.kind, "", namespace) not in self._client_outputs.incomplete

    @property
    def statuses(self) -> Mapping[Ref, Status]:
        """The `status` of each object that has one to be told."""
        return self._statuses.statuses

    def has_no_status(self, ref: Ref) -> bool:
        """Return whether an object certainly has no status: it is not managed, or does not exist."""
        return self._statuses.has_no_status(ref)

    @property
    def deployments(self) -> Mapping[Ref, ProxyManifests]:
        """The manifests of each managed Gateway; while they cannot be computed, the last ones."""
        return self._manifests.manifests

    @property
    def classes_in_use(self) -> Mapping[Ref, bool]:
        """Whether Gateways use a GatewayClass, for each one of ours of which that is known."""
        return self._roots.classes_in_use.view

    def is_unmanaged(self, gateway: Ref) -> bool:
        """Return whether a Gateway exists and certainly is another controller's."""
        return self._manifests.is_unmanaged(gateway)

    def serves_nothing(self, gateway: Ref) -> bool:
        """Return whether a Gateway certainly serves nothing: it does not exist, or is not managed."""
        is_served = gateway in self.snapshots or gateway in self._outputs.incomplete
        return not is_served and self._sync.has_synced(Gateway.kind)

    @property
    def nothing_synced(self) -> bool:
        """Whether there may be managed Gateways, and none can be served yet, since kinds have not synced."""
        return not self._sync.has_synced(Gateway.kind) or bool(self._outputs.incomplete and not self.snapshots)

    # What goes in

    def object(self, ref: Ref) -> Any:
        """Return an object as it was fed in, None if there is none."""
        return self._db.inputs(ref.kind).get(ref)

    def _generation(self, ref: Ref) -> int:
        found = self.object(ref)
        return found.metadata.generation or 1 if found is not None else 1

    def referenced(self, kind: str) -> frozenset[Ref]:
        """Return which objects of a kind the outputs depend on, as of the last evaluation, whether they exist or not.

        Of kinds whose objects are many and seldom used, such as Secrets, only these need to be fed in.
        """
        return self._db.referenced(kind)

    def set_absent(self, kind: str, absent: frozenset[Ref]) -> bool:
        """Take which of the referenced objects of a kind on demand certainly do not exist.

        Returns:
            Whether those are others than before, so that there is something to evaluate.
        """
        return self._db.set_absent(kind, absent)

    def set_unserved(self, kinds: Iterable[str]) -> bool:
        """Set the kinds that the cluster does not serve; return whether these are others than before."""
        now, before = set(kinds), set(self._db.inputs(UNSERVED))
        for each in now ^ before:
            self._db.set(UNSERVED, each, (each in now) or None)
        return now != before

    def edit(self, edits: Iterable[Edit]) -> bool:
        """Feed in objects that were created, changed or deleted; nothing is evaluated yet.

        Returns:
            Whether there may be something to evaluate: not if all objects are equal to those that were fed in before,
            as after a write of their statuses.
        """
        known, fed = False, False
        for ref, found in edits:
            if self._is_known(ref, found):
                known = True
                continue
            fed = True
            if ref.kind == NOT_SYNCED:
                kind, part = ref.name, ref.namespace
                synced = self._sync.set(kind, part, synced=found is None)
                self._db.set_synced(kind, synced)
                if kind == Secret.kind:
                    self._db.set_synced(SecretMetadata.kind, synced)
            elif ref.kind in (SecretMetadata.kind, PodSelection.kind):
                self._db.set(ref.kind, ref, found)
            elif isinstance(found, Invalid):
                before: Any = self._db.inputs(INVALID).get(ref)
                self._db.set(INVALID, ref, found.after(before))
                self._roots.set_invalid(ref)
            else:
                self._set_valid(ref, found)
        return fed or not known

    def _is_known(self, ref: Ref, found: Any) -> bool:
        """Return whether an object is equal to the one that was fed in last."""
        return found is not None and self.object(ref) == found and ref not in self._db.inputs(INVALID)

    def _set_valid(self, ref: Ref, found: Any) -> None:
        was_invalid = ref in self._db.inputs(INVALID)
        if was_invalid:
            self._db.set(INVALID, ref, None)
            self._roots.clear_invalid(ref)
        before = self.object(ref)
        self._db.set(ref.kind, ref, found)
        if ref.kind == Secret.kind and not self._metadata_apart:
            self._db.set(SecretMetadata.kind, *_metadata(ref, found))
        if ref.kind == Gateway.kind:
            self.acknowledged.touch(ref)
        elif ref.kind == ListenerSet.kind:
            self.acknowledged.edit_set(ref, before, found)
        if found is None:
            self._roots.remove(ref)
        elif was_invalid or before is None:
            self._roots.add(ref)

    def set_sync_status(self, gateway: Ref, status: GatewaySyncStatus) -> bool:
        """Set the sync status of a Gateway, which counts from the next evaluation; return whether that is due."""
        return self.acknowledged.observe(gateway, status)

    def set_reconnecting(self, reconnecting: bool) -> None:
        """Set whether disconnected proxies may be about to reconnect, as after a start."""
        self._db.set(SYNC_STATUS, None, GatewaySyncStatus(reconnecting=True) if reconnecting else None)

    def set_apply_result(self, gateway: Ref, result: ApplyResult | None) -> None:
        """Set the result of applying a Gateway's manifests; None if all were applied."""
        self._db.set(APPLY_RESULT, gateway, result)

    def set_requested(self, namespace: str, names: frozenset[str]) -> None:
        """Set the names by which the gRPC clients of a namespace ask for Services (`xds:///NAME`)."""
        ref = Ref(Namespace.kind, "", namespace)
        was = ref in self._db.inputs(REQUESTED)
        self._db.set(REQUESTED, ref, names or None)
        if names and not was:
            self._client_roots.add(ref)
        elif was and not names:
            self._client_roots.remove(ref)

    @property
    def issuers(self) -> frozenset[str]:
        """The OpenID issuers that outputs depend on, as of the last evaluation."""
        return self._db.referenced(DISCOVERY)

    def set_discovered(self, issuer: str, found: Discovered | None) -> None:
        """Set the result of the discovery of an OpenID issuer; None if there is none any more."""
        self._db.set(DISCOVERY, issuer, found)

    def set_discovery_synced(self, synced: bool) -> None:
        """Set whether an issuer without a result is not known; until then what depends on it stays as it was."""
        self._db.set_synced(DISCOVERY, synced)

    @property
    def instance_queries(self) -> frozenset[InstanceQuery]:
        """The queries of instances of EC2 that outputs depend on, as of the last evaluation."""
        return self._db.referenced(INSTANCES)

    def set_instances(self, asked: InstanceQuery, found: FoundInstances | None) -> None:
        """Set what is known of instances of EC2; None if nothing is any more."""
        self._db.set(INSTANCES, asked, found)

    def set_instances_synced(self, synced: bool) -> None:
        """Set whether nothing is known of a query without a result; until then what depends on it stays as it was."""
        self._db.set_synced(INSTANCES, synced)

    @property
    def module_sources(self) -> frozenset[FetchedSource]:
        """The modules that are fetched and that outputs depend on, as of the last evaluation."""
        return self._db.referenced(MODULES)

    def set_module(self, source: FetchedSource, found: FetchedModule | None) -> None:
        """Set what is known of a module; None if nothing is any more."""
        self._db.set(MODULES, source, found)

    def set_modules_synced(self, synced: bool) -> None:
        """Set whether nothing is known of a module without a result; until then what depends on it stays as it was."""
        self._db.set_synced(MODULES, synced)

    def set_proxy_defaults(self, defaults: ProxyDefaults) -> None:
        """Set the defaults of all proxies in the cluster, such as a new CA certificate."""
        self._db.set(PROXY_DEFAULTS, None, defaults)

    # Evaluation

    def evaluate(self) -> Changes:
        """Bring everything up to date with all that was fed in, and return the changes since the last call."""
        self._db.evaluate()
        return self.changes()

    def steps(self) -> Iterator[None]:
        """Bring everything up to date in small steps; inputs may be set between two, but edits had better wait."""
        return self._db.steps()

    def changes(self) -> Changes:
        """Return the changes since the last call, once all steps are done."""
        for gateway in self._outputs.dirty:
            self.acknowledged.touch(gateway)
        stale = bool(self._db.failing_entries)
        self._assembler.assemble(stale=stale)
        self._client_assembler.assemble(stale=stale)
        if self.acknowledged.has_changes:
            gateways = self._db.inputs(Gateway.kind)
            if self.acknowledged.update(gateways, self.snapshots, self._outputs.incomplete):
                self._db.evaluate()
        self._statuses.set_bugs(self._bugs())
        return Changes(
            self._assembler.take_changes(),
            self._statuses.take_changes(),
            self._manifests.take_changes(),
            self._roots.classes_in_use.take_changes(),
            self._db.failures,
            {each.name: found for each, found in self._client_assembler.take_changes().items()},
        )

    def _bugs(self) -> dict[Ref, str]:
        """Return a bug for each Gateway of which something cannot be computed because of bugs."""
        if not self._db.is_failing:
            return {}
        of_entries = next((each.bug for each in self._db.failing_entries if each.bug), "")
        inconsistent = self._assembler.inconsistent if of_entries else ()
        return dict.fromkeys(inconsistent, of_entries) | self._roots.bugs()

    # Diagnosis

    def trace_status(self, ref: Ref) -> Trace | None:
        """Return what the status of an object was derived from."""
        return self._roots.trace_status(ref)

    def trace_resource(self, gateway: Ref, reference: Reference) -> Trace | None:
        """Return what a resource of a Gateway was derived from."""
        return self._roots.trace_resource(gateway, reference)

    @property
    def reader(self) -> Db:
        """The database as queries see it, to be read while nothing is evaluated."""
        return self._reader

    @property
    def executions(self) -> Mapping[str, int]:
        """How often each query has run so far."""
        return self._db.executions

    @property
    def verifications(self) -> int:
        """How often a memo has been verified so far."""
        return self._db.verifications

    @property
    def memos(self) -> int:
        """The number of memos."""
        return len(self._db)


def _metadata(ref: Ref, secret: Secret | None) -> tuple[Ref, SecretMetadata | None]:
    """Return what is known of a Secret by its labels; None without any."""
    found = SecretMetadata(metadata=secret.metadata) if secret is not None and secret.metadata.labels else None
    return ref._replace(kind=SecretMetadata.kind), found
