"""The status of listeners, of Gateways and of ListenerSets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from translator.conditions import Condition, Status, bounded, resolved_refs, verdict
from translator.db import Db
from translator.envoy.names import secret_name, trust_bundle_name
from translator.gateway.certificate_overlaps import certificate_overlaps
from translator.gateway.certificates import listener_certificates
from translator.gateway.client_validation import listener_validation
from translator.gateway.hostnames import wider
from translator.gateway.listeners import ListenerState, hostnames, listeners
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.resources.listeners import is_served
from translator.routes.listener_filters import filter_problems
from translator.status.accepted import has_certificates
from translator.status.policy_affected import policy_affected
from translator.status.programmed import Programming
from translator.status.route import attached

MOST_HOSTNAMES: Final = 3
"""The most hostnames of other objects' listeners that one is told of as overlapping with its own."""


def listener_problems(db: Db, state: ListenerState) -> tuple[Problem, ...]:
    """Return the problems of a listener, those of its certificates among them."""
    certificates = listener_certificates(db, state.ref).problems if state.tls else ()
    return (*state.problems, *certificates, *filter_problems(db, state))


def listener_status(db: Db, state: ListenerState, known: Programming, generation: int) -> Status:
    """Return the status of a listener.

    Args:
        db: the database.
        state: the listener.
        known: what the proxies have acknowledged of the object that has it.
        generation: of that object, the newest.
    """
    certificates = listener_certificates(db, state.ref) if state.tls else Outcome(())
    problems = listener_problems(db, state)
    accepted = verdict("Accepted", problems, "Accepted", "The listener is valid.")
    conflict = next((each for each in problems if each.condition == "Conflicted"), None)
    if conflict is not None:
        accepted = Condition("Accepted", "False", conflict.reason, conflict.message)
    resolved = resolved_refs(problems)
    programmed, observed = known.of(state.name, state.socket_port, _secret_names(db, state, certificates.value))
    if not is_served(db, state.gateway, state.socket_port):
        programmed, observed = Condition("Programmed", "False", "Invalid", "Nothing is served on the port."), None
    if not state.accepted or not has_certificates(db, state):
        bad = accepted if accepted.status == "False" else resolved
        reason = "Invalid" if conflict is None else conflict.reason
        programmed, observed = Condition("Programmed", "False", reason, bad.message), None
    conditions = [accepted, _conflicted(conflict), programmed, resolved, *_overlap(db, state)]
    conditions += policy_affected(db, state.ref.owner, state.name)
    return {
        "name": state.name,
        "supportedKinds": [{"group": db.registry.route(each).model.group, "kind": each} for each in state.kinds],
        "attachedRoutes": db.count(attached, (state.gateway, state.ref)),
        "conditions": [each.json((each is programmed and observed) or generation) for each in conditions],
    }


def _secret_names(db: Db, state: ListenerState, certificates: Iterable[Ref]) -> Iterator[str]:
    """Yield the names of the resources that a listener's TLS needs."""
    yield from map(secret_name, certificates)
    validation = listener_validation(db, state).value
    if validation is not None:
        yield trust_bundle_name(validation.sources)


def _conflicted(conflict: Problem | None) -> Condition:
    if conflict is None:
        return Condition("Conflicted", "False", "NoConflicts", "No other listener is in its way.")
    return Condition("Conflicted", "True", conflict.reason, conflict.message)


def _overlapping_hostnames(db: Db, state: ListenerState) -> tuple[str, ...]:
    """Return the hostnames of the port that overlap with that of a listener, and that no listener of its object has."""
    own = {each.hostname for each in listeners(db, state.ref.owner) if each.key[:3] == state.key[:3]}
    covering = (state.key._replace(hostname=each) for each in wider(state.hostname))
    found = [each.hostname for each in covering if db.count(hostnames, each)]
    found += db.select(hostnames, state.key._replace(within=True))
    return tuple(dict.fromkeys(each for each in found if each not in own))


def _overlap(db: Db, state: ListenerState) -> Iterator[Condition]:
    owner = state.ref.owner
    own = {each.name: each.hostname or "any hostname" for each in listeners(db, owner)}
    certificates = certificate_overlaps(db, owner).get(state.name, ()) if state.tls else ()
    texts = [f"Its hostname overlaps with {own[each]} of listener {each}." for each in state.overlaps]
    texts += [
        f"Its certificate has the name {each.own_name}, and that of listener {each.listener} {each.name}."
        for each in certificates
    ]
    others = _overlapping_hostnames(db, state) if state.by_sni and state.accepted else ()
    if others:
        named = ", ".join(each or "any hostname" for each in others[:MOST_HOSTNAMES])
        more = " and others" if len(others) > MOST_HOSTNAMES else ""
        texts.append(f"Its hostname overlaps with {named}{more} of other ListenerSets, or of the Gateway.")
    if texts:
        reason = "OverlappingCertificates" if certificates else "OverlappingHostnames"
        effect = "stay with its backends" if state.protocol == "TLS" else "get 421"
        text = bounded([*texts, f"Clients that reuse a connection for a host of another listener {effect}."])
        yield Condition("OverlappingTLSConfig", "True", reason, text)
