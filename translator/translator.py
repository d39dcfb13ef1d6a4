"""The front door: edits in, snapshots, statuses and manifests out, at the cost of what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import partial
from types import MappingProxyType
from typing import Any

from translator.changes import Changes
from translator.conditions import Status
from translator.db import Db
from translator.engine.memo import Memo, Trace
from translator.engine.query import Query
from translator.infrastructure.manifest import PAUSED, ProxyManifests
from translator.infrastructure.manifests import deployment
from translator.inputs import (
    APPLY_RESULT,
    INVALID,
    NOT_SYNCED,
    PROXY_DEFAULTS,
    SETTINGS,
    SYNC_STATUS,
    ApplyResult,
    Edit,
    GatewaySyncStatus,
    Invalid,
    ProxyDefaults,
    Settings,
)
from translator.kinds import Registry
from translator.objects.gateway_api.gateway import Gateway
from translator.refs import Ref
from translator.registry import REGISTRY
from translator.resources.outputs import Output, Outputs, gateway_outputs
from translator.snapshots import without_dangling
from translator.status.acknowledged import Acknowledged
from translator.status.bugs import with_bug
from translator.status.gateway import gateway_status
from translator.status.invalid import invalid_status
from xds import Reference, Resource, Snapshot, diff

__all__ = ["Changes", "Translator"]


class Translator:
    """Translates objects into one snapshot per Gateway and one status per object. Not thread-safe: one task owns it."""

    def __init__(self, settings: Settings, on_demand: Iterable[str] = (), registry: Registry = REGISTRY) -> None:
        """Make a translator that knows no objects.

        Args:
            settings: what the translation depends on besides the objects.
            on_demand: kinds of which only `referenced` objects are fed in. Nothing follows from the absence
                of one before `set_absent` says that it is not there.
            registry: what is declared of kinds of objects.
        """
        self._status = registry.status
        self._db = Db(registry, on_demand).database
        self._db.set(SETTINGS, None, settings)
        self._standalone = settings.standalone
        self._snapshots: dict[Ref, Snapshot] = {}
        self._statuses: dict[Ref, Status] = {}
        self._deployments: dict[Ref, ProxyManifests] = {}
        self._outputs: dict[Ref, Outputs] = {}
        self._users: dict[Output, set[Ref]] = {}
        self._resources: dict[Output, Resource] = {}
        self._dirty: dict[Ref, set[Output]] = {}
        self._not_synced: dict[str, set[str]] = {}
        self._unmanaged: set[Ref] = set()
        self._unknown: set[Output] = set()
        self._unsure: set[Ref] = set()
        self._inconsistent: set[Ref] = set()  # of which resources need what an index lacks: see `_assemble`
        self._status_pending: set[Ref] = set()
        self._bugs: dict[Ref, str] = {}
        self._computed: dict[Ref, Status | None] = {}  # the statuses of `_bugs` without these
        self._changes = Changes()
        self.acknowledged = Acknowledged(partial(self._db.set, SYNC_STATUS))  # which ACKs count, and which are awaited

    @property
    def snapshots(self) -> Mapping[Ref, Snapshot]:
        """The resources of each Gateway of ours."""
        return MappingProxyType(self._snapshots)

    @property
    def statuses(self) -> Mapping[Ref, Status]:
        """The `status` of each object that has one to be told."""
        return MappingProxyType(self._statuses)

    def has_no_status(self, ref: Ref) -> bool:
        """Return whether an object certainly has no status: it is not managed, or does not exist."""
        return ref not in self._statuses and ref not in self._status_pending

    def is_unmanaged(self, gateway: Ref) -> bool:
        """Return whether a Gateway exists and certainly is another controller's."""
        return gateway in self._unmanaged

    @property
    def deployments(self) -> Mapping[Ref, ProxyManifests]:
        """The manifests of each managed Gateway; while they cannot be computed, the last ones."""
        return MappingProxyType(self._deployments)

    @property
    def executions(self) -> Mapping[str, int]:
        """How often each query has run so far."""
        return self._db.executions

    @property
    def verifications(self) -> int:
        """How often a remembered result has been looked at, to see whether it still holds."""
        return self._db.verifications

    @property
    def memos(self) -> int:
        """How many results and reads are remembered."""
        return len(self._db)

    def object(self, ref: Ref) -> Any:
        """Return an object as it was fed in, None if there is none."""
        return self._db.inputs(ref.kind).get(ref)

    def referenced(self, kind: str) -> frozenset[Ref]:
        """Tell which objects of a kind the outputs depend on, as of the last evaluation, whether they are there or not.

        Of kinds whose objects are many and seldom used, such as Secrets, only these need to be fed in.
        """
        return self._db.referenced(kind)

    def set_absent(self, kind: str, absent: frozenset[Ref]) -> bool:
        """Take which of the wanted objects of a kind on demand are not there, for sure.

        Returns:
            Whether those are others than before, so that there is something to evaluate.
        """
        return self._db.set_absent(kind, absent)

    def edit(self, edits: Iterable[Edit]) -> None:
        """Feed in objects that were created, changed or deleted; nothing is evaluated yet."""
        for ref, found in edits:
            if ref.kind == NOT_SYNCED:
                self._set_synced(ref, not_synced=found is not None)
                continue
            if isinstance(found, Invalid):
                self._set_invalid(ref, found)
                continue
            new = not self._was_read(ref)
            self._db.set(ref.kind, ref, found)
            if ref.kind == Gateway.kind:
                self.acknowledged.touch(ref)
            if found is None or new:
                self._root(ref, found is not None)

    def _set_synced(self, part: Ref, *, not_synced: bool) -> None:
        parts = self._not_synced.setdefault(part.name, set())
        (parts.add if not_synced else parts.discard)(part.namespace)
        self._db.set_synced(part.name, not parts)

    def _set_invalid(self, ref: Ref, refused: Invalid) -> None:
        """Go on with what an object last was, and tell; if it never was any, leave its proxies alone at least."""
        self._db.set(INVALID, ref, refused)
        if (kind := self._status(ref.kind)) is not None:
            self._db.remove_root(kind.query, (ref,))
            self._db.add_root(invalid_status, (ref,), self._status_changed)
        if ref.kind == Gateway.kind and ref not in self._deployments:
            self._set_deployment(ref, PAUSED)

    def _was_read(self, ref: Ref) -> bool:
        """Tell whether an object that can be read, or is gone, was there before and could be read then."""
        if ref not in self._db.inputs(INVALID):
            return ref in self._db.inputs(ref.kind)
        self._db.set(INVALID, ref, None)
        self._db.remove_root(invalid_status, (ref,))
        return False

    def set_sync_status(self, gateway: Ref, delivery: GatewaySyncStatus) -> None:
        """Set the sync status of a Gateway; it counts from the next evaluation."""
        self.acknowledged.observe(gateway, delivery)

    def set_reconnecting(self, awaited: bool) -> None:
        """Set whether disconnected proxies may be about to reconnect, as after a start."""
        self._db.set(SYNC_STATUS, None, GatewaySyncStatus(reconnecting=True) if awaited else None)

    def set_apply_result(self, gateway: Ref, deployed: ApplyResult | None) -> None:
        """Set the result of applying a Gateway's manifests; None if all were applied."""
        self._db.set(APPLY_RESULT, gateway, deployed)

    def set_proxy_defaults(self, defaults: ProxyDefaults) -> None:
        """Set the defaults of all proxies in the cluster, such as a new CA certificate."""
        self._db.set(PROXY_DEFAULTS, None, defaults)

    @property
    def nothing_synced(self) -> bool:
        """Whether there may be managed Gateways, and none can be served yet, since kinds have not synced."""
        return bool(self._not_synced.get(Gateway.kind) or (self._incomplete and not self._snapshots))

    def serves_nothing(self, gateway: Ref) -> bool:
        """Return whether a Gateway certainly serves nothing: it does not exist, or is not managed."""
        return not (gateway in self._snapshots or gateway in self._incomplete or self._not_synced.get(Gateway.kind))

    @property
    def _incomplete(self) -> Set[Ref]:
        """The Gateways of which not all could be computed: their last published snapshot stands."""
        return self._unsure | self._dirty.keys()

    def evaluate(self) -> Changes:
        """Bring everything up to date with all that was taken, and give what came out different since the last time."""
        self._db.evaluate()
        return self.changes()

    def steps(self) -> Iterator[None]:
        """Bring everything up to date in small steps; what is taken between two counts, edits had better wait."""
        return self._db.steps()

    def changes(self) -> Changes:
        """Return the changes since the last call, once all steps are done."""
        stale = bool(self._db.failing_entries)
        assembled = [self._dirty.pop(gateway) for gateway in list(self._dirty) if self._assemble(gateway, stale)]
        waiting = set().union(*self._dirty.values())
        for output in set().union(*assembled):
            if output not in self._users and output not in waiting:
                self._resources.pop(output, None)
                self._unknown.discard(output)
        if self.acknowledged.update(self._db.inputs(Gateway.kind), self._snapshots, set(self._incomplete)):
            self._db.evaluate()
        self._tell_bugs()
        changes, self._changes = self._changes, Changes()
        changes.failures = self._db.failures
        return changes

    def trace_status(self, ref: Ref) -> Trace | None:
        """Tell what the status of an object was derived from."""
        kind = self._status(ref.kind)
        return self._db.trace(kind.query, (ref,)) if kind is not None else None

    def trace_resource(self, gateway: Ref, reference: Reference) -> Trace | None:
        """Tell what a resource of a Gateway was derived from."""
        made = [(each, self._resources[each]) for each in self._outputs.get(gateway, ()) if each in self._resources]
        output = next((output for output, resource in made if resource.reference == reference), None)
        return self._db.trace(*output) if output is not None else None

    def _root(self, ref: Ref, present: bool) -> None:
        """Begin or end to keep up to date what follows from an object."""
        roots: list[tuple[Query[[Ref], Any], Callable[[Memo], None]]] = []
        kind = self._status(ref.kind)
        if kind is not None:
            roots.append((kind.query, self._status_changed))
        if ref.kind == Gateway.kind:
            roots += [(gateway_outputs, self._outputs_changed), (deployment, self._deployment_changed)]
        for query, changed in roots:
            if present:
                self._db.add_root(query, (ref,), changed)
                self._status_pending.update((ref,) if kind is not None else ())
            else:
                self._db.remove_root(query, (ref,))
        if not present and kind is not None:
            self._set_status(ref, None)
        if not present and ref.kind == Gateway.kind:
            self._unmanaged.discard(ref)
            self._set_outputs(ref, None)
            self._set_deployment(ref, None)

    def _status_changed(self, memo: Memo) -> None:
        ref: Any = memo.args[0]
        if memo.failure is None:
            self._set_status(ref, memo.value)  # type: ignore[arg-type]
        else:
            self._status_pending.add(ref)

    def _tell_bugs(self) -> None:
        """Have the status of a Gateway say so while something of it cannot be computed."""
        bugs: dict[Ref, str] = {}
        for query, args, failure in self._db.failing:
            of_gateway = query in (gateway_outputs, deployment) or query is gateway_status
            for gateway in (args[0],) if of_gateway else self._users.get((query, args), ()):
                bugs.setdefault(gateway, failure.bug)
        if bug := next((each.bug for each in self._db.failing_entries if each.bug), ""):
            bugs = dict.fromkeys(self._inconsistent, bug) | bugs
        before, self._bugs = self._bugs, bugs
        for gateway in before.keys() | bugs.keys():
            if before.get(gateway) != bugs.get(gateway):
                status = self._computed.pop(gateway, self._statuses.get(gateway))
                if status is not None or self._standalone:  # in a cluster what was told last is unknown
                    self._set_status(gateway, status)

    def _set_status(self, ref: Ref, status: Status | None) -> None:
        if bug := self._bugs.get(ref):
            self._computed[ref] = status
            found = self.object(ref)
            status = None if found is None else with_bug(status or {}, bug, found.metadata.generation or 1)
        self._status_pending.discard(ref)
        if self._statuses.get(ref) != status:
            self._changes.statuses[ref] = status
            if status is None:
                del self._statuses[ref]
            else:
                self._statuses[ref] = status

    def _deployment_changed(self, memo: Memo) -> None:
        gateway: Any = memo.args[0]
        if memo.failure is None:
            outcome: Any = memo.value
            (self._unmanaged.add if outcome is None else self._unmanaged.discard)(gateway)
            self._set_deployment(gateway, None if outcome is None else outcome.value)
        elif gateway not in self._deployments:
            self._set_deployment(gateway, PAUSED)

    def _set_deployment(self, gateway: Ref, wanted: ProxyManifests | None) -> None:
        known = self._deployments.get(gateway)
        if wanted == known or (wanted is not None and wanted.paused and known is not None):
            return
        self._changes.deployments[gateway] = wanted
        if wanted is None:
            del self._deployments[gateway]
        else:
            self._deployments[gateway] = wanted

    def _outputs_changed(self, memo: Memo) -> None:
        gateway: Any = memo.args[0]
        if memo.failure is None:
            self._set_outputs(gateway, memo.value)  # type: ignore[arg-type]
        else:
            self._unsure.add(gateway)

    def _set_outputs(self, gateway: Ref, wanted: Outputs | None) -> None:
        before = self._outputs.pop(gateway, frozenset())
        outputs = wanted or frozenset()
        if wanted is not None:
            self._outputs[gateway] = wanted
        self._unsure.discard(gateway)
        dirty = self._dirty.setdefault(gateway, set())
        for each in outputs - before:
            dirty.add(each)
            users = self._users.setdefault(each, set())
            if not users:
                self._db.add_root(*each, self._resource_changed)
            users.add(gateway)
        for each in before - outputs:
            dirty.add(each)
            self._users[each].discard(gateway)
            if not self._users[each]:
                del self._users[each]
                self._db.remove_root(*each)

    def _resource_changed(self, memo: Memo) -> None:
        output: Output = (memo.query, memo.args)  # type: ignore[assignment]
        if memo.failure is not None:
            self._unknown.add(output)
            return
        # Without a value there is nothing to send: either it never was, or the Gateway is about to want it no more.
        if isinstance(memo.value, Resource):
            self._resources[output] = memo.value
        elif output not in self._unknown:
            return
        self._unknown.discard(output)
        for gateway in self._users[output]:
            self._dirty.setdefault(gateway, set()).add(output)

    def _assemble(self, gateway: Ref, stale: bool) -> bool:
        """Bring a Gateway's snapshot up to date with the outputs that changed; tell whether all of them could be made.

        What was never published is published as a whole. Of what was, that goes on which needs nothing that is missing.

        Args:
            gateway: the Gateway.
            stale: whether an index keeps old entries, so that the outputs need not fit each other although none fails:
                the clusters may be those of before, and a table need new ones.
        """
        self.acknowledged.touch(gateway)
        self._inconsistent.discard(gateway)
        before, wanted = self._snapshots.get(gateway), self._outputs.get(gateway)
        whole = gateway not in self._unsure and not (wanted and self._unknown and not self._unknown.isdisjoint(wanted))
        if not whole and (before is None or wanted is None):
            return False
        if wanted is None:
            if self._snapshots.pop(gateway, None) is not None:
                self._changes.snapshots[gateway] = None
            return True
        found = {each: self._resources[each] for each in self._dirty[gateway] if each in self._resources}
        upserts = [resource for output, resource in found.items() if output in wanted]
        removals = [resource.reference for output, resource in found.items() if output not in wanted]
        after = (Snapshot() if before is None else before).replace(upserts, removals)
        if stale and whole and after.dangling():
            self._inconsistent.add(gateway)
            whole = False
        if not whole:
            if before is None:
                return False
            after = without_dangling(before, after)
            after = after if diff(before, after) else before
        if after is not before:
            self._snapshots[gateway] = self._changes.snapshots[gateway] = after
        return whole
