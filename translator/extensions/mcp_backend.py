"""Backends of MCP servers: which servers they are, and what requests to them have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from translator.backends.reference import group_member
from translator.db import Db
from translator.engine.query import index, query
from translator.extensions.backend_members import BackendMember
from translator.extensions.backend_static import authority, host_backend
from translator.extensions.mcp_rest import RestServer, read_tools
from translator.extensions.mcp_servers import (
    Credential,
    McpServer,
    NamedServer,
    OneServer,
    SeveralServers,
    other_headers,
)
from translator.gateway.secrets import header_secret
from translator.ir.backend import Backend, BackendSetting
from translator.languages.regex import check_regex
from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.mcpbackend import (
    MCP_PATH,
    MOST_TARGETS,
    McpAuth,
    McpBackend,
    McpTarget,
)
from translator.objects.kubernetes.service import Service
from translator.outcome import Outcome, Problem, gather
from translator.refs import Ref

AUTHORIZATION: Final = "authorization"
BEARER: Final = "Bearer "
KEY: Final = "apiKey"
"""The key of a Secret with a credential, unless the reference names another."""
MCP: Final = "mcp"
"""The appProtocol of Services that are servers."""
SILENCE: Final = 30_000
"""How long a server may be silent, in milliseconds, unless its Backend says otherwise."""


def read(db: Db, ref: Ref, found: McpBackend) -> Outcome[Backend | None]:
    """Return the backend that servers are, without those that cannot be had; none if none is left.

    A single server is sent requests as they are; with several, or with some that are selected, agents have a session
    with the proxy.
    """
    problems: list[Problem] = []
    servers: list[NamedServer] = []
    for place, target in enumerate(found.targets):
        read = gather(_servers(db, ref, target, f"targets[{place}]", len(found.targets) == 1))
        problems += read.problems
        servers += (each for each in read.value if each is not None)
    servers, faults = _distinct(servers)
    problems += faults
    if not servers:
        return Outcome(None, tuple(problems))
    first = servers[0].backend
    setting: BackendSetting
    if len(found.targets) > 1 or found.targets[0].selector is not None:
        servers = [each._replace(backend=_beside_others(each.backend)) for each in servers]
        first, setting = servers[0].backend, SeveralServers(tuple(servers))
    elif found.targets[0].openapi is not None:
        target, (server,) = found.targets[0], servers
        tools = read_tools(db, ref, found.targets[0].openapi, target.path or "", "targets[0].openapi")
        problems += tools.problems
        if not tools.value:
            return Outcome(None, tuple(problems))
        setting = RestServer(tools.value, server.timeout, server.host)
        first = _with_headers(first, setting)
    else:
        (server,) = servers
        setting = OneServer(server.path, server.timeout, server.host)
    return Outcome(replace(first, settings=(*first.settings, setting)), tuple(problems))


def _beside_others(found: Backend) -> Backend:
    settings = (replace(each, beside_others=True) if isinstance(each, McpServer) else each for each in found.settings)
    return replace(found, settings=tuple(settings))


def _with_headers(found: Backend, service: RestServer) -> Backend:
    """Return a backend that gets the headers, too, that arguments of its tools are."""
    bound = {name.lower() for tool in service.tools for name, _ in tool.headers}
    settings = (
        replace(each, forwarded=tuple(sorted({*each.forwarded, *bound}))) if isinstance(each, McpServer) else each
        for each in found.settings
    )
    return replace(found, settings=tuple(settings))


def _not_found(text: str) -> Problem:
    return Problem("ResolvedRefs", "BackendNotFound", text)


def _distinct(servers: list[NamedServer]) -> tuple[list[NamedServer], list[Problem]]:
    """Return servers of different names, and no more than there may be; the first of each name counts."""
    found = {each.name: each for each in reversed(servers)}
    kept = [each for each in servers if found[each.name] is each]
    problems = []
    if len(kept) < len(servers):
        twice = next(each.name for each in servers if found[each.name] is not each)
        problems.append(
            _invalid(f"targets: there are two servers named {twice}, of which the first counts; rename one.")
        )
    if len(kept) > MOST_TARGETS:
        text = f"targets: there are {len(kept)} servers, of which {MOST_TARGETS} count; select fewer."
        problems.append(_invalid(text))
    return kept[:MOST_TARGETS], problems


def _invalid(text: str) -> Problem:
    return Problem("Accepted", "Invalid", text)


def _servers(db: Db, ref: Ref, target: McpTarget, field: str, alone: bool) -> Iterator[Outcome[NamedServer | None]]:
    """Yield the servers that a target is."""
    if target.openapi is not None and not alone:
        text = f"{field}.openapi: is for a Backend with this target alone, for now; make another Backend of it."
        yield Outcome(None, (_invalid(text),))
        return
    if target.selector is None:
        yield _named(target, target.name, _server(db, ref, target, field))
        return
    chosen = selected(db, ref.namespace, tuple(sorted(target.selector.match_labels.items())))
    if not chosen:
        text = f"{field}.selector: no Service of {ref.namespace} has these labels and a port with appProtocol {MCP}."
        yield Outcome(None, (_not_found(text),))
    for name, port in chosen:
        reference = BackendObjectReference.model_construct(
            group="", kind="Service", namespace=None, name=name, port=port
        )
        one = target.model_copy(update={"backend_ref": reference, "selector": None})
        yield _named(target, name, _server(db, ref, one, field, "selector"))


def _named(target: McpTarget, name: str, resolved: Outcome[Backend | None]) -> Outcome[NamedServer | None]:
    if resolved.value is None:
        return Outcome(None, resolved.problems)
    host = "" if target.static is None else authority(target.static.host, target.static.port)
    forwarded = tuple(sorted(target.forward_headers or ()))
    made = NamedServer(name, resolved.value, target.path or MCP_PATH, target.timeout or SILENCE, host, forwarded)
    return Outcome(made, resolved.problems)


@query
def selected(db: Db, namespace: str, labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, int], ...]:
    """Return the Services that are servers and have some labels, with the port of each, in the order of their names."""
    found = []
    for ref in db.select(mcp_services, namespace):
        service = db.get(Service, ref)
        if service is not None and set(labels) <= set(service.metadata.labels.items()):
            found.append((ref.name, _mcp_port(service) or 0))
    return tuple(sorted(found))


def _mcp_part(found: Any) -> object:
    """Return what of a Service says that it is a server; None if it is none."""
    return _mcp_port(found) if isinstance(found, Service) else None


@index(Service, partitions=lambda _, ref: (ref.namespace,), partition_of=lambda key: key, projection=_mcp_part)
def mcp_services(db: Db, ref: Ref) -> Iterator[tuple[str, Ref]]:
    """Index the Services that are MCP servers by their namespace."""
    found = db.get(Service, ref)
    if found is not None and _mcp_port(found) is not None:
        yield ref.namespace, ref


def _mcp_port(service: Service) -> int | None:
    return next((each.port for each in service.spec.ports if (each.app_protocol or "").lower() == MCP), None)


def _server(db: Db, ref: Ref, target: McpTarget, field: str, where: str = "backendRef") -> Outcome[Backend | None]:
    """Return the backend that a server is by itself, with what its cluster does."""
    if target.static is not None:
        resolved = host_backend(db, ref, target.static.host, target.static.port, f"{field}.static.host")
    else:
        assert target.backend_ref is not None
        resolved = group_member(db, ref, target.backend_ref, f"{field}.{where}")
    if resolved.value is None:
        return resolved
    if any(each.routes_only or each.discovers for each in resolved.value.settings):
        text = (
            f"{field}.{where}: {Ref(*resolved.value.key)} is no server by itself: its requests need filters or "
            f"hosts of their own; refer to a Service, or to a Backend of hosts."
        )
        return Outcome(None, (*resolved.problems, _invalid(text)))
    credential = _credential(db, ref, target.auth, f"{field}.auth.secretRef")
    if credential.problems:
        return Outcome(None, (*resolved.problems, *credential.problems))
    forwarded = tuple(sorted(target.forward_headers or ()))
    if check_regex(other_headers(forwarded)):
        text = f"{field}.forwardHeaders: the names are too long for Envoy, all together; leave some out."
        return Outcome(None, (*resolved.problems, _invalid(text)))
    setting = McpServer(forwarded, credential.value)
    made = replace(resolved.value, settings=(*resolved.value.settings, setting))
    return Outcome(made, resolved.problems)


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
