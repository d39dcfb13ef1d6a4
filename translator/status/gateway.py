"""The status of Gateways and their listeners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from translator.conditions import Condition, Status, bounded, verdict
from translator.db import Db
from translator.engine.query import query
from translator.envoy.names import secret_name, trust_bundle_name
from translator.gateway.certificate_overlaps import certificate_overlaps
from translator.gateway.certificates import listener_certificates
from translator.gateway.client_certificate import client_certificate
from translator.gateway.client_validation import insecure_fields, listener_validation, validated_listeners
from translator.gateway.gateways import (
    STANDALONE_CLASS,
    addresses,
    is_managed,
    managed_class,
    unsupported_listener_sets,
    unsupported_parameters,
)
from translator.gateway.listeners import ListenerState, listeners
from translator.infrastructure.status import addresses_json, deployment_problems, warned
from translator.inputs import Invalid
from translator.kinds import StatusKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.resources.listeners import port_listener
from translator.status.invalid import false, last_valid_status, renewed
from translator.status.programmed import Programming, programming
from translator.status.route import attached


@query
def gateway_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a Gateway of ours, None for others'."""
    found = db.get(Gateway, ref)
    if found is None or not is_managed(db, ref):
        return None if found is None else _unclaimed(db, found)
    states = validated_listeners(db, ref)
    known = programming(db, ref)
    rejected = unsupported_parameters(db, ref)
    problems = (*([rejected] if rejected else []), *_gateway_problems(states), *addresses(db, ref).problems)
    problems += deployment_problems(db, ref)
    accepted = _accepted(states, problems)
    note = unsupported_listener_sets(found.spec)
    shown = accepted._replace(message=bounded([accepted.message, note])) if note else accepted
    generation = found.metadata.generation or 1
    invalid = _unprogrammable(accepted, problems, db, ref)
    programmed = (invalid or _programmed(db, ref, known)).json(
        generation if invalid else known.generation or generation
    )
    status: Status = {
        "conditions": [shown.json(generation), programmed, *(each.json(generation) for each in _occasional(db, ref))],
        "listeners": [_listener_status(db, ref, each, known, generation) for each in states],
    }
    if db.settings.standalone:
        return {"addresses": [{"type": "IPAddress", "value": each} for each in addresses(db, ref).value], **status}
    return {"addresses": addresses_json(db, ref), **status}


def _occasional(db: Db, ref: Ref) -> Iterator[Condition]:
    """Yield the conditions that are there only where there is something to tell."""
    certificate = client_certificate(db, ref)
    if certificate is not None:
        yield _resolved(db, ref, certificate.problems)
    fields = insecure_fields(db, ref)
    if fields:
        text = f"{', '.join(fields)}: AllowInsecureFallback lets in clients without a valid certificate."
        yield Condition("InsecureFrontendValidationMode", "True", "ConfigurationChanged", text)


def _resolved(db: Db, ref: Ref, problems: tuple[Problem, ...]) -> Condition:
    """Return ResolvedRefs, of the Gateway's own references and those of its listeners."""
    unresolved = [
        each.name
        for each in validated_listeners(db, ref)
        if any(found.condition == "ResolvedRefs" for found in _listener_problems(db, each))
    ]
    if unresolved:
        text = f"References of listeners are not resolved: {', '.join(unresolved)}; see the conditions of each."
        problems = (*problems, Problem("ResolvedRefs", "ListenersNotResolved", text))
    return verdict("ResolvedRefs", problems, "ResolvedRefs", "All references are resolved.")


def _listener_problems(db: Db, state: ListenerState) -> tuple[Problem, ...]:
    certificates = listener_certificates(db, state.ref).problems if state.tls else ()
    return (*state.problems, *certificates)


def _unclaimed(db: Db, gateway: Gateway) -> Status | None:
    """Standalone there is nobody else who would answer for a Gateway whose class does not exist."""
    name = gateway.spec.gateway_class_name
    if not db.settings.standalone or db.get(GatewayClass, Ref(GatewayClass.kind, "", name)) is not None:
        return None
    text = f"spec.gatewayClassName: there is no GatewayClass {name}; use {STANDALONE_CLASS}, or create it."
    return {"conditions": [Condition("Accepted", "Unknown", "Pending", text).json(gateway.metadata.generation or 1)]}


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


def _unprogrammable(accepted: Condition, problems: tuple[Problem, ...], db: Db, ref: Ref) -> Condition | None:
    """Return the condition Programmed of a Gateway which cannot be, whatever the proxies say."""
    if accepted.status != "True":
        return Condition("Programmed", "False", "Invalid", accepted.message)
    if any(each.condition == "Programmed" for each in problems):
        return verdict("Programmed", problems, "", "")
    if all(port_listener(db, ref, each.socket_port) is None for each in validated_listeners(db, ref)):
        return Condition("Programmed", "False", "Invalid", "No listener can be served; see the conditions of each.")
    return None


def _programmed(db: Db, ref: Ref, known: Programming) -> Condition:
    condition = warned(db, ref, known.gateway)
    unserved = [each.name for each in validated_listeners(db, ref) if each.accepted and not _has_certificates(db, each)]
    if unserved:
        text = f"{condition.message} Without a certificate, and not served: listener {', '.join(unserved)}."
        return condition._replace(message=text)
    return condition


def _has_certificates(db: Db, state: ListenerState) -> bool:
    return not state.tls or bool(listener_certificates(db, state.ref).value)


def _listener_status(db: Db, ref: Ref, state: ListenerState, known: Programming, generation: int | None) -> Status:
    certificates = listener_certificates(db, state.ref) if state.tls else Outcome(())
    problems = _listener_problems(db, state)
    accepted = verdict("Accepted", problems, "Accepted", "The listener is valid.")
    conflict = next((each for each in problems if each.condition == "Conflicted"), None)
    if conflict is not None:
        accepted = Condition("Accepted", "False", conflict.reason, conflict.message)
    resolved = verdict("ResolvedRefs", problems, "ResolvedRefs", "All references are resolved.")
    programmed, observed = known.of(state.name, state.socket_port, _secret_names(db, state, certificates.value))
    if port_listener(db, ref, state.socket_port) is None:
        programmed, observed = Condition("Programmed", "False", "Invalid", "Nothing is served on the port."), None
    if not state.accepted or not _has_certificates(db, state):
        bad = accepted if accepted.status == "False" else resolved
        programmed, observed = Condition("Programmed", "False", "Invalid", bad.message), None
    conditions = [accepted, _conflicted(conflict), programmed, resolved, *_overlap(db, state)]
    return {
        "name": state.name,
        "supportedKinds": [{"group": GATEWAY_GROUP, "kind": each} for each in state.kinds],
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


def _overlap(db: Db, state: ListenerState) -> Iterator[Condition]:
    owner = state.ref.owner
    hostnames = {each.name: each.hostname or "any hostname" for each in listeners(db, owner)}
    certificates = certificate_overlaps(db, owner).get(state.name, ()) if state.tls else ()
    texts = [f"Its hostname overlaps with {hostnames[each]} of listener {each}." for each in state.overlaps]
    texts += [
        f"Its certificate has the name {each.own_name}, and that of listener {each.listener} {each.name}."
        for each in certificates
    ]
    if texts:
        reason = "OverlappingCertificates" if certificates else "OverlappingHostnames"
        effect = "stay with its backends" if state.protocol == "TLS" else "get 421"
        text = bounded([*texts, f"Clients that reuse a connection for a host of another listener {effect}."])
        yield Condition("OverlappingTLSConfig", "True", reason, text)


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    before = last_valid_status(db, ref)
    if not (managed_class(db, invalid.partial.gateway_class) if invalid.partial.gateway_class else before):
        return None
    conditions = [false(each, "Invalid", text, invalid) for each in ("Accepted", "Programmed")]
    listeners = [{**each, "conditions": renewed(each["conditions"], invalid)} for each in before.get("listeners", ())]
    return {**before, "conditions": conditions, "listeners": listeners}


STATUS = StatusKind(Gateway, gateway_status, _invalid)
