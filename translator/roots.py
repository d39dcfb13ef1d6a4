"""Roots: the queries that are kept up to date for each object, and the tables that take what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from translator.engine.database import Database
from translator.engine.memo import Memo, Trace
from translator.engine.query import Query
from translator.gateway.gateways import class_in_use
from translator.infrastructure.manifest_table import ManifestTable
from translator.kinds import Registry
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.refs import Ref
from translator.resources.output_table import OutputTable
from translator.resources.outputs import Outputs, gateway_outputs
from translator.resources.own_services import deployed_manifests
from translator.status.gateway import gateway_status
from translator.status.invalid import invalid_status
from translator.status.status_table import StatusTable
from translator.tracked import TrackedMap
from xds import Reference

Root = Query[[Ref], Any]
Observer = Callable[[Memo], None]

OF_ONE_GATEWAY: Final = (gateway_outputs, deployed_manifests, gateway_status)
"""The queries whose failure concerns the Gateway that is their argument."""


class OutputRoots:
    """Keeps up to date the outputs that owners of snapshots want, and the resource of each of these.

    Args:
        db: the database.
        outputs: the query for the outputs of an owner.
        table: takes them.
    """

    def __init__(self, db: Database, outputs: Query[[Ref], Outputs | None], table: OutputTable) -> None:
        self._db, self._outputs, self._table = db, outputs, table

    def add(self, owner: Ref) -> None:
        """Begin with an owner."""
        self._db.add_root(self._outputs, (owner,), self._outputs_changed)

    def remove(self, owner: Ref) -> None:
        """End with an owner, which wants nothing any more."""
        self._db.remove_root(self._outputs, (owner,))
        self._set(owner, None)

    def _outputs_changed(self, memo: Memo) -> None:
        owner: Any = memo.args[0]
        wanted: Any = memo.value
        if memo.failure is None:
            self._set(owner, wanted)
        else:
            self._table.set_unlisted(owner)

    def _set(self, owner: Ref, wanted: Outputs | None) -> None:
        first, last = self._table.set_outputs(owner, wanted)
        for each in first:
            self._db.add_root(*each, self._resource_changed)
        for each in last:
            self._db.remove_root(*each)

    def _resource_changed(self, memo: Memo) -> None:
        output: Any = (memo.query, memo.args)
        resource: Any = memo.value
        if memo.failure is None:
            self._table.set_resource(output, resource)
        else:
            self._table.set_failing(output)


class Roots:
    """Keeps up to date what follows from each object: its status, and a Gateway's outputs, resources and manifests.

    Attributes:
        classes_in_use: whether Gateways use a GatewayClass, for each one of ours.
    """

    def __init__(
        self,
        db: Database,
        registry: Registry,
        outputs: OutputTable,
        statuses: StatusTable,
        manifests: ManifestTable,
    ) -> None:
        """Start without roots; the tables take what the roots in `db` give."""
        self._db, self._registry = db, registry
        self._outputs, self._statuses, self._manifests = outputs, statuses, manifests
        self.classes_in_use: TrackedMap[Ref, bool] = TrackedMap()
        self._output_roots = OutputRoots(db, gateway_outputs, outputs)

    def add(self, ref: Ref) -> None:
        """Begin with an object that can be read."""
        for query, changed in self._of(ref):
            self._db.add_root(query, (ref,), changed)
        if ref.kind == Gateway.kind:
            self._output_roots.add(ref)
        if self._status_query(ref.kind):
            self._statuses.set_pending(ref)

    def remove(self, ref: Ref) -> None:
        """End with an object that is gone."""
        for query, _ in self._of(ref):
            self._db.remove_root(query, (ref,))
        self._statuses.set(ref, None)
        if ref.kind == GatewayClass.kind:
            self.classes_in_use.set(ref, None)
        if ref.kind == Gateway.kind:
            self._output_roots.remove(ref)
            self._manifests.remove(ref)

    def set_invalid(self, ref: Ref) -> None:
        """Have the status of an object say that it is invalid; all else goes on with what it was before."""
        if status := self._status_query(ref.kind):
            self._db.remove_root(status, (ref,))
            self._db.add_root(invalid_status, (ref,), self._status_changed)
        if ref.kind == Gateway.kind:
            self._manifests.pause(ref)

    def clear_invalid(self, ref: Ref) -> None:
        """Take that an object is invalid no more; it is added or removed next."""
        self._db.remove_root(invalid_status, (ref,))

    def _status_query(self, kind: str) -> Root | None:
        found = self._registry.status(kind)
        return found.query if found is not None else None

    def _of(self, ref: Ref) -> Iterator[tuple[Root, Observer]]:
        if status := self._status_query(ref.kind):
            yield status, self._status_changed
        if ref.kind == GatewayClass.kind:
            yield class_in_use, self._use_changed
        if ref.kind == Gateway.kind:
            yield deployed_manifests, self._manifests_changed

    def _status_changed(self, memo: Memo) -> None:
        ref: Any = memo.args[0]
        status: Any = memo.value
        if memo.failure is None:
            self._statuses.set(ref, status)
        else:
            self._statuses.set_pending(ref)

    def _use_changed(self, memo: Memo) -> None:
        ref: Any = memo.args[0]
        in_use: Any = memo.value
        if memo.failure is None:
            self.classes_in_use.set(ref, in_use)

    def _manifests_changed(self, memo: Memo) -> None:
        gateway: Any = memo.args[0]
        outcome: Any = memo.value
        if memo.failure is None:
            self._manifests.set(gateway, None if outcome is None else outcome.value)
        else:
            self._manifests.pause(gateway)

    def bugs(self) -> dict[Ref, str]:
        """Return a bug for each Gateway that has a root which fails because of one."""
        bugs: dict[Ref, str] = {}
        for query, args, failure in self._db.failing:
            for gateway in (args[0],) if query in OF_ONE_GATEWAY else self._outputs.gateways((query, args)):
                bugs.setdefault(gateway, failure.bug)
        return bugs

    def trace_status(self, ref: Ref) -> Trace | None:
        """Return what the status of an object was derived from."""
        status = self._status_query(ref.kind)
        return self._db.trace(status, (ref,)) if status else None

    def trace_resource(self, gateway: Ref, reference: Reference) -> Trace | None:
        """Return what a resource of a Gateway was derived from."""
        output = self._outputs.find(gateway, reference)
        return self._db.trace(*output) if output else None
