"""ListenerSets: the Gateways that serve their listeners (GEP-1713)."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.gateway.gateways import gateway_spec, is_managed
from translator.objects.gateway_api.gateway import Gateway, ListenerNamespaces
from translator.objects.gateway_api.listenerset import ListenerSet, ParentGatewayReference
from translator.permissions.namespaces import permits
from translator.refs import Ref


def parent_of(found: ListenerSet) -> Ref | None:
    """Return the Gateway that a ListenerSet names; None if it names an object of another kind."""
    return referenced(found.spec.parent_ref, found.metadata.namespace)


def referenced(reference: ParentGatewayReference, namespace: str) -> Ref | None:
    """Return the Gateway that a ListenerSet of a namespace refers to; None if it refers to another kind of object."""
    if (reference.group, reference.kind) != (Gateway.group, Gateway.kind):
        return None
    return Ref(Gateway.kind, reference.namespace or namespace, reference.name)


def named_gateway(db: Db, owner: Ref) -> Ref | None:
    """Return the Gateway whose listeners an object has: itself, or the one that a ListenerSet names."""
    if owner.kind == Gateway.kind:
        return owner
    found = db.get(ListenerSet, owner)
    return None if found is None else parent_of(found)


@query(firewall=True)
def parent_gateway(db: Db, owner: Ref) -> Ref | None:
    """Return the same if that is a Gateway of ours, whether or not it lets a ListenerSet attach; else None."""
    gateway = named_gateway(db, owner)
    return gateway if gateway is not None and is_managed(db, gateway) else None


@query(firewall=True)
def serving_gateway(db: Db, owner: Ref) -> Ref | None:
    """Return the Gateway of ours that serves the listeners of an object; None if none does."""
    gateway = parent_gateway(db, owner)
    if gateway is None or gateway == owner:
        return gateway
    namespaces = allowed_listeners(db, gateway)
    return gateway if permits(db, namespaces, gateway.namespace, owner.namespace) else None


@query(firewall=True)
def allowed_listeners(db: Db, gateway: Ref) -> ListenerNamespaces:
    """Return the namespaces whose ListenerSets may attach to a Gateway; by default none."""
    spec = gateway_spec(db, gateway)
    return spec.allowed_listeners.namespaces if spec is not None and spec.allowed_listeners else ListenerNamespaces()


def possible_gateways(db: Db, owner: Ref) -> tuple[Ref, ...]:
    """Return the Gateways that may serve the listeners of an object: the partitions of the indexes of listeners."""
    gateway = named_gateway(db, owner)
    return () if gateway is None else (gateway,)


def gateway_partition(gateway: Ref) -> Ref:
    """Return the partition of what an index of listeners has under a Gateway: the Gateway itself."""
    return gateway
