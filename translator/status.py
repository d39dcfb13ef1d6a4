"""What is to be told of each object: from attachment, listeners and acknowledgements to `status`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from translator.conditions import Condition, bounded, verdict
from translator.db import Db, Served
from translator.deployment.parameters import class_parameters
from translator.deployment.status import addresses_json, deployment_problems, parameters_status, warned
from translator.envoy.names import secret_name, table_name
from translator.envoy.route import Entry
from translator.gateway.attachment import ROUTES, Parent, attachment, candidates
from translator.gateway.certificates import listener_certificates
from translator.gateway.gateways import (
    STANDALONE_CLASS,
    addresses,
    managed,
    managed_class,
    rejection,
    unsupported_listener_sets,
    unsupported_tls,
)
from translator.gateway.httproute import implemented, rules
from translator.gateway.listeners import ROUTE_GROUP, ListenerState, listeners
from translator.objects.gateway import Gateway
from translator.objects.gatewayclass import GatewayClass
from translator.objects.gatewayparameters import GatewayParameters
from translator.objects.references import ParentReference
from translator.outcome import Outcome, Problem
from translator.programmed import Programming, programming
from translator.query import index, query
from translator.refs import Ref
from translator.refusals import Refusal, refusals
from translator.resources import port_listener, route_entries
from translator.supported_version import supported_version
from xds.types import ROUTE

Status = dict[str, Any]
"""The `status` of an object in its JSON form."""

CORE_FEATURES = ("Gateway", "HTTPRoute", "ReferenceGrant")
"""What is supported beyond what the features bring (names of the Gateway API's conformance suite)."""

FEATURES = (
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayPort8080",
    "GatewayRouteHostnameIntersectionPrecedence",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRouteQueryParamMatching",
)

DEPLOYED_FEATURES = ("GatewayAddressEmpty", "GatewayInfrastructure", "GatewayStaticAddresses")
"""What is supported where Headgate deploys the proxies."""


@query
def gatewayclass_status(db: Db, ref: Ref) -> Status | None:
    """The status of a GatewayClass of ours, None for others'."""
    found = db.get(GatewayClass, ref)
    if found is None or not managed_class(db, ref.name):
        return None
    problems = class_parameters(db, ref.name)
    generation = found.metadata.generation or 1
    own = (*CORE_FEATURES, *FEATURES, *(() if db.settings.standalone else DEPLOYED_FEATURES))
    supported = sorted({*own, *(name for each in db.features for name in each.conformance)})
    return {
        "conditions": [
            verdict("Accepted", problems, "Accepted", "Headgate runs Gateways of this class.").json(generation),
            supported_version(db).json(generation),
        ],
        "supportedFeatures": [{"name": each} for each in supported],
    }


@query
def gateway_status(db: Db, ref: Ref) -> Status | None:
    """The status of a Gateway of ours, None for others'."""
    found = db.get(Gateway, ref)
    if found is None or not managed(db, ref):
        return None if found is None else _unclaimed(db, found)
    states = listeners(db, ref)
    known = programming(db, ref)
    rejected = rejection(db, ref)
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
        "conditions": [shown.json(generation), programmed, *(each.json(generation) for each in _resolved(db, ref))],
        "listeners": [_listener_status(db, ref, each, known, generation) for each in states],
    }
    if db.settings.standalone:
        return {"addresses": [{"type": "IPAddress", "value": each} for each in addresses(db, ref).value], **status}
    return {"addresses": addresses_json(db, ref), **status}


def _resolved(db: Db, ref: Ref) -> Iterator[Condition]:
    """A condition that is there only where it is False."""
    problem = unsupported_tls(db, ref)
    if problem is not None:
        yield verdict(problem.condition, (problem,), "", "")


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
    """Accepted as long as one listener is; what is wrong with the others is the reason all the same."""
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
    """The condition Programmed of a Gateway which cannot be, whatever the proxies say."""
    if accepted.status != "True":
        return Condition("Programmed", "False", "Invalid", accepted.message)
    if any(each.condition == "Programmed" for each in problems):
        return verdict("Programmed", problems, "", "")
    if all(port_listener(db, ref, each.port) is None for each in listeners(db, ref)):
        return Condition("Programmed", "False", "Invalid", "No listener can be served; see the conditions of each.")
    return None


def _programmed(db: Db, ref: Ref, known: Programming) -> Condition:
    condition = warned(db, ref, known.gateway)
    unserved = [each.name for each in listeners(db, ref) if each.accepted and not _has_certificates(db, ref, each)]
    if unserved:
        text = f"{condition.message} Without a certificate, and not served: listener {', '.join(unserved)}."
        return condition._replace(message=text)
    return condition


def _has_certificates(db: Db, gateway: Ref, state: ListenerState) -> bool:
    return not state.tls or bool(listener_certificates(db, gateway, state.name).value)


def _listener_status(db: Db, ref: Ref, state: ListenerState, known: Programming, generation: int | None) -> Status:
    certificates = listener_certificates(db, ref, state.name) if state.tls else Outcome(())
    problems = (*state.problems, *certificates.problems)
    accepted = verdict("Accepted", problems, "Accepted", "The listener is valid.")
    conflict = next((each for each in problems if each.condition == "Conflicted"), None)
    if conflict is not None:
        accepted = Condition("Accepted", "False", conflict.reason, conflict.message)
    resolved = verdict("ResolvedRefs", problems, "ResolvedRefs", "All references are resolved.")
    programmed, observed = known.of(state.name, state.port, map(secret_name, certificates.value))
    if port_listener(db, ref, state.port) is None:
        programmed, observed = Condition("Programmed", "False", "Invalid", "Nothing is served on the port."), None
    if not state.accepted or not _has_certificates(db, ref, state):
        bad = accepted if accepted.status == "False" else resolved
        programmed, observed = Condition("Programmed", "False", "Invalid", bad.message), None
    conditions = [accepted, _conflicted(conflict), programmed, resolved, *_overlap(state)]
    return {
        "name": state.name,
        "supportedKinds": [{"group": ROUTE_GROUP, "kind": each} for each in state.kinds],
        "attachedRoutes": db.count(attached, (ref, state.name)),
        "conditions": [each.json((each is programmed and observed) or generation) for each in conditions],
    }


def _conflicted(conflict: Problem | None) -> Condition:
    if conflict is None:
        return Condition("Conflicted", "False", "NoConflicts", "No other listener is in its way.")
    return Condition("Conflicted", "True", conflict.reason, conflict.message)


def _overlap(state: ListenerState) -> Iterator[Condition]:
    if state.overlaps:
        text = (
            f"Its hostnames overlap with those of {', '.join(state.overlaps)}: clients that reuse a connection get 421."
        )
        yield Condition("OverlappingTLSConfig", "True", "OverlappingHostnames", text)


@query
def route_status(db: Db, ref: Ref) -> Status | None:
    """The status of a route that names a Gateway of ours, None for others."""
    found = db.get(ROUTES[ref.kind], ref)
    parents = attachment(db, ref)
    if found is None or not parents:
        return None
    generation = found.metadata.generation or 1
    return {
        "parents": [
            {
                "parentRef": reference_json(each.reference),
                "controllerName": db.settings.controller_name,
                "conditions": list(_parent_conditions(db, ref, each, generation)),
            }
            for each in parents
        ]
    }


@index(*ROUTES, partitions=candidates, partition_of=itemgetter(0))
def attached(db: Db, route: Ref) -> Iterator[tuple[tuple[Ref, str], Ref]]:
    """File routes under the Gateway and listener name that accepted them; the size of a bucket is `attachedRoutes`.

    A route whose newest generation cannot be read is not accepted, though the one before is served.
    """
    if db.refused(route) is not None:
        return
    status = route_status(db, route)
    for parent, told in zip(attachment(db, route), status["parents"] if status is not None else (), strict=True):
        if told["conditions"][0]["status"] == "True":
            for binding in parent.bindings:
                yield (parent.gateway, binding.listener), route


def _parent_conditions(db: Db, ref: Ref, parent: Parent, generation: int) -> Iterator[dict[str, Any]]:
    """The conditions of a route at one parent, Accepted first."""
    told = (*(each.problems for each in rules(db, ref)), *(each.problems for each in _entries(db, ref, parent)))
    problems = tuple(dict.fromkeys(chain(*told)))
    dropped = [each for each in problems if each.condition == "Accepted"]
    refused = _refused(db, ref, parent)
    nothing = _nothing(parent, refused)
    if parent.problem is not None:
        yield Condition("Accepted", "False", parent.problem.reason, parent.problem.message).json(generation)
    elif nothing or (dropped and not _serves(db, ref, parent)):
        reason = dropped[0].reason if dropped else "UnsupportedValue"
        text = bounded([each.message for each in dropped] + [_words(each) for each in refused])
        yield Condition("Accepted", "False", reason, text).json(generation)
    else:
        before = [each for each in refused if each.served is Served.VERSION_BEFORE]
        good = min((each.generation or generation for each in before), default=generation)
        yield Condition("Accepted", "True", "Accepted", "The route is attached.").json(good)
        if dropped or refused:
            yield _partly(dropped, refused).json(generation)
    yield verdict("ResolvedRefs", problems, "ResolvedRefs", "All references are resolved.").json(generation)


def _entries(db: Db, ref: Ref, parent: Parent) -> Iterator[Outcome[tuple[Entry, ...]]]:
    for origin in dict.fromkeys(each.table.origin for each in parent.bindings):
        yield route_entries(db, ref, origin)


def _serves(db: Db, ref: Ref, parent: Parent) -> bool:
    """Whether a rule of a route is served at a parent: not when each asks for what cannot be had."""
    made = (entry for each in _entries(db, ref, parent) for entry in each.value)
    return implemented(db, ref) and any(not each.dropped for each in made)


def _refused(db: Db, ref: Ref, parent: Parent) -> tuple[Refusal, ...]:
    """What the proxies of a parent refuse of a route."""
    tables = {table_name(each.table) for each in parent.bindings}
    found = db.select(refusals, (ref, parent.gateway))
    return tuple(each for each in found if each.type_url != ROUTE or each.name in tables)


def _nothing(parent: Parent, refused: tuple[Refusal, ...]) -> bool:
    """Whether the proxies serve nothing of a route at a parent, because of what they refuse."""
    if any(each.served is Served.NOTHING and each.type_url != ROUTE for each in refused):
        return True
    tables = [
        {each.served for each in refused if each.name == table_name(binding.table)} for binding in parent.bindings
    ]
    return bool(tables) and all(each == {Served.NOTHING} for each in tables)


def _partly(dropped: list[Problem], refused: tuple[Refusal, ...]) -> Condition:
    """PartiallyInvalid: its message begins as the specification asks (`RouteConditionPartiallyInvalid`).

    Where a proxy goes on with the version before, `Accepted` is of that version's generation.
    """
    before = [_words(each) for each in refused if each.served is Served.VERSION_BEFORE]
    rest = [each.message for each in dropped]
    rest += [_words(each) for each in refused if each.served is not Served.VERSION_BEFORE]
    texts = [f"Fall Back: {bounded(before)}"] if before else []
    texts += [f"Dropped Rule: {bounded(rest)}"] if rest else []
    return Condition("PartiallyInvalid", "True", "UnsupportedValue", bounded(texts))


def _words(refusal: Refusal) -> str:
    rules = f"rule {refusal.rules[0]}" if len(refusal.rules) == 1 else f"rules {', '.join(refusal.rules)}"
    gateway = f"{refusal.gateway.namespace}/{refusal.gateway.name}"
    what = "the route table" if refusal.type_url == ROUTE else "the backend"
    served = {
        Served.NOTHING: "nothing of the route is served there",
        Served.OTHER_RULES: "its requests are answered with 503",
        Served.VERSION_BEFORE: "the version before is served there",
    }
    return (
        f"A proxy of Gateway {gateway} refuses {what} {refusal.name} because of {rules}: {refusal.message}; until that "
        f"is mended, {served[refusal.served]}."
    )


@lru_cache(maxsize=1024)  # most routes name the parents that others do
def reference_json(reference: ParentReference) -> dict[str, Any]:
    """Give a parentRef as it stands in the status."""
    return reference.model_dump(by_alias=True, exclude_none=True)


STATUS = {
    GatewayClass.kind: gatewayclass_status,
    Gateway.kind: gateway_status,
    GatewayParameters.kind: parameters_status,
    **dict.fromkeys(ROUTES, route_status),
}
"""The query for the status of each kind that has one."""
