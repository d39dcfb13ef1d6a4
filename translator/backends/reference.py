"""What a backendRef names: the backend, by the kind of the object; or why it names none."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

from translator.db import Db
from translator.ir.backend import Backend, BackendEndpoint, Protocol
from translator.kinds import BackendKind, RouteKind
from translator.objects.gateway_api.references import BackendObjectReference, qualified_kind
from translator.objects.headgate.backend import HeadgateBackend
from translator.outcome import Outcome, Problem, not_resolved
from translator.permissions.reference_grants import Grantee, GrantTarget, not_permitted
from translator.policies.backends import at_port
from translator.refs import Ref

REFERRING: Final = ("priority_groups", "mcp", "a2a", "ai")
"""The members of Backends that have references to backends."""
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
    named = _named(db, group, route, reference, field)
    if isinstance(named, Problem):
        return Outcome(None, (named,))
    found, ref = named
    routes = db.registry.route(route.kind)
    resolved = _resolved(db, routes, found, ref, reference.port or 0, passthrough)
    if resolved is None:
        text = f"{field}: {reference.kind} is no kind of backend of a {route.kind}; refer to an object of another kind."
        return not_resolved("InvalidKind", text)
    spoken = _spoken(routes, found, ref, resolved)
    if not spoken.problems:
        return spoken
    return Outcome(spoken.value, tuple(_at(field, each) for each in spoken.problems))


def backend_of_policy(
    db: Db, policy: Ref, reference: BackendObjectReference, field: str, protocol: Protocol = Protocol.HTTP1
) -> Outcome[Backend | None]:
    """Resolve a reference of a policy to what requests are sent to; grants are those of the policy's kind.

    Args:
        db: the database.
        policy: the policy, or what else is no route, in whose namespace it is unless it names another.
        reference: the reference.
        field: where it stands, for messages.
        protocol: what is spoken where the backend does not say; with HTTP/2 nothing else may be, as gRPC needs it.
    """
    named = _named(db, db.registry.kinds[policy.kind].group, policy, reference, field)
    if isinstance(named, Problem):
        return Outcome(None, (named,))
    found, ref = named
    resolved = found.resolve(db, ref, reference.port or 0)
    made = resolved.value
    if made is not None and not made.protocol:
        made = _speaking(made, protocol.value)
    if made is not None and protocol is Protocol.H2C and made.protocol != protocol.value:
        text = (
            f"{field}: {at_port(ref, made.port)}: its {found.protocol_field} asks for {NAMES[Protocol(made.protocol)]},"
            " and gRPC needs HTTP/2; change it, or remove it."
        )
        return Outcome(None, (Problem("ResolvedRefs", "UnsupportedProtocol", text),))
    return for_calls(Outcome(made, tuple(_at(field, each) for each in resolved.problems)), field)


def group_member(db: Db, owner: Ref, reference: BackendObjectReference, field: str) -> Outcome[Backend | None]:
    """Resolve a reference of a Backend to what is one of its own; grants are those of the Backend's kind.

    A Backend that refers to others is none: these could lead back to the first.

    Args:
        db: the database.
        owner: the Backend.
        reference: the reference.
        field: where it stands, for messages.
    """
    named = _named(db, db.registry.kinds[owner.kind].group, owner, reference, field)
    if isinstance(named, Problem):
        return Outcome(None, (named,))
    found, ref = named
    if ref == owner:
        text = f"{field}: is this {owner.kind} itself; refer to a Service, or to a Backend of hosts."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    other = db.get(HeadgateBackend, ref) if ref.kind == HeadgateBackend.kind else None
    if other is not None and any(getattr(other.spec, each) is not None for each in REFERRING):
        text = (
            f"{field}: {ref} refers to other backends itself, which could lead back here; refer to a Service, or to a "
            f"Backend of hosts."
        )
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    resolved = found.resolve(db, ref, reference.port or 0)
    return Outcome(resolved.value, tuple(_at(field, each) for each in resolved.problems))


def for_calls(resolved: Outcome[Backend | None], field: str) -> Outcome[Backend | None]:
    """Return a backend that the proxy itself calls, or sends copies to; none if that is not for these.

    Envoy checks the addresses of hosts where clients have sent requests, and lets its own calls go anywhere.
    """
    found = resolved.value
    if found is None or not any(each.for_clients_only for each in found.settings):
        return resolved
    if reason := next((each.routes_only for each in found.settings if each.routes_only), ""):
        text = f"{field}: {reason}."
        return Outcome(None, (*resolved.problems, Problem("ResolvedRefs", "UnsupportedValue", text)))
    text = (
        f"{field}: {Ref(*found.key)} may get requests of clients only: where its names lead is not checked for calls "
        f"of the proxy itself, nor for copies of requests; refer to a Service, or to a Backend of IP addresses."
    )
    return Outcome(None, (*resolved.problems, Problem("ResolvedRefs", "UnsupportedValue", text)))


def not_found(db: Db, ref: Ref) -> Outcome[None]:
    """Return that an object of a kind with a definition of its own is no backend, since it is not there, or not valid.

    Messages begin with the object.
    """
    if not db.is_served(ref.kind):
        text = f"{ref} does not exist: the cluster does not serve the kind; install its definition."
    elif reason := db.invalid_reason(ref):
        text = f"{ref} is not valid, and never was: {reason}."
    else:
        text = f"{ref} does not exist; create it or correct the reference."
    return not_resolved("BackendNotFound", text)


def _named(
    db: Db, group: str, owner: Ref, reference: BackendObjectReference, field: str
) -> tuple[BackendKind, Ref] | Problem:
    """Return the object that a reference of `owner`, of a kind of `group`, names; or why it may not be a backend."""
    found = db.registry.backend_of(reference.group, reference.kind)
    if found is None:
        kind = qualified_kind(reference.group, reference.kind)
        known = " or ".join(each.model.kind for each in db.registry.backends)
        text = f"{field}: a {kind} is not supported as a backend; refer to one of kind {known}."
        return Problem("ResolvedRefs", "InvalidKind", text)
    ref = Ref(reference.kind, reference.namespace or owner.namespace, reference.name)
    return refused(db, group, owner, found, ref, field) or (found, ref)


def backend_endpoints(db: Db, backend: Backend) -> tuple[BackendEndpoint, ...]:
    """Return the endpoints of a backend; of one whose names Envoy resolves these names."""
    if backend.named:
        return backend.named
    return db.registry.backend(backend.key.kind).endpoints(db, backend)


def refused(db: Db, group: str, route: Ref, backends: BackendKind, ref: Ref, field: str = "") -> Problem | None:
    """Return why a route, of a kind of `group`, may not name an object as a backend; None if it may."""
    if backends.own_namespace_only and ref.namespace != route.namespace:
        text = (
            f"{field}: {ref} is in another namespace, and a route may refer to objects of kind {ref.kind} in its own "
            f"namespace only, whatever ReferenceGrants there are; create one in {route.namespace}."
        )
        return Problem("ResolvedRefs", "RefNotPermitted", text)
    grantee = Grantee(group, route.kind, route.namespace, ref.namespace)
    target = GrantTarget(backends.model.group, ref.kind, ref.name)
    return not_permitted(db, grantee, target, field)


def _resolved(
    db: Db, routes: RouteKind, backends: BackendKind, ref: Ref, port: int, passthrough: bool
) -> Outcome[Backend | None] | None:
    """Resolve a port of an object for a kind of route; None if such an object is no backend of that."""
    if routes.l4_rules is None:
        return backends.resolve(db, ref, port)
    if Protocol.UDP in routes.backend_protocols:
        return backends.datagrams(db, ref, port) if backends.datagrams is not None else None
    return backends.connect(db, ref, port, passthrough) if backends.connect is not None else None


def _spoken(
    kind: RouteKind, backends: BackendKind, ref: Ref, resolved: Outcome[Backend | None]
) -> Outcome[Backend | None]:
    """Return a backend with the protocol that a kind of route speaks to it, or why it can speak none."""
    found = resolved.value
    if found is None:
        return resolved
    if not found.protocol:
        return Outcome(_speaking(found, kind.backend_protocols[0].value), resolved.problems)
    if Protocol(found.protocol) in kind.backend_protocols:
        return resolved
    speak = " or ".join(NAMES[each] for each in kind.backend_protocols)
    text = (
        f"{at_port(ref, found.port)}: its {backends.protocol_field} asks for {NAMES[Protocol(found.protocol)]}, and "
        f"routes of kind {kind.model.kind} speak {speak} only; change it, or remove it."
    )
    return Outcome(None, (*resolved.problems, Problem("ResolvedRefs", "UnsupportedProtocol", text)))


@lru_cache(maxsize=65536)  # one value for all rules that name it, as without a protocol there is
def _speaking(found: Backend, protocol: str) -> Backend:
    return replace(found, protocol=protocol)


def _at(field: str, problem: Problem) -> Problem:
    return problem._replace(message=f"{field}: {problem.message}")
