"""Roots: the queries that are kept up to date for each object, and the tables that take what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from translator.engine.database import Database
from translator.engine.memo import Memo, Trace
from translator.engine.query import Query
from translator.gateway.gateways import class_in_use
from translator.infrastructure.manifest_table import ManifestTable
from translator.infrastructure.manifests import proxy_manifests
from translator.kinds import Registry
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.refs import Ref
from translator.resources.output_table import OutputTable
from translator.resources.outputs import Outputs, gateway_outputs
from translator.status.gateway import gateway_status
from translator.status.invalid import invalid_status
from translator.status.status_table import StatusTable
from translator.tracked import TrackedMap
from xds import Reference

Root = Query[[Ref], Any]
Observer = Callable[[Memo], None]

OF_ONE_GATEWAY: Final = (gateway_outputs, proxy_manifests, gateway_status)
"""The queries whose failure concerns the Gateway that is their argument."""


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

    def add(self, ref: Ref) -> None:
        """Begin with an object that can be read."""
        for query, changed in self._of(ref):
            self._db.add_root(query, (ref,), changed)
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
            self._set_outputs(ref, None)
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
            yield gateway_outputs, self._outputs_changed
            yield proxy_manifests, self._manifests_changed

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

    def _outputs_changed(self, memo: Memo) -> None:
        gateway: Any = memo.args[0]
        wanted: Any = memo.value
        if memo.failure is None:
            self._set_outputs(gateway, wanted)
        else:
            self._outputs.set_unlisted(gateway)

    def _set_outputs(self, gateway: Ref, wanted: Outputs | None) -> None:
        first, last = self._outputs.set_outputs(gateway, wanted)
        for each in first:
            self._db.add_root(*each, self._resource_changed)
        for each in last:
            self._db.remove_root(*each)

    def _resource_changed(self, memo: Memo) -> None:
        output: Any = (memo.query, memo.args)
        resource: Any = memo.value
        if memo.failure is None:
            self._outputs.set_resource(output, resource)
        else:
            self._outputs.set_failing(output)

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
