"""Backends that are providers of AI: where each is, and what it takes."""

from __future__ import annotations

from typing import Final

from translator.backends.host_names import absolute
from translator.backends.reference import group_member
from translator.db import Db
from translator.extensions.ai_failover import OneOfProviders, Tries, united
from translator.extensions.ai_provider import ProviderRequests, as_provider
from translator.extensions.ai_vendors import vendor
from translator.extensions.backend_ai_auth import provider_credential
from translator.extensions.backend_members import BackendMember
from translator.extensions.backend_static import host_fault
from translator.extensions.upstream_tls import BackendTls, validated_tls
from translator.ir.backend import Backend, BackendKey, BackendSetting, Protocol
from translator.objects.gateway_api.backendtlspolicy import SYSTEM, BackendTLSPolicyValidation
from translator.objects.headgate.aibackend import (
    EJECTION_FAILURES,
    EJECTION_MILLISECONDS,
    AiBackend,
    ProviderEjection,
    ProviderFailures,
)
from translator.objects.headgate.aiproviders import AiProvider
from translator.objects.headgate.backend import HeadgateBackend
from translator.objects.schema.scalars import is_ip_address
from translator.outcome import Outcome, Problem
from translator.policies.backends import with_policies
from translator.refs import Ref

HTTPS: Final = 443


def read(db: Db, ref: Ref, found: AiBackend) -> Outcome[Backend | None]:
    """Return the backend that providers are, without those that cannot be had; none if none is left."""
    problems: list[Problem] = []
    members: list[OneOfProviders] = []
    for place, each in enumerate(found.providers):
        resolved = _provider(db, ref, found, each, f"providers[{place}]")
        problems += resolved.problems
        if resolved.value is not None:
            priority = place if each.priority is None else each.priority
            members.append(OneOfProviders(resolved.value, 1 if each.weight is None else each.weight, priority))
    made = united(BackendKey(*ref), members, _tries(found.failover or ProviderFailures()))
    places = {each.name: place for place, each in enumerate(found.providers)}
    for name in made.misplaced:
        text = (
            f"providers[{places[name]}].auth.passthrough: a request that another provider has failed comes with that "
            f"one's credential, so the provider is left out; give it a priority before all that have one of their own."
        )
        problems.append(Problem("Accepted", "Invalid", text))
    if made.backend is None:
        text = "providers: none can be had, so requests are refused; correct one of them, or its weight."
        return Outcome(None, (*problems, Problem("ResolvedRefs", "BackendNotFound", text)))
    return Outcome(made.backend, tuple(problems))


def _tries(found: ProviderFailures) -> Tries:
    """Return which requests are sent to another provider."""
    usual, ejection = Tries(), found.ejection or ProviderEjection()
    on = found.retry_on if found.retry_on is not None else (*usual.on, *map(str, usual.statuses))
    return Tries(
        tuple(each for each in on if not each.isdigit()),
        tuple(int(each) for each in on if each.isdigit()),
        found.attempts or 0,
        found.per_try_timeout or 0,
        EJECTION_FAILURES if ejection.consecutive is None else ejection.consecutive,
        ejection.time or EJECTION_MILLISECONDS,
    )


def _provider(db: Db, ref: Ref, backend: AiBackend, found: AiProvider, field: str) -> Outcome[Backend | None]:
    """Return a provider; none if it cannot be had."""
    system, usual, dialects = vendor(found)
    host = found.host or usual
    credential = provider_credential(db, ref, found, host, f"{field}.auth")
    if credential.problems:
        return Outcome(None, credential.problems)
    place = _place(db, ref, found, host, field)
    if place.value is None:
        return place
    asked = host if not host or place.value.port == HTTPS else _with_port(host, place.value.port)
    requests = ProviderRequests(
        found.name,
        system,
        asked,
        dialects,
        found.model or "",
        credential.value,
        counted=backend.usage != "AsAsked",
        forwarded=tuple(sorted(each.lower() for each in backend.forward_headers or ())),
    )
    guarded = bool(host) and not is_ip_address(host) and not db.settings.local_backends
    return Outcome(as_provider(place.value, requests, guarded), place.problems)


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _place(db: Db, ref: Ref, found: AiProvider, host: str, field: str) -> Outcome[Backend | None]:
    """Return where a provider is, with its policies."""
    if found.custom is not None and found.custom.backend_ref is not None:
        return _member(db, ref, found, f"{field}.custom.backendRef")
    port = found.port or HTTPS
    if fault := host_fault(db.settings, host, port):
        return Outcome(None, (Problem("Accepted", "Invalid", f"{field}.host: {fault}."),))
    tls = _tls(db, ref, found, host, f"{field}.tls")
    if tls.value is None:
        return Outcome(None, tls.problems)
    backend = Backend(BackendKey(*ref), port, Protocol.HTTP1.value, absolute(db.settings, host), tls.value)
    resolved = with_policies(db, ref, "", Outcome(backend))
    return Outcome(resolved.value, (*tls.problems, *(_at(field, each) for each in resolved.problems)))


def _member(db: Db, ref: Ref, found: AiProvider, field: str) -> Outcome[Backend | None]:
    """Return the Service, or the Backend of hosts, that a provider is."""
    assert found.custom is not None
    assert found.custom.backend_ref is not None
    asked = found.custom.backend_ref
    named = Ref(asked.kind, asked.namespace or ref.namespace, asked.name)
    other = db.get(HeadgateBackend, named) if named.kind == HeadgateBackend.kind else None
    if other is not None and other.spec.static is None:
        text = f"{field}: {named} cannot be a provider; refer to a Service, or to a Backend of static hosts."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    resolved = group_member(db, ref, asked, field)
    if resolved.value is None or not any(each.routes_only or each.discovers for each in resolved.value.settings):
        return resolved
    text = f"{field}: {named} cannot be a provider, since its routes need more; refer to a Service."
    return Outcome(None, (*resolved.problems, Problem("Accepted", "Invalid", text)))


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


def _at(field: str, problem: Problem) -> Problem:
    return problem._replace(message=f"{field}: {problem.message}")


MEMBER: Final = BackendMember("ai", read, own_policies=True)
