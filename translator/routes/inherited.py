"""What the routes of a listener inherit in Envoy of its policies and its Gateway's."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.envoy.filter_configs import NO_NEEDS, FilterConfigs, FilterNeeds, compose
from translator.envoy.http_filters import BEHIND_CORS
from translator.envoy.route_policies import InheritedPolicies
from translator.extension import PolicyUnit
from translator.ir.listener import ListenerSetting
from translator.policies.effective import Stack
from translator.routes.units import applied_unit, held_bytes, of, policy_names, unit_settings, units_of


@query
def listener_settings(db: Db, stack: Stack) -> tuple[ListenerSetting, ...]:
    """Return what all routes of a listener with these policies inherit."""
    found: list[ListenerSetting] = []
    composed: list[PolicyUnit] = []
    for unit in units_of(db, stack):
        if unit.configures_filters:
            composed.append(unit)
        elif unit.inherit is not None and (settings := unit_settings(db, of(stack, unit), unit.field).value):
            found += unit.inherit(settings)
    made = [applied_unit(db, stack, unit) for unit in composed]
    configs, needs = compose(made)
    if configs:
        names = tuple(each for each in (policy_names(db, stack, unit) for unit in composed) if each[1])
        found.append(InheritedPolicies(configs, names, held_bytes(made), needs))
    return tuple(found)


@query
def inherited_configs(db: Db, stack: Stack) -> FilterConfigs:
    """Return the configurations of filters that all routes of a listener with these policies inherit."""
    found = (each for each in listener_settings(db, stack) if isinstance(each, InheritedPolicies))
    return next((each.configs for each in found), ())


@query
def inherited_needs(db: Db, stack: Stack) -> FilterNeeds:
    """Return what the filters need that all routes of a listener with these policies inherit."""
    found = (each for each in listener_settings(db, stack) if isinstance(each, InheritedPolicies))
    return next((each.needs for each in found), NO_NEEDS)


@query(firewall=True)
def inherited_paths(db: Db, stack: Stack) -> tuple[str, ...]:
    """Return the paths that filters answer by themselves which all routes of a listener with these policies inherit."""
    return tuple(sorted({each.path for each in inherited_needs(db, stack).paths}))


@query(firewall=True)
def behind_cors(db: Db, stack: Stack) -> tuple[str, ...]:
    """Return the filters that answers to preflights must not inherit of these policies, sorted by name."""
    return tuple(name for name, _ in inherited_configs(db, stack) if name in BEHIND_CORS)


@query(firewall=True)
def answers_preflights(db: Db, stack: Stack) -> bool:
    """Return whether these policies have the gateway answer the CORS preflights of all routes, whatever it answers."""
    return any(each.answers_preflights for each in listener_settings(db, stack))
