"""Backends of MCP servers: which servers they are, and what requests to them have."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from translator.backends.host_names import absolute
from translator.backends.reference import group_member
from translator.db import Db
from translator.extensions.backend_guard import GuardedHosts
from translator.extensions.backend_members import BackendMember
from translator.extensions.backend_static import host_fault
from translator.extensions.mcp_servers import Credential, McpServer, OneServer, other_headers
from translator.gateway.secrets import header_secret
from translator.ir.backend import Backend, BackendEndpoint, BackendKey, Protocol
from translator.languages.regex import check_regex
from translator.objects.headgate.mcpbackend import MCP_PATH, McpAuth, McpBackend, McpHost, McpTarget
from translator.objects.schema.scalars import is_ip_address
from translator.outcome import Outcome, Problem
from translator.policies.backends import with_policies
from translator.refs import Ref

AUTHORIZATION: Final = "authorization"
BEARER: Final = "Bearer "
KEY: Final = "apiKey"
"""The key of a Secret with a credential, unless the reference names another."""
USUAL: Final = (80, 443)
SILENCE: Final = 30_000
"""How long a server may be silent, in milliseconds, unless its Backend says otherwise."""


def read(db: Db, ref: Ref, found: McpBackend) -> Outcome[Backend | None]:
    """Return the backend that a server is; none if requests could go where they must not, or without what they need."""
    (target,) = found.targets
    field = "targets[0]"
    resolved = _server(db, ref, target, field)
    if resolved.value is None:
        return resolved
    host = "" if target.static is None else _authority(target.static)
    setting = OneServer(target.path or MCP_PATH, target.timeout or SILENCE, host)
    made = replace(resolved.value, settings=(*resolved.value.settings, setting))
    return Outcome(made, resolved.problems)


def _server(db: Db, ref: Ref, target: McpTarget, field: str) -> Outcome[Backend | None]:
    """Return the backend that a server is by itself, with what its cluster does."""
    if target.static is not None:
        resolved = _static(db, ref, target.static, f"{field}.static")
    else:
        assert target.backend_ref is not None
        resolved = group_member(db, ref, target.backend_ref, f"{field}.backendRef")
    if resolved.value is None:
        return resolved
    if any(each.routes_only or each.discovers for each in resolved.value.settings):
        text = (
            f"{field}.backendRef: {Ref(*resolved.value.key)} is no server by itself: its requests need filters or "
            f"hosts of their own; refer to a Service, or to a Backend of hosts."
        )
        return Outcome(None, (*resolved.problems, Problem("Accepted", "Invalid", text)))
    credential = _credential(db, ref, target.auth, f"{field}.auth.secretRef")
    if credential.problems:
        return Outcome(None, (*resolved.problems, *credential.problems))
    forwarded = tuple(sorted(target.forward_headers or ()))
    if check_regex(other_headers(forwarded)):
        text = f"{field}.forwardHeaders: the names are too long for Envoy, all together; leave some out."
        return Outcome(None, (*resolved.problems, Problem("Accepted", "Invalid", text)))
    setting = McpServer(forwarded, credential.value)
    made = replace(resolved.value, settings=(*resolved.value.settings, setting))
    return Outcome(made, resolved.problems)


def _static(db: Db, ref: Ref, found: McpHost, field: str) -> Outcome[Backend | None]:
    if fault := host_fault(db.settings, found.host, found.port):
        return Outcome(None, (Problem("Accepted", "Invalid", f"{field}.host: {fault}."),))
    named = not is_ip_address(found.host)
    # Where a name leads is known once it is resolved.
    settings = (GuardedHosts(),) if named and not db.settings.local_backends else ()
    hosts = (BackendEndpoint(absolute(db.settings, found.host) if named else found.host, found.port),)
    made = Backend(BackendKey(*ref), found.port, Protocol.HTTP1.value, settings=settings, hosts=hosts)
    return with_policies(db, ref, "", Outcome(made))


def _authority(found: McpHost) -> str:
    """Return the Host of requests: without the port where it is the usual one of HTTP or HTTPS."""
    host = f"[{found.host}]" if ":" in found.host else found.host.rstrip(".")
    return host if found.port in USUAL else f"{host}:{found.port}"


def _credential(db: Db, ref: Ref, found: McpAuth | None, field: str) -> Outcome[Credential | None]:
    if found is None:
        return Outcome(None)
    secret = header_secret(db, ref, found.secret_ref, KEY, field)
    if secret.value is None:
        return Outcome(None, secret.problems)
    header = found.header_name or AUTHORIZATION
    usual = BEARER if header == AUTHORIZATION else ""
    return Outcome(Credential(secret.value, header, usual if found.prefix is None else found.prefix))


MEMBER: Final = BackendMember("mcp", read, own_policies=True)
