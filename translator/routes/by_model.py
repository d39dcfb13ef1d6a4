"""Policies of single rules where rules are picked by models: which of them would never apply.

Envoy chooses the filters of a request by its first route, which reads the model. A policy that only the rule of a model
has gives filters that are not among these: what protects refuses all requests of the rule, and the rest has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from translator.db import Db
from translator.extension import policy_units
from translator.objects.gateway_api.rules import RouteRule
from translator.outcome import Problem
from translator.policies.attachment import policies_at, referenced_policies
from translator.policies.effective import set_fields
from translator.refs import Ref


class Protector(NamedTuple):
    """What protects a rule.

    Attributes:
        words: it, for messages.
        value: what it is: a policy with its fields, or a filter.
    """

    words: str
    value: object


Protection = tuple[Protector, ...]
"""What protects a rule by itself; equal for rules that requests may be moved between."""


def protection(db: Db, route: Ref, rule: RouteRule[Any]) -> Protection:
    """Return what protects a rule of a route, and not the whole route."""
    named = (*(policies_at(db, route, rule.name) if rule.name else ()), *_named(db, route, rule))
    filters = (
        Protector(f"a filter {each.type}", each) for each in rule.filters if each.type in db.registry.composed_filters
    )
    return (*_protectors(db, named), *filters)


def route_protection(db: Db, route: Ref) -> Protection:
    """Return what protects all rules of a route, beside what they inherit."""
    return tuple(_protectors(db, policies_at(db, route)))


def _protectors(db: Db, policies: Iterable[Ref]) -> Iterator[Protector]:
    for each in dict.fromkeys(policies):
        if fields := tuple(sorted(_closed(db, each))):
            yield Protector(f"{each} ({', '.join(fields)})", (each, fields))


def _named(db: Db, route: Ref, rule: RouteRule[Any]) -> tuple[Ref, ...]:
    return referenced_policies(db, rule.filters, route.namespace)


def _closed(db: Db, policy: Ref) -> frozenset[str]:
    return set_fields(db, policy) & db.registry.closed_units.get(policy.kind, frozenset())


def refusal(db: Db, route: Ref, rule: RouteRule[Any], field: str, first: Protection = ()) -> Problem | None:
    """Return why a rule cannot be served that is picked by a model; None if it can.

    Args:
        db: the database.
        route: the route.
        rule: the rule.
        field: its path in the route.
        first: what protects the rule whose filters requests of all these rules have.
    """
    found = protection(db, route, rule)
    if found == first:
        return None
    what = ", ".join(dict.fromkeys(each.words for each in (*found, *first)))
    text = (
        f"{field}: {what} protects some models only, and requests get their filters before their model is known; its "
        f"requests are answered with 500. Target the whole route, or give these models a route of their own."
    )
    return Problem("Accepted", "UnsupportedValue", text)


def without_effect(db: Db, route: Ref, rule: RouteRule[Any], field: str) -> Iterator[Problem]:
    """Yield the policies of a single rule that have no effect, since they are filters that its first route lacks."""
    for policy in policies_at(db, route, rule.name) if rule.name else ():
        closed, fields = _closed(db, policy), set_fields(db, policy)
        units = (each for each in policy_units(db) if each.policy.kind == policy.kind and each.field in fields)
        lost = [each.path for each in units if each.on_backends and each.field not in closed]
        if lost:
            text = f"{field}: {policy}: {', '.join(lost)} has no effect for single models; target the whole route."
            yield Problem("Accepted", "UnsupportedValue", text)
