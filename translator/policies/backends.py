"""Policies for backends: which of them a backend has, and what they set. They are not merged (`PolicyKind.backend`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from translator.db import Db
from translator.engine.query import query
from translator.ir.backend import Backend
from translator.objects.kubernetes.service import Service
from translator.outcome import Outcome, Problem
from translator.policies.attachment import any_policies, policies_at
from translator.policies.targets import backend_shard, refuses
from translator.refs import Ref


def policy_of_backend(db: Db, kind: str, backend: Ref, section: str) -> Ref | None:
    """Return the policy of a kind at a section of a backend, "" for all of it; of several the oldest."""
    found = [each for each in policies_at(db, backend, section) if each.kind == kind]
    return found[-1] if found else None


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
    for kind in db.registry.policies:
        if kind.backend is None:
            continue
        name = kind.model.kind
        policy = (policy_of_backend(db, name, ref, section) if section else None) or policy_of_backend(
            db, name, ref, ""
        )
        if policy is None:
            continue
        found = Outcome(None) if refuses(db, policy) else kind.backend(db, policy)
        if found.value is None:
            text = f"{ref} port {resolved.value.port}: requests are refused, since its policy {policy} is not valid."
            return Outcome(None, (*resolved.problems, Problem("ResolvedRefs", "InvalidPolicy", text)))
        settings += found.value
    return Outcome(replace(resolved.value, settings=settings), resolved.problems)


@query
def backend_sections(db: Db, ref: Ref) -> Mapping[str, int]:
    """Return the ports of a backend by their names, which are its sections."""
    found = db.get(Service, ref) if ref.kind == Service.kind else None
    return {each.name: each.port for each in found.spec.ports if each.protocol == "TCP"} if found is not None else {}
