"""The inventory of this controller's deployed objects, by Gateway, as last observed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import orjson

from translator.infrastructure.manifest import DEPLOYED_KINDS, WORKLOADS
from translator.infrastructure.names import GATEWAY_NAME, MANAGER, owned_by, resource_name
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.diagnostics import DiagnosticSet
from watchers.informers.list_watch import ObjectChange
from watchers.informers.reflector import Reflector, Scope
from watchers.kubernetes.client import ApiClient


class Live(NamedTuple):
    """An object that is there.

    Attributes:
        gateway: the Gateway that it is for, be that there or not; None where that cannot be told, or it is not Headgate
            that made the object.
        body: all of it that can matter, as JSON: some kilobytes for each object.
    """

    gateway: Ref | None
    uid: str
    resource_version: str
    body: bytes

    @property
    def raw(self) -> dict[str, Any]:
        """The object, decoded anew."""
        raw: dict[str, Any] = orjson.loads(self.body)
        return raw


class Scale(NamedTuple):
    """The desired and the ready number of a Gateway's proxies."""

    gateway: Ref
    wanted: int
    ready: int


def live(ref: Ref, raw: Mapping[str, Any]) -> Live:
    """Keep of an object what can matter."""
    metadata = dict(raw["metadata"])
    managers = metadata.pop("managedFields", None)
    body = orjson.dumps({**raw, "metadata": metadata})
    gateway = _gateway(ref, metadata) if not managers or any(map(_is_ours, managers)) else None
    return Live(gateway, str(metadata.get("uid")), metadata["resourceVersion"], body)


def _is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `metadata.managedFields` says that Headgate applied the object: no copy of one has that."""
    return (entry.get("manager"), entry.get("operation")) == (MANAGER, "Apply")


def _gateway(ref: Ref, metadata: Mapping[str, Any]) -> Ref | None:
    """Return the Gateway that an object is for: its owner; if somebody took the owner away, by the label.

    A label may be shortened: then it is the name of no Gateway. What is not called as Headgate calls it is somebody's
    copy, labels and owner included.
    """
    owners = metadata.get("ownerReferences") or ()
    owner = next((each["name"] for each in owners if each.get("kind") == Gateway.kind), None)
    found = Ref(Gateway.kind, ref.namespace, owner or (metadata.get("labels") or {}).get(GATEWAY_NAME, ""))
    return found if resource_name(found) == ref.name else None


class Inventory:
    """All objects that carry the labels of this controller."""

    def __init__(self) -> None:
        self._handlers: list[Callable[[Iterable[Ref]], None]] = []
        self._live: dict[Ref, Live] = {}
        self._of: dict[Ref, set[Ref]] = {}

    def add_event_handler(self, handler: Callable[[Iterable[Ref]], None]) -> None:
        """Call a handler with the Gateways of which something came, changed or went, whenever it does."""
        self._handlers.append(handler)

    def get(self, ref: Ref) -> Live | None:
        """Give an object, None if it is not there, as far as is known."""
        return self._live.get(ref)

    def of(self, gateway: Ref) -> Iterator[tuple[Ref, Live]]:
        """Give the objects of a Gateway, in the order of their names."""
        for ref in sorted(self._of.get(gateway, ())):
            yield ref, self._live[ref]

    def has(self, gateway: Ref) -> bool:
        """Tell whether something is there for a Gateway."""
        return gateway in self._of

    @property
    def gateways(self) -> frozenset[Ref]:
        """All Gateways for which something is there."""
        return frozenset(self._of)

    def scales(self) -> Iterator[Scale]:
        """Give for each Deployment and DaemonSet how many proxies it is to run, and how many are ready."""
        for ref, found in self._live.items():
            if ref.kind in WORKLOADS and found.gateway is not None:
                raw = found.raw
                spec, status = raw.get("spec") or {}, raw.get("status") or {}
                wanted = spec.get("replicas", status.get("desiredNumberScheduled", 0))
                yield Scale(found.gateway, wanted, status.get("readyReplicas", status.get("numberReady", 0)))

    def observe(self, changes: Iterable[ObjectChange]) -> None:
        """Take objects that came, changed or went."""
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
    """Keep one kind of an inventory up to date, until it is cancelled.

    Args:
        inventory: is told what changes.
        client: for the API server.
        model: one of `translator.infrastructure.manifest.DEPLOYED_KINDS`.
        controller: the name of the controller, whose objects count.
        synced: called once all that was there at the start is told.
        namespace: the only one in which there are proxies; "" for all.
        diagnostics: is told what is wrong.
    """
    assert model.kind in DEPLOYED_KINDS
    reflector = Reflector(client, model, Scope(namespace, owned_by(controller)), diagnostics=diagnostics)
    told = False
    async with aclosing(reflector.batches()) as batches:
        async for changes, complete in batches:
            inventory.observe(changes)
            if complete and not told:
                told = True
                synced()
