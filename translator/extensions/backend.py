"""Backends: what routes and policies send requests to that is no Service.

A Backend has one member, which says what it is; each member has a module of its own. BackendTLSPolicies and other
policies for backends hold for all of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from translator.backends.reference import not_found
from translator.backends.service import TLS_PROTOCOLS
from translator.db import Db
from translator.engine.query import query
from translator.extension import Extension
from translator.extensions import (
    a2a_backend,
    backend_ai,
    backend_aws,
    backend_forward_proxy,
    backend_gcp,
    backend_groups,
    backend_static,
    mcp_backend,
)
from translator.extensions.backend_members import BackendMember
from translator.ir.backend import Backend, BackendEndpoint
from translator.kinds import BackendKind
from translator.objects.headgate.backend import HeadgateBackend
from translator.outcome import Outcome, Problem, not_resolved
from translator.policies.backends import with_policies
from translator.refs import Ref

MEMBERS: Final = {
    each.name: each
    for each in (
        backend_static.MEMBER,
        backend_aws.MEMBER,
        backend_gcp.MEMBER,
        backend_forward_proxy.MEMBER,
        backend_groups.MEMBER,
        mcp_backend.MEMBER,
        a2a_backend.MEMBER,
        backend_ai.MEMBER,
    )
}
"""The members of Backends, by their names in the model."""


def _member(found: HeadgateBackend) -> tuple[BackendMember, Any]:
    """Return the declaration of the member that is set, and its value."""
    name = found.spec.member
    return MEMBERS[name], getattr(found.spec, name)


@query
def declared(db: Db, ref: Ref) -> Outcome[Backend | None]:
    """Return the backend that a Backend is, without its policies, and what is wrong with it; none if it is refused.

    Messages begin with the path of the field.
    """
    found = db.get(HeadgateBackend, ref)
    if found is None:
        return Outcome(None)
    member, value = _member(found)
    read = member.read(db, ref, value)
    alias = type(found.spec).model_fields[member.name].alias or member.name
    return Outcome(read.value, tuple(_below(f"spec.{alias}.", each) for each in read.problems))


def _below(path: str, problem: Problem) -> Problem:
    return problem._replace(message=(path.removesuffix(".") if problem.message[0] == "[" else path) + problem.message)


def _connects(found: HeadgateBackend) -> bool:
    member, value = _member(found)
    return member.connections(value)


@query(firewall=True)
def backend(db: Db, ref: Ref, port: int) -> Outcome[Backend | None]:
    """Return the backend that a Backend is, whatever port a reference names, or why it can be none."""
    resolved = _resolved(db, ref)
    found = db.get(HeadgateBackend, ref)
    if found is not None and _member(found)[0].own_policies:
        return resolved
    resolved = with_policies(db, ref, "", resolved)
    fault = _unencrypted(db, ref, resolved.value)
    return Outcome(None, (*resolved.problems, fault)) if fault is not None else resolved


@query(firewall=True)
def connection(db: Db, ref: Ref, port: int, passthrough: bool) -> Outcome[Backend | None]:
    """Return the same for connections, of any protocol; policies do not concern TLS that is passed through."""
    found = db.get(HeadgateBackend, ref)
    if found is not None and not _connects(found):
        text = f"{ref}: spec.{found.spec.member} is for requests of HTTP only; use another backend."
        return not_resolved("UnsupportedProtocol", text)
    resolved = _resolved(db, ref)
    if resolved.value is not None and any(each.for_clients_only for each in resolved.value.settings):
        text = (
            f"{ref}: where its names lead cannot be checked for connections; list IP addresses, or have Headgate "
            f"started with --local-backends."
        )
        return not_resolved("UnsupportedValue", text)
    if resolved.value is not None:
        resolved = Outcome(replace(resolved.value, protocol=""), resolved.problems)
    if passthrough and resolved.value is not None:
        return Outcome(replace(resolved.value, settings=()), resolved.problems)
    return with_policies(db, ref, "", resolved)


def _resolved(db: Db, ref: Ref) -> Outcome[Backend | None]:
    """Return a Backend without its policies, or why it can be none: problems of the one who refers to it."""
    found = db.get(HeadgateBackend, ref)
    if found is None:
        return not_found(db, ref)
    read = declared(db, ref)
    if not read.problems:
        return read
    first, more = read.problems[0], len(read.problems) - 1
    text = f"{ref}: {first.message}" + (f" Its status says {more} more." if more else "")
    return Outcome(read.value, (Problem("ResolvedRefs", "InvalidBackend", text),))


def _unencrypted(db: Db, ref: Ref, resolved: Backend | None) -> Problem | None:
    """Return the problem that appProtocol asks for TLS and nothing says how to validate its certificate, if so."""
    found = db.get(HeadgateBackend, ref)
    protocol = found.spec.static.app_protocol if found is not None and found.spec.static is not None else None
    if protocol not in TLS_PROTOCOLS or resolved is None or any(each.encrypts for each in resolved.settings):
        return None
    text = (
        f"{ref}: spec.static.appProtocol: {protocol} asks for TLS, and nothing says how to validate the certificate, "
        f"so requests to it are refused; add a BackendTLSPolicy that targets it, or remove the appProtocol."
    )
    return Problem("ResolvedRefs", "UnsupportedProtocol", text)


@query
def endpoints(db: Db, found: Backend) -> tuple[BackendEndpoint, ...]:
    """Return the endpoints of a Backend: an edit of addresses changes nothing else."""
    source = db.get(HeadgateBackend, Ref(*found.key))
    if source is None:
        return ()
    member, value = _member(source)
    return member.endpoints(db, Ref(*found.key), value) if member.endpoints is not None else ()


@query
def problems(db: Db, ref: Ref) -> tuple[Problem, ...]:
    """Return what is wrong with a Backend, as the conditions of its status."""
    fault = _unencrypted(db, ref, with_policies(db, ref, "", _resolved(db, ref)).value)
    return (*declared(db, ref).problems, *((fault,) if fault is not None else ()))


EXTENSION = Extension(
    "Backend",
    backends=(
        BackendKind(HeadgateBackend, backend, endpoints, connection, problems=problems, protocol_field="appProtocol"),
    ),
)
