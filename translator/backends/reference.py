"""What a backendRef names: the backend, by the kind of the object; or why it names none."""

from __future__ import annotations

from translator.db import Db
from translator.gateway.reference_grants import Grantee, GrantTarget, granted, not_permitted
from translator.ir.backend import Backend
from translator.objects.gateway_api.references import BackendObjectReference
from translator.outcome import Outcome, Problem
from translator.refs import Ref


def backend(db: Db, group: str, route: Ref, reference: BackendObjectReference, field: str) -> Outcome[Backend | None]:
    """Resolve a reference of `route`, whose kind is of `group`; `field` is where it stands, for messages."""
    found = db.registry.backend_of(reference.group, reference.kind)
    if found is None:
        kind = f"{reference.kind}.{reference.group}" if reference.group else reference.kind
        known = " or ".join(f"a {each.model.kind}" for each in db.registry.backends)
        text = f"{field}: a {kind} is not supported as a backend; refer to {known}."
        return Outcome(None, (Problem("ResolvedRefs", "InvalidKind", text),))
    ref = Ref(reference.kind, reference.namespace or route.namespace, reference.name)
    grantee = Grantee(group, route.kind, route.namespace, ref.namespace)
    target = GrantTarget(reference.group, ref.kind, ref.name)
    if not granted(db, grantee, target):
        return Outcome(None, (not_permitted(grantee, target, field),))
    resolved = found.resolve(db, ref, reference.port or 0)
    if not resolved.problems:
        return resolved
    return Outcome(resolved.value, tuple(_at(field, each) for each in resolved.problems))


def _at(field: str, problem: Problem) -> Problem:
    return problem._replace(message=f"{field}: {problem.message}")
