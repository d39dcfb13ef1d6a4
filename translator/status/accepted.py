"""The condition Accepted of Gateways and ListenerSets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from translator.conditions import Condition, bounded, verdict
from translator.db import Db
from translator.engine.query import index, query
from translator.gateway.certificates import listener_certificates
from translator.gateway.client_validation import validated_listeners
from translator.gateway.gateways import addresses, unsupported_parameters
from translator.gateway.listener_sets import gateway_partition, parent_gateway, possible_gateways, serving_gateway
from translator.gateway.listeners import ListenerState
from translator.infrastructure.status import deployment_problems
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.outcome import Problem
from translator.refs import Ref


class GatewayVerdicts(NamedTuple):
    """The condition Accepted of a Gateway, and its condition Programmed if no proxy can have a say in that."""

    accepted: Condition
    unprogrammable: Condition | None


@query(firewall=True)
def gateway_verdicts(db: Db, ref: Ref) -> GatewayVerdicts:
    """Return what holds for a Gateway of ours, and so for its ListenerSets, whatever the proxies say."""
    states = validated_listeners(db, ref)
    rejected = unsupported_parameters(db, ref)
    problems = (*([rejected] if rejected else []), *_gateway_problems(states), *addresses(db, ref).problems)
    problems += deployment_problems(db, ref)
    accepted = _accepted(states, problems)
    if accepted.status != "True":
        return GatewayVerdicts(accepted, Condition("Programmed", "False", "Invalid", accepted.message))
    failed = any(each.condition == "Programmed" for each in problems)
    return GatewayVerdicts(accepted, verdict("Programmed", problems, "", "") if failed else None)


def _gateway_problems(states: tuple[ListenerState, ...]) -> tuple[Problem, ...]:
    wrong = [each for each in states if not each.accepted]
    if not wrong:
        return ()
    text = " ".join(f"Listener {each.name}: {each.problems[0].message}" for each in wrong)
    good = [each.name for each in states if each.accepted]
    text += f" Accepted: {', '.join(good)}." if good else " No listener is left."
    return (Problem("Listeners", "ListenersNotValid", text),)


def _accepted(states: tuple[ListenerState, ...], problems: tuple[Problem, ...]) -> Condition:
    """Return Accepted: True as long as one listener is; what is wrong with the others is the reason all the same."""
    invalid = next((each for each in problems if each.condition == "Listeners"), None)
    if any(each.condition == "Accepted" for each in problems):
        beside = [] if invalid is None else [f"{invalid.reason}: {invalid.message}"]
        refused = verdict("Accepted", problems, "", "")
        return refused._replace(message=bounded([refused.message, *beside]))
    if invalid is None:
        return Condition("Accepted", "True", "Accepted", "The Gateway is valid.")
    status = "True" if any(each.accepted for each in states) else "False"
    return Condition("Accepted", status, invalid.reason, bounded([invalid.message]))


def has_certificates(db: Db, state: ListenerState) -> bool:
    """Return whether a listener has a usable certificate, if it terminates TLS."""
    return not state.tls or bool(listener_certificates(db, state.ref).value)


def valid_in_set(db: Db, state: ListenerState) -> bool:
    """Return whether a listener of a ListenerSet can be served; one without certificate cannot."""
    return state.accepted and has_certificates(db, state)


@query
def set_accepted(db: Db, ref: Ref) -> Condition | None:
    """Return the condition Accepted of a ListenerSet; None if its Gateway is not ours."""
    gateway = parent_gateway(db, ref)
    if gateway is None:
        return None
    if serving_gateway(db, ref) is None:
        text = f"spec.parentRef: {gateway} lets no ListenerSet of namespace {ref.namespace} attach; "
        text += "allow it by spec.allowedListeners of the Gateway."
        return Condition("Accepted", "False", "NotAllowed", text)
    parent = gateway_verdicts(db, gateway).accepted
    if parent.status != "True":
        text = f"spec.parentRef: {gateway} is not accepted ({parent.reason}); its status says why."
        return Condition("Accepted", "False", "ParentNotAccepted", text)
    states = validated_listeners(db, ref)
    good = [each.name for each in states if valid_in_set(db, each)]
    if len(good) == len(states):
        return Condition("Accepted", "True", "Accepted", "The ListenerSet is valid.")
    texts = [f"Listener {each.name}: {_fault(db, each)}" for each in states if not valid_in_set(db, each)]
    texts.append(f"Valid: {', '.join(good)}." if good else "No listener is left.")
    return Condition("Accepted", "True" if good else "False", "ListenersNotValid", bounded(texts))


def _fault(db: Db, state: ListenerState) -> str:
    problems = state.problems if not state.accepted else listener_certificates(db, state.ref).problems
    return problems[0].message


class AttachedSet(NamedTuple):
    """An accepted ListenerSet, and the names of its listeners that can be served."""

    ref: Ref
    listeners: tuple[str, ...]


@index(ListenerSet.kind, partitions=possible_gateways, partition_of=gateway_partition)
def attached_sets(db: Db, ref: Ref) -> Iterator[tuple[Ref, AttachedSet]]:
    """File accepted ListenerSets under their Gateways; the size of a bucket is `attachedListenerSets`."""
    gateway, accepted = serving_gateway(db, ref), set_accepted(db, ref)
    if gateway is not None and accepted is not None and accepted.status == "True" and db.invalid(ref) is None:
        names = (each.name for each in validated_listeners(db, ref) if valid_in_set(db, each))
        yield gateway, AttachedSet(ref, tuple(names))
