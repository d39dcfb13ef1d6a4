"""The status of InferencePools, by parent: the Gateways at which routes name one (`InferencePoolStatus.parents`)."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, Final

from translator.backends.reference import refused
from translator.conditions import Status, bounded, resolved_refs, verdict
from translator.db import Db
from translator.engine.query import index, query
from translator.gateway.attachment import ChildAttachment, attachment, delegated
from translator.inputs import Invalid
from translator.kinds import StatusKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.references import backend_references
from translator.objects.gateway_api.route import Route
from translator.objects.inference.inferencepool import InferencePool
from translator.outcome import Problem
from translator.refs import Ref
from translator.status.ancestors import gateway_reference
from translator.status.invalid import false
from translator.status.route import route_status

MAX_POOL_PARENTS: Final = 32
"""The most parents in a status (`InferencePoolStatus.parents`)."""


def _named_by(found: Route | None) -> tuple[Ref, ...] | None:
    """Return the pools that a route names; None of nearly every one, which names none."""
    return tuple(_named(found)) or None if found is not None else None


def _named(found: Route) -> Iterator[Ref]:
    for each in backend_references(found.spec):
        if (each.group, each.kind) == (InferencePool.group, InferencePool.kind):
            yield Ref(each.kind, each.namespace or found.metadata.namespace, each.name)


def _namespaces(db: Db, route: Ref) -> Iterator[str]:
    yield from dict.fromkeys(each.namespace for each in _named_by(db.get(Route, route)) or ())


@index(Route, partitions=_namespaces, partition_of=attrgetter("namespace"), projection=_named_by)
def pool_routes(db: Db, route: Ref) -> Iterator[tuple[Ref, Ref]]:
    """File routes under the pools that they name."""
    yield from ((each, route) for each in dict.fromkeys(_named_by(db.get(Route, route)) or ()))


@query
def pool_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a pool; None if no route at a Gateway of ours names it."""
    found, read = db.get(InferencePool, ref), db.registry.backend(ref.kind).problems
    if found is None or read is None:
        return None
    problems = read(db, ref)
    generation = found.metadata.generation or 1
    entries: dict[Ref, list[dict[str, Any]]] = {}
    for gateway, reasons in _parents(db, ref).items():
        refusal = (Problem("Accepted", "HTTPRouteNotAccepted", bounded([*reasons])),) if all(reasons) else ()
        told = verdict("Accepted", (*problems, *refusal), "Accepted", "The Gateway sends requests to the pool.")
        entries[gateway] = [told.json(generation), resolved_refs(problems).json(generation)]
    return _status(db, entries)


def _parents(db: Db, pool: Ref) -> dict[Ref, dict[str, None]]:
    """Return the Gateways at which routes name a pool; of each, why it does not accept a route, "" if it does."""
    found: dict[Ref, dict[str, None]] = {}
    backends = db.registry.backend(pool.kind)
    for route in db.select(pool_routes, pool):
        if refused(db, db.registry.kinds[route.kind].group, route, backends, pool) is None:
            for gateway, reason in _at_gateways(db, route):
                found.setdefault(gateway, {})[reason] = None
    return found


def _at_gateways(db: Db, route: Ref) -> Iterator[tuple[Ref, str]]:
    """Yield the Gateways of a route, each with the reason why it does not accept it; "" if it does."""
    status, attached = route_status(db, route), attachment(db, route)
    # Gateways come first; what delegates to the route is served at Gateways of its own.
    for parent, told in zip(attached, status["parents"] if status is not None else (), strict=False):
        if parent.gateway.kind == Gateway.kind and db.get(Gateway, parent.gateway) is not None:
            accepted: dict[str, str] = told["conditions"][0]
            yield parent.gateway, "" if accepted["status"] == "True" else f"{route}: {accepted['message']}"
    if isinstance(attached, ChildAttachment):
        yield from ((gateway, "") for gateway, _ in delegated(db, route))


def _status(db: Db, entries: dict[Ref, list[dict[str, Any]]]) -> Status | None:
    """Return a status with these conditions by Gateway; of too many the last says how many are not shown."""
    parents: list[dict[str, Any]] = [
        {
            "parentRef": dict(gateway_reference(gateway)),
            "controllerName": db.settings.controller_name,
            "conditions": conditions,
        }
        for gateway, conditions in list(entries.items())[:MAX_POOL_PARENTS]
    ]
    if hidden := len(entries) - len(parents):
        first, *others = parents[-1]["conditions"]
        text = bounded([first["message"], f"The status of {hidden} more Gateways is not shown."])
        parents[-1]["conditions"] = [{**first, "message": text}, *others]
    return {"parents": parents} if parents else None


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    """Return the status of an invalid pool, at the Gateways whose routes name it."""
    return _status(db, {gateway: [false("Accepted", "Invalid", text, invalid)] for gateway in _parents(db, ref)})


STATUS = StatusKind(InferencePool, pool_status, _invalid)
