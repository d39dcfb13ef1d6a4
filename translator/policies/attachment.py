"""Attachment of policies: which of them an object has, in their order (GEP-713)."""

from __future__ import annotations

from collections.abc import Iterable

from translator.db import Db
from translator.engine.query import NotSyncedError, query
from translator.kinds import Level
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.gateway_api.route import Route
from translator.objects.headgate.backend import HeadgateBackend
from translator.policies.selection import policies_of_backends, policies_of_services, selected_in, selected_of
from translator.policies.targets import BACKENDS, AttachedPolicy, PolicyShard, attached_policies, targeted_shards
from translator.refs import Ref


@query(firewall=True)
def any_policies(db: Db, shard: PolicyShard) -> bool:
    """Return whether an object of a shard has a policy: while none has, nobody looks for those of each."""
    return db.count(targeted_shards, shard) > 0 or db.count(selected_in(shard), shard) > 0


def has_policies(db: Db, ref: Ref) -> bool:
    """Return whether an object, or a section of it, is a target of a policy."""
    return db.count(attached_policies, ref) > 0 or db.count(selected_of(db, ref.kind), ref) > 0


def names_policies(db: Db, route: Ref) -> bool:
    """Return whether filters of a route, or of its backendRefs, name policies."""
    found = db.get(Route, route)
    for rule in getattr(found.spec, "rules", ()) if found is not None else ():
        sites = (rule, *rule.backend_refs)
        if any(referenced_policies(db, getattr(each, "filters", ()), route.namespace) for each in sites):
            return True
    return False


def composes_filters(db: Db, route: Ref) -> bool:
    """Return whether filters of a route, or its matches, configure Envoy's HTTP filters, as policies do."""
    found, types = db.get(Route, route), db.registry.composed_filters
    if found is None:
        return False
    rules = getattr(found.spec, "rules", ())
    if found.reads_model or any(each.type in types for rule in rules for each in getattr(rule, "filters", ())):
        return True
    return any(is_provider(db, found.ref, each) for rule in rules for each in rule.backend_refs)


def is_provider(db: Db, route: Ref, reference: BackendObjectReference) -> bool:
    """Return whether a backendRef of a route names a Backend of AI providers: their requests have their model read."""
    if (reference.group, reference.kind) != (HeadgateBackend.group, HeadgateBackend.kind):
        return False
    found = db.get(HeadgateBackend, Ref(reference.kind, reference.namespace or route.namespace, reference.name))
    return found is not None and found.spec.ai is not None


def policies_at(db: Db, ref: Ref, section: str = "") -> tuple[Ref, ...]:
    """Return the policies at an object, or at a section of it, the one that wins last."""
    found: list[AttachedPolicy] = [*db.select(attached_policies, ref)]
    found += [each for each in db.select(selected_of(db, ref.kind), ref) if isinstance(each, AttachedPolicy)]
    here = dict.fromkeys(each.policy for each in sorted(found) if each.section == section)
    return tuple(reversed(here))


@query(firewall=True)
def may_have_backend_policies(db: Db) -> bool:
    """Return whether there may be a policy for a backend: while there is none, nobody asks for the shards of backends.

    While that is not known, they ask, so that it holds up only those whose backends may have the policy (ADR 12).
    """
    try:
        return (
            db.count(targeted_shards, BACKENDS) > 0
            or db.count(policies_of_services, BACKENDS) > 0
            or db.count(policies_of_backends, BACKENDS) > 0
        )
    except NotSyncedError:
        return True


def referenced_policies(db: Db, filters: Iterable[RouteFilter], namespace: str) -> tuple[Ref, ...]:
    """Return the policies that filters of a rule or of a backendRef name, the one that wins last.

    They need not exist. Their namespace is that of the route; of several filters the first wins.
    """
    found: dict[Ref, None] = {}
    for each in filters:
        reference = each.extension_ref
        kind = db.registry.policy_of(reference.kind) if reference is not None else None
        if reference is None or kind is None or kind.model.group != reference.group:
            continue
        if Level.EXTENSION_REF in kind.levels:
            found[Ref(reference.kind, namespace, reference.name)] = None
    return tuple(reversed(found))
