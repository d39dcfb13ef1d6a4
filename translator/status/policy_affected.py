"""The condition of the targets of policies that tells which these are (GEP-713, "PolicyAffected").

It is there only while it is True, and only if the operator asks for it (`Settings.policy_affected`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from translator.conditions import POLICY_AFFECTED, Condition
from translator.db import Db
from translator.engine.query import query
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.route import Route
from translator.policies.attachment import has_policies, policies_at, referenced_policies
from translator.policies.targets import refuses
from translator.refs import Ref

MOST_POLICIES: Final = 10
"""The most policies, each at one place of the object, that the condition names."""


def policy_affected(db: Db, ref: Ref, section: str = "") -> Iterator[Condition]:
    """Yield the condition of a Gateway or ListenerSet, or of a listener of it, if policies have it as a target."""
    if db.settings.policy_affected and has_policies(db, ref):
        yield from _condition(list(_named(db, policies_at(db, ref, section))))


def route_policy_affected(db: Db, ref: Ref) -> Iterator[Condition]:
    """Yield the condition of a route that has policies: as their target, in a rule, or by a filter that names them."""
    if not db.settings.policy_affected:
        return
    found = db.get(Route, ref)
    rules = getattr(found.spec, "rules", ()) if found is not None else ()
    names: list[str] = []
    if has_policies(db, ref):
        names += _named(db, policies_at(db, ref))
        for section in filter(None, (each.name for each in rules)):
            names += _named(db, policies_at(db, ref, section), f" (rule {section})")
    for place, rule in enumerate(rules):
        for site in (rule, *rule.backend_refs):
            policies = referenced_policies(db, getattr(site, "filters", ()), ref.namespace)
            names += _named(db, policies, f" (filter in spec.rules[{place}])")
    yield from _condition(names)


def _named(db: Db, policies: tuple[Ref, ...], place: str = "") -> Iterator[str]:
    """Yield the names of the policies that are in effect, the one that wins first."""
    return (f"{each}{place}" for each in reversed(policies) if _is_in_effect(db, each))


@query(firewall=True)
def _is_in_effect(db: Db, policy: Ref) -> bool:
    """Return whether a policy is or was valid, or fails closed: its targets do not hear of what else changes in it."""
    return db.get(Policy, policy) is not None or (db.invalid(policy) is not None and refuses(db, policy))


def _condition(found: list[str]) -> Iterator[Condition]:
    names = list(dict.fromkeys(found))
    if names:
        more = f", and {len(names) - MOST_POLICIES} more" if len(names) > MOST_POLICIES else ""
        text = f"Policies for it: {', '.join(names[:MOST_POLICIES])}{more}; their statuses say what is effective."
        yield Condition(POLICY_AFFECTED, "True", "PolicyAffected", text)
