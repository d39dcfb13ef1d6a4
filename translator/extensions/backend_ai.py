"""Backends that are providers of AI: where each is, and what it takes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Final

from translator.backends.guarded import address_fault
from translator.backends.host_names import absolute
from translator.backends.reference import group_member
from translator.db import Db
from translator.extensions.ai_failover import in_priorities
from translator.extensions.ai_provider import NeverEmpty, ProviderKey, ProviderRequests
from translator.extensions.backend_members import BackendMember
from translator.extensions.upstream_tls import BackendTls, validated_tls
from translator.gateway.secrets import header_secret
from translator.ir.backend import Backend, BackendKey, BackendSetting, Protocol
from translator.objects.gateway_api.backendtlspolicy import SYSTEM, BackendTLSPolicyValidation
from translator.objects.headgate.aibackend import AiBackend
from translator.objects.headgate.aiproviders import AiProvider
from translator.objects.headgate.backend import HeadgateBackend
from translator.objects.schema.scalars import is_ip_address
from translator.outcome import Outcome, Problem
from translator.policies.backends import with_policies
from translator.refs import Ref

HTTPS: Final = 443
AUTHORIZATION: Final = "authorization"
BEARER: Final = "Bearer "
KEY: Final = "apiKey"
"""The key of Secrets with keys of providers."""
V1: Final = "/v1"


def read(db: Db, ref: Ref, found: AiBackend) -> Outcome[Backend | None]:
    """Return the backend that providers are, without those that cannot be had; none if none is left."""
    problems: list[Problem] = []
    priorities: defaultdict[int, list[tuple[Backend, int]]] = defaultdict(list)
    for place, each in enumerate(found.providers):
        resolved = _provider(db, ref, each, found.usage != "AsAsked", f"providers[{place}]")
        problems += resolved.problems
        if resolved.value is not None:
            priority = place if each.priority is None else each.priority
            priorities[priority].append((resolved.value, 1 if each.weight is None else each.weight))
    made = in_priorities(BackendKey(*ref), priorities)
    if made is None:
        text = "providers: none can be had, so requests are refused; correct one of them, or its weight."
        return Outcome(None, (*problems, Problem("ResolvedRefs", "BackendNotFound", text)))
    return Outcome(made, tuple(problems))


def _provider(db: Db, ref: Ref, found: AiProvider, counted: bool, field: str) -> Outcome[Backend | None]:
    """Return a provider; none if it cannot be had."""
    key = _key(db, ref, found, f"{field}.auth")
    if key.problems:
        return Outcome(None, key.problems)
    place = _place(db, ref, found, field)
    if place.value is None:
        return place
    host = found.host or DEFAULT_HOSTS.get(found.member, "")
    prefix = V1 if found.path_prefix is None else found.path_prefix.rstrip("/")
    requests = ProviderRequests(
        found.name,
        found.member,
        host if not host or place.value.port == HTTPS else _with_port(host, place.value.port),
        prefix,
        found.model or "",
        key.value,
        counted,
    )
    guarded = bool(host) and not is_ip_address(host) and not db.settings.local_backends
    settings = (*place.value.settings, requests, NeverEmpty(guarded))
    return Outcome(replace(place.value, settings=settings), place.problems)


DEFAULT_HOSTS: Final = {"openai": "api.openai.com"}


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _place(db: Db, ref: Ref, found: AiProvider, field: str) -> Outcome[Backend | None]:
    """Return where a provider is, with its policies."""
    if found.custom is not None and found.custom.backend_ref is not None:
        return _member(db, ref, found, f"{field}.custom.backendRef")
    host, port = found.host or DEFAULT_HOSTS[found.member], found.port or HTTPS
    if fault := address_fault(db.settings, host, port):
        return Outcome(None, (Problem("Accepted", "Invalid", f"{field}.host: {fault}."),))
    tls = _tls(db, ref, found, host, f"{field}.tls")
    if tls.value is None:
        return Outcome(None, tls.problems)
    backend = Backend(BackendKey(*ref), port, Protocol.HTTP1.value, absolute(db.settings, host), tls.value)
    resolved = with_policies(db, ref, "", Outcome(backend))
    return Outcome(resolved.value, (*tls.problems, *(_at(field, each) for each in resolved.problems)))


def _member(db: Db, ref: Ref, found: AiProvider, field: str) -> Outcome[Backend | None]:
    """Return the Service that a provider is."""
    assert found.custom is not None
    assert found.custom.backend_ref is not None
    asked = found.custom.backend_ref
    named = Ref(asked.kind, asked.namespace or ref.namespace, asked.name)
    other = db.get(HeadgateBackend, named) if named.kind == HeadgateBackend.kind else None
    if other is not None and other.spec.static is None:
        text = f"{field}: {named} cannot be a provider; refer to a Service, or to a Backend of static hosts."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    resolved = group_member(db, ref, asked, field)
    made = resolved.value
    if made is not None and not made.protocol:
        made = replace(made, protocol=Protocol.HTTP1.value)
    return Outcome(made, resolved.problems)


def _tls(db: Db, ref: Ref, found: AiProvider, host: str, field: str) -> Outcome[tuple[BackendSetting, ...] | None]:
    """Return how connections are encrypted; none if nobody says whom to trust."""
    asked = found.tls
    if asked is not None and asked.disable is not None:
        return Outcome(())
    name = asked.hostname if asked is not None and asked.hostname is not None else host
    if asked is None or (asked.ca_certificate_refs is None and asked.subject_alt_names is None):
        return Outcome((BackendTls(name),))
    validation = BackendTLSPolicyValidation(
        caCertificateRefs=asked.ca_certificate_refs or (),
        wellKnownCACertificates=None if asked.ca_certificate_refs else SYSTEM,
        hostname=name,
        subjectAltNames=asked.subject_alt_names or (),
    )
    read = validated_tls(db, ref.namespace, validation, field, f"the provider {found.name}")
    return Outcome(None if read.value is None else (read.value,), read.problems)


def _key(db: Db, ref: Ref, found: AiProvider, field: str) -> Outcome[ProviderKey | None]:
    """Return the key of a provider; none if it has none."""
    auth = found.auth
    if auth is None or auth.secret_ref is None:
        return Outcome(None)
    secret = header_secret(db, ref, auth.secret_ref, KEY, f"{field}.secretRef")
    if secret.value is None:
        return Outcome(None, secret.problems)
    header = (auth.header_name or AUTHORIZATION).lower()
    prefix = auth.prefix if auth.prefix is not None else BEARER if header == AUTHORIZATION else ""
    return Outcome(ProviderKey(secret.value, header, prefix))


def _at(field: str, problem: Problem) -> Problem:
    return problem._replace(message=f"{field}: {problem.message}")


MEMBER: Final = BackendMember("ai", read, own_policies=True)
