"""ReferenceGrants: permission to refer to objects of another namespace (GEP-709)."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import index, query
from translator.objects.gateway_api.referencegrant import ReferenceGrant
from translator.outcome import Problem
from translator.refs import Ref


class Grantee(NamedTuple):
    """The objects of one kind and namespace that refer to a namespace."""

    group: str
    kind: str
    namespace: str
    to_namespace: str


class GrantTarget(NamedTuple):
    """The referents: objects of a kind, or the one with `name` where that is not empty."""

    group: str
    kind: str
    name: str


@index(ReferenceGrant.kind, partitions=lambda _, ref: (ref.namespace,), partition_of=attrgetter("to_namespace"))
def grants(db: Db, ref: Ref) -> Iterator[tuple[Grantee, GrantTarget]]:
    """File what each ReferenceGrant permits under whom it permits it to."""
    grant = db.get(ReferenceGrant, ref)
    if grant is None:
        return
    for giver in grant.spec.from_:
        for to in grant.spec.to:
            grantee = Grantee(giver.group, giver.kind, giver.namespace, ref.namespace)
            yield grantee, GrantTarget(to.group, to.kind, to.name or "")


@query(firewall=True)
def granted(db: Db, grantee: Grantee, target: GrantTarget) -> bool:
    """Whether some ReferenceGrant lets `grantee` refer to `target`; within a namespace nothing is needed."""
    return is_granted(db, grantee, target)


def is_granted(db: Db, grantee: Grantee, target: GrantTarget) -> bool:
    """Return the same as `granted`, for callers that have few readers: nothing of it is stored."""
    if grantee.namespace == grantee.to_namespace:
        return True
    permitted = db.select(grants, grantee)
    return target in permitted or GrantTarget(target.group, target.kind, "") in permitted


def grant_for(db: Db, owner: Ref, target: Ref) -> tuple[Grantee, GrantTarget]:
    """Return who has to be permitted what for an object to refer to another; both are of kinds that are read."""
    grantee = Grantee(db.registry.kinds[owner.kind].group, owner.kind, owner.namespace, target.namespace)
    return grantee, GrantTarget(db.registry.kinds[target.kind].group, target.kind, target.name)


def not_permitted(db: Db, grantee: Grantee, target: GrantTarget, field: str) -> Problem | None:
    """Return the problem of a reference that no ReferenceGrant permits, and what one would have to hold; else None."""
    # Nearly all references stay in their namespace: no memo is kept for each of them.
    if grantee.namespace == grantee.to_namespace or granted(db, grantee, target):
        return None
    return Problem(
        "ResolvedRefs",
        "RefNotPermitted",
        f"{field}: {target.kind} {grantee.to_namespace}/{target.name} is in another namespace, and no ReferenceGrant "
        f"there permits it; create one in {grantee.to_namespace} from {grantee.kind} ({grantee.group or 'core'}) "
        f"in namespace {grantee.namespace} to {target.kind}.",
    )
