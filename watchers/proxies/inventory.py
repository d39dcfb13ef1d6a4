"""The inventory: the last observed state of this controller's deployed objects, by Gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import orjson

from translator.infrastructure.manifest import DEPLOYED_KINDS, WORKLOADS
from translator.infrastructure.names import GATEWAY_NAME, MANAGER, own_service_name, owned_by, resource_name
from translator.infrastructure.own_service import OWN_SERVICES
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.diagnostics import DiagnosticSet
from watchers.informers.list_watch import ObjectChange
from watchers.informers.reflector import Reflector, Scope
from watchers.kubernetes.client import ApiClient


class Live(NamedTuple):
    """An observed object.

    Attributes:
        gateway: the Gateway that it belongs to, which may not exist; None if that is unknown, or if Headgate did not
            create the object.
        body: the object without managedFields, as JSON: a few kilobytes.
    """

    gateway: Ref | None
    uid: str
    resource_version: str
    body: bytes

    @property
    def raw(self) -> dict[str, Any]:
        """The object, decoded at each access."""
        raw: dict[str, Any] = orjson.loads(self.body)
        return raw


class Scale(NamedTuple):
    """The desired and the ready number of a Gateway's proxies."""

    gateway: Ref
    wanted: int
    ready: int


def live(ref: Ref, raw: Mapping[str, Any]) -> Live:
    """Return the observed state of an object."""
    metadata = dict(raw["metadata"])
    managers = metadata.pop("managedFields", None)
    body = orjson.dumps({**raw, "metadata": metadata})
    gateway = _gateway(ref, metadata) if not managers or any(map(_is_ours, managers)) else None
    return Live(gateway, str(metadata.get("uid")), metadata["resourceVersion"], body)


def _is_ours(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of `metadata.managedFields` is of Headgate's applies; copies of the object have none."""
    return (entry.get("manager"), entry.get("operation")) == (MANAGER, "Apply")


def _gateway(ref: Ref, metadata: Mapping[str, Any]) -> Ref | None:
    """Return the Gateway that an object belongs to: its owner or, without an owner reference, that of its label.

    A label may be shortened, and then names no Gateway. An object with another name than Headgate's is a copy, although
    it has the labels and the owner.
    """
    owners = metadata.get("ownerReferences") or ()
    owner = next((each["name"] for each in owners if each.get("kind") == Gateway.kind), None)
    found = Ref(Gateway.kind, ref.namespace, owner or (metadata.get("labels") or {}).get(GATEWAY_NAME, ""))
    names = (own_service_name(each.prefix, found) for each in OWN_SERVICES)
    return found if ref.name in (resource_name(found), *names) else None


class Inventory:
    """The observed objects with the labels of this controller."""

    def __init__(self) -> None:
        self._handlers: list[Callable[[Iterable[Ref]], None]] = []
        self._live: dict[Ref, Live] = {}
        self._of: dict[Ref, set[Ref]] = {}

    def add_event_handler(self, handler: Callable[[Iterable[Ref]], None]) -> None:
        """Register a handler of changes; it takes the Gateways whose objects were created, changed or deleted."""
        self._handlers.append(handler)

    def get(self, ref: Ref) -> Live | None:
        """Return an object, None if none is observed."""
        return self._live.get(ref)

    def of(self, gateway: Ref) -> Iterator[tuple[Ref, Live]]:
        """Yield the objects of a Gateway, sorted."""
        for ref in sorted(self._of.get(gateway, ())):
            yield ref, self._live[ref]

    def has(self, gateway: Ref) -> bool:
        """Return whether a Gateway has objects."""
        return gateway in self._of

    @property
    def gateways(self) -> frozenset[Ref]:
        """All Gateways that have objects."""
        return frozenset(self._of)

    def scales(self) -> Iterator[Scale]:
        """Yield the desired and the ready number of proxies of each Deployment and DaemonSet."""
        for ref, found in self._live.items():
            if ref.kind in WORKLOADS and found.gateway is not None and ref.name == resource_name(found.gateway):
                raw = found.raw
                spec, status = raw.get("spec") or {}, raw.get("status") or {}
                wanted = spec.get("replicas", status.get("desiredNumberScheduled", 0))
                yield Scale(found.gateway, wanted, status.get("readyReplicas", status.get("numberReady", 0)))

    def observe(self, changes: Iterable[ObjectChange]) -> None:
        """Apply changes of observed objects."""
        touched: dict[Ref, None] = {}
        for ref, raw in changes:
            before = self._live.pop(ref, None)
            if before is not None and before.gateway is not None:
                touched[before.gateway] = None
                self._drop(before.gateway, ref)
            if raw is not None:
                self._live[ref] = after = live(ref, raw)
                if after.gateway is not None:
                    touched[after.gateway] = None
                    self._of.setdefault(after.gateway, set()).add(ref)
        if touched:
            for handler in self._handlers:
                handler(touched)

    def _drop(self, gateway: Ref, ref: Ref) -> None:
        self._of[gateway].discard(ref)
        if not self._of[gateway]:
            del self._of[gateway]


async def follow(
    inventory: Inventory,
    client: ApiClient,
    model: type[KubernetesObject],
    controller: str,
    synced: Callable[[], None],
    namespace: str = "",
    diagnostics: DiagnosticSet | None = None,
) -> None:
    """Update one kind of an inventory, until cancelled.

    Args:
        inventory: takes the changes.
        client: the client of the API server.
        model: one of `translator.infrastructure.manifest.DEPLOYED_KINDS`.
        controller: the name of the controller, whose objects are selected by label.
        synced: called once the initial list is in the inventory.
        namespace: the namespace to watch; "" for all.
        diagnostics: takes the failures of the watch.
    """
    assert model.kind in DEPLOYED_KINDS
    reflector = Reflector(client, model, Scope(namespace, owned_by(controller)), diagnostics=diagnostics)
    is_synced = False
    async with aclosing(reflector.batches()) as batches:
        async for changes, complete in batches:
            inventory.observe(changes)
            if complete and not is_synced:
                is_synced = True
                synced()
