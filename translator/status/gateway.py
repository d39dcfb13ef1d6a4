"""The status of Gateways and their listeners."""

from __future__ import annotations

from collections.abc import Iterator

from translator.conditions import Condition, Status, resolved_refs
from translator.db import Db
from translator.engine.query import query
from translator.gateway.client_certificate import client_certificate
from translator.gateway.client_validation import insecure_fields, validated_listeners
from translator.gateway.gateways import (
    STANDALONE_CLASS,
    addresses,
    gateway_spec,
    is_managed,
    managed_class,
)
from translator.gateway.listeners import ListenerState
from translator.infrastructure.status import addresses_json, warned
from translator.inputs import Invalid
from translator.kinds import StatusKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.outcome import Problem
from translator.refs import Ref
from translator.resources.listeners import is_served
from translator.status.accepted import attached_sets, gateway_verdicts, has_certificates
from translator.status.invalid import false, last_valid_status, renewed
from translator.status.listener import listener_problems, listener_status
from translator.status.policy_affected import policy_affected
from translator.status.programmed import Programming, programming


@query
def gateway_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a Gateway of ours, None for others'."""
    found = db.get(Gateway, ref)
    if found is None or not is_managed(db, ref):
        return None if found is None else _unclaimed(db, found)
    states = validated_listeners(db, ref)
    known = programming(db, ref)
    accepted, unprogrammable = gateway_verdicts(db, ref)
    generation = found.metadata.generation or 1
    invalid = unprogrammable or _unserved(db, states)
    programmed = (invalid or _programmed(db, ref, states, known)).json(
        generation if invalid else known.generation or generation
    )
    status: Status = {
        "conditions": [
            accepted.json(generation),
            programmed,
            *(each.json(generation) for each in _occasional(db, ref, states)),
        ],
        "listeners": [listener_status(db, each, known, generation) for each in states],
    }
    if found.spec.allowed_listeners is not None:
        status["attachedListenerSets"] = db.count(attached_sets, ref)
    if db.settings.standalone:
        return {"addresses": [{"type": "IPAddress", "value": each} for each in addresses(db, ref).value], **status}
    return {"addresses": addresses_json(db, ref), **status}


def _occasional(db: Db, ref: Ref, states: tuple[ListenerState, ...]) -> Iterator[Condition]:
    """Yield the conditions that are there only where there is something to tell."""
    certificate = client_certificate(db, ref)
    if certificate is not None:
        yield _resolved(db, states, certificate.problems)
    spec = gateway_spec(db, ref)
    if spec is not None and spec.default_scope == "All":
        yield Condition("DefaultGateway", "True", "DefaultGateway", "Gateway has default scope All.")
    yield from policy_affected(db, ref)
    fields = insecure_fields(db, ref)
    if fields:
        text = f"{', '.join(fields)}: AllowInsecureFallback lets in clients without a valid certificate."
        yield Condition("InsecureFrontendValidationMode", "True", "ConfigurationChanged", text)


def _resolved(db: Db, states: tuple[ListenerState, ...], problems: tuple[Problem, ...]) -> Condition:
    """Return ResolvedRefs, of the Gateway's own references and those of its listeners."""
    unresolved = [
        each.name for each in states if any(found.condition == "ResolvedRefs" for found in listener_problems(db, each))
    ]
    if unresolved:
        text = f"References of listeners are not resolved: {', '.join(unresolved)}; see the conditions of each."
        problems = (*problems, Problem("ResolvedRefs", "ListenersNotResolved", text))
    return resolved_refs(problems)


def _unclaimed(db: Db, gateway: Gateway) -> Status | None:
    """Standalone there is nobody else who would answer for a Gateway whose class does not exist."""
    name = gateway.spec.gateway_class_name
    if not db.settings.standalone or db.get(GatewayClass, Ref(GatewayClass.kind, "", name)) is not None:
        return None
    text = f"spec.gatewayClassName: there is no GatewayClass {name}; use {STANDALONE_CLASS}, or create it."
    return {"conditions": [Condition("Accepted", "Unknown", "Pending", text).json(gateway.metadata.generation or 1)]}


def _unserved(db: Db, states: tuple[ListenerState, ...]) -> Condition | None:
    """Return the condition Programmed of a Gateway none of whose listeners can be served."""
    if any(is_served(db, each.gateway, each.socket_port) for each in states):
        return None
    return Condition("Programmed", "False", "Invalid", "No listener can be served; see the conditions of each.")


def _programmed(db: Db, ref: Ref, states: tuple[ListenerState, ...], known: Programming) -> Condition:
    condition = warned(db, ref, known.gateway)
    unserved = [each.name for each in states if each.accepted and not has_certificates(db, each)]
    if unserved:
        text = f"{condition.message} Without a certificate, and not served: listener {', '.join(unserved)}."
        return condition._replace(message=text)
    return condition


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    before = last_valid_status(db, ref)
    if not (managed_class(db, invalid.partial.gateway_class) if invalid.partial.gateway_class else before):
        return None
    conditions = [false(each, "Invalid", text, invalid) for each in ("Accepted", "Programmed")]
    listeners = [{**each, "conditions": renewed(each["conditions"], invalid)} for each in before.get("listeners", ())]
    return {**before, "conditions": conditions, "listeners": listeners}


STATUS = StatusKind(Gateway, gateway_status, _invalid)
