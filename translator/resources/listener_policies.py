"""What the policies for listeners themselves give these (`PolicyKind.of_listeners`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

from translator.db import Db
from translator.engine.query import query
from translator.extension import PolicyUnit
from translator.gateway.listeners import ListenerState
from translator.ir.listener import ListenerSetting, ListenerTraits
from translator.policies.effective import Stack, at_listener, is_of_listeners, may_have_policies, ports_of
from translator.refs import ListenerRef, Ref
from translator.routes.units import applied_unit, units_of


class ListenerPolicies(NamedTuple):
    """What policies give a listener.

    Attributes:
        settings: their settings.
        error: why its connections are closed; "" if they are not.
    """

    settings: tuple[ListenerSetting, ...] = ()
    error: str = ""


def listener_policies(db: Db, state: ListenerState) -> ListenerPolicies:
    """Return what policies give a listener."""
    stack = listener_stack(db, state.gateway, state.ref, state.port)
    found = policies_of(db, stack, state.protocol) if stack else ListenerPolicies()
    faults = filter(None, (each.fault_at(traits(state)) for each in found.settings))
    return found._replace(error=" ".join(filter(None, (found.error, *faults))))


def traits(state: ListenerState) -> ListenerTraits:
    """Return what settings have to know of a listener."""
    return ListenerTraits(state.tls, bool(state.filters))


def listener_stack(db: Db, gateway: Ref, listener: ListenerRef, port: int) -> Stack:
    """Return the policies for a listener itself: its Gateway's, its ListenerSet's, then its own.

    Of each level, what a policy says for the port comes after what all policies say for all ports.
    """
    return _listener_stack(db, gateway, listener, port) if may_have_policies(db, gateway, listener) else ()


@query(firewall=True)
def _listener_stack(db: Db, gateway: Ref, listener: ListenerRef, port: int) -> Stack:
    found = [each for each in at_listener(db, gateway, listener) if is_of_listeners(db, each.policy)]
    found += [each._replace(port=port) for each in found if port in ports_of(db, each.policy)]
    return tuple(sorted(found, key=lambda each: each.rank))


def units_at(db: Db, stack: Stack, protocol: str) -> Iterator[PolicyUnit]:
    """Yield the units of a stack that listeners of a protocol have."""
    return (each for each in units_of(db, stack) if each.is_for(protocol))


@query
def policies_of(db: Db, stack: Stack, protocol: str) -> ListenerPolicies:
    """Return what a stack of policies gives listeners of a protocol."""
    settings: list[ListenerSetting] = []
    errors: list[str] = []
    for unit in units_at(db, stack, protocol):
        made = applied_unit(db, stack, unit)
        settings += cast(tuple[ListenerSetting, ...], made.settings)
        errors += [made.error] if made.error else []
    return ListenerPolicies(tuple(settings), " ".join(errors))
