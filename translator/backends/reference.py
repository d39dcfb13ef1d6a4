"""What a backendRef names: the backend, by the kind of the object; or why it names none."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

from translator.db import Db
from translator.gateway.reference_grants import Grantee, GrantTarget, granted, not_permitted
from translator.ir.backend import Backend, Protocol
from translator.kinds import BackendKind, RouteKind
from translator.objects.gateway_api.references import BackendObjectReference, qualified_kind
from translator.outcome import Outcome, Problem
from translator.refs import Ref

NAMES: Final = {Protocol.HTTP1: "HTTP/1.1", Protocol.H2C: "HTTP/2", Protocol.TCP: "TCP", Protocol.UDP: "UDP"}


def backend(
    db: Db, group: str, route: Ref, reference: BackendObjectReference, field: str, *, passthrough: bool = False
) -> Outcome[Backend | None]:
    """Resolve a reference of a route.

    Args:
        db: the database.
        group: the group of the route's kind.
        route: the route.
        reference: the reference.
        field: where it stands, for messages.
        passthrough: whether TLS is passed through to it.
    """
    found = db.registry.backend_of(reference.group, reference.kind)
    if found is None:
        kind = qualified_kind(reference.group, reference.kind)
        known = " or ".join(f"a {each.model.kind}" for each in db.registry.backends)
        text = f"{field}: a {kind} is not supported as a backend; refer to {known}."
        return Outcome(None, (Problem("ResolvedRefs", "InvalidKind", text),))
    ref = Ref(reference.kind, reference.namespace or route.namespace, reference.name)
    grantee = Grantee(group, route.kind, route.namespace, ref.namespace)
    target = GrantTarget(reference.group, ref.kind, ref.name)
    if not granted(db, grantee, target):
        return Outcome(None, (not_permitted(grantee, target, field),))
    routes = db.registry.route(route.kind)
    resolved = _resolved(db, routes, found, ref, reference.port or 0, passthrough)
    if resolved is None:
        text = f"{field}: a {reference.kind} is no backend of a {route.kind}; refer to another kind of object."
        return Outcome(None, (Problem("ResolvedRefs", "InvalidKind", text),))
    spoken = _spoken(routes, ref, resolved)
    if not spoken.problems:
        return spoken
    return Outcome(spoken.value, tuple(_at(field, each) for each in spoken.problems))


def _resolved(
    db: Db, routes: RouteKind, backends: BackendKind, ref: Ref, port: int, passthrough: bool
) -> Outcome[Backend | None] | None:
    """Resolve a port of an object for a kind of route; None if such an object is no backend of that."""
    if routes.l4_rules is None:
        return backends.resolve(db, ref, port)
    if Protocol.UDP in routes.backend_protocols:
        return backends.datagrams(db, ref, port) if backends.datagrams is not None else None
    return backends.connect(db, ref, port, passthrough) if backends.connect is not None else None


def _spoken(kind: RouteKind, ref: Ref, resolved: Outcome[Backend | None]) -> Outcome[Backend | None]:
    """Return a backend with the protocol that a kind of route speaks to it, or why it can speak none."""
    found = resolved.value
    if found is None:
        return resolved
    if not found.protocol:
        return Outcome(_speaking(found, kind.backend_protocols[0].value), resolved.problems)
    if Protocol(found.protocol) in kind.backend_protocols:
        return resolved
    text = (
        f"{ref} port {found.port}: its appProtocol asks for {NAMES[Protocol(found.protocol)]}, and routes of kind "
        f"{kind.model.kind} speak {' or '.join(NAMES[each] for each in kind.backend_protocols)} only; change it, or "
        f"remove it."
    )
    return Outcome(None, (*resolved.problems, Problem("ResolvedRefs", "UnsupportedProtocol", text)))


@lru_cache(maxsize=65536)  # one value for all rules that name it, as without a protocol there is
def _speaking(found: Backend, protocol: str) -> Backend:
    return replace(found, protocol=protocol)


def _at(field: str, problem: Problem) -> Problem:
    return problem._replace(message=f"{field}: {problem.message}")
