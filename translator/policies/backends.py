"""Policies for backends: which of them a backend has, and what they set. They are not merged (`PolicyKind.backend`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from translator.db import Db
from translator.engine.query import query
from translator.ir.backend import Backend, BackendSetting
from translator.objects.gateway_api.policy import Policy
from translator.objects.kubernetes.service import Service
from translator.outcome import Outcome, Problem
from translator.policies.attachment import any_policies, policies_at
from translator.policies.targets import backend_shard, is_targeted, refuses
from translator.refs import Ref


def policy_of_backend(db: Db, kind: str, backend: Ref, sections: Iterable[str]) -> Ref | None:
    """Return the policy of a kind at the first section of a backend that has one, "" for all of it; the oldest there.

    One that names its target wins over one that selects it by labels.
    """
    for section in sections:
        found = [each for each in policies_at(db, backend, section) if each.kind == kind]
        if found:
            return found[-1]
    return None


def sections_of_port(db: Db, kind: str, name: str, port: int) -> tuple[str, ...]:
    """Return the sections that a port of a backend is, the more specific first: its name, its number, and "" for all.

    By their numbers ports are targets of Headgate's own kinds of policies only.
    """
    number = str(port) if is_targeted(db, kind) else ""
    return *(each for each in (name, number) if each), ""


def sections_of_target(db: Db, kind: str, backend: Ref, section: str) -> tuple[str, ...]:
    """Return the sections that are the same port as that of a target, the more specific first; "" is all of them."""
    if not section:
        return ("",)
    port = target_sections(db, kind, backend).get(section, 0)
    name = next((name for name, each in backend_sections(db, backend).items() if each == port), section)
    return sections_of_port(db, kind, name, port)[:-1]


def at_port(backend: Ref, port: int) -> str:
    """Return words for a port of a backend; for all of it if it has none."""
    return f"{backend} port {port}" if port else str(backend)


def with_policies(db: Db, ref: Ref, section: str, resolved: Outcome[Backend | None]) -> Outcome[Backend | None]:
    """Return a backend with the settings of its policies; none if one of these cannot be applied.

    Args:
        db: the database.
        ref: the object behind it.
        section: the name of its port; "" if it has none.
        resolved: the backend without policies.
    """
    if resolved.value is None or not any_policies(db, backend_shard(ref)):
        return resolved
    settings = resolved.value.settings
    added: dict[str, tuple[BackendSetting, ...]] = {}
    for kind in db.registry.policies:
        if kind.backend is None:
            continue
        name = kind.model.kind
        policy = policy_of_backend(db, name, ref, sections_of_port(db, name, section, resolved.value.port))
        if policy is None:
            continue
        found = Outcome(None) if refuses(db, policy) else kind.backend(db, policy)
        if found.value is None:
            text = f"{at_port(ref, resolved.value.port)}: requests are refused, since its policy {policy} is not valid."
            return Outcome(None, (*resolved.problems, Problem("ResolvedRefs", "InvalidPolicy", text)))
        added[name] = found.value
    settings += tuple(each for name, found in added.items() for each in found if not _loses(db, name, each, added))
    return Outcome(replace(resolved.value, settings=settings), resolved.problems)


def without_effect(db: Db, policy: Policy, backend: Ref) -> Iterator[tuple[str, str]]:
    """Yield the fields of a policy that have no effect at a backend, by their paths, and why and what to do.

    Args:
        db: the database.
        policy: the policy, which is in effect there.
        backend: an object; of those with ports, as of Services, none overrules a field.
    """
    if backend_sections(db, backend):
        return
    resolved = db.registry.backend(backend.kind).resolve(db, backend, 0).value
    fields = type(policy.spec).model_fields
    for setting in resolved.settings if resolved is not None else ():
        for name, why in setting.overrules.items():
            if name in fields and getattr(policy.spec, name) is not None:
                yield f"spec.{fields[name].alias or name}", why


def says_tls(db: Db, policy: Ref) -> bool:
    """Return whether a policy for backends has connections encrypted."""
    kind = db.registry.policy_of(policy.kind)
    if kind is None or kind.backend is None:
        return False
    return any(each.encrypts for each in kind.backend(db, policy).value or ())


def foreign_tls_policy(db: Db, backend: Ref, sections: Iterable[str]) -> Ref | None:
    """Return the policy of the Gateway API by which connections to sections of a backend are encrypted, if one is."""
    for kind in db.registry.policies:
        if kind.backend is None or is_targeted(db, kind.model.kind):
            continue
        policy = policy_of_backend(db, kind.model.kind, backend, dict.fromkeys((*sections, "")))
        if policy is not None and says_tls(db, policy):
            return policy
    return None


def _loses(db: Db, kind: str, setting: BackendSetting, added: Mapping[str, tuple[BackendSetting, ...]]) -> bool:
    """Return whether a setting is TLS of a policy of Headgate's own kinds where one of the Gateway API says it too."""
    if not setting.encrypts or not is_targeted(db, kind):
        return False
    return any(each.encrypts for name, found in added.items() if not is_targeted(db, name) for each in found)


@query
def backend_sections(db: Db, ref: Ref) -> Mapping[str, int]:
    """Return the ports of a backend by their names, which are its sections."""
    found = db.get(Service, ref) if ref.kind == Service.kind else None
    return {each.name: each.port for each in found.spec.ports if each.protocol == "TCP"} if found is not None else {}


def target_sections(db: Db, kind: str, ref: Ref) -> Mapping[str, int]:
    """Return the ports of a backend by the sections that a policy of a kind may target: by their numbers too."""
    found = backend_sections(db, ref)
    return {**found, **{str(port): port for port in found.values()}} if is_targeted(db, kind) else found
