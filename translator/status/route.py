"""What is to be told of each object: from attachment, listeners and acknowledgements to `status`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from translator.conditions import Condition, Status, bounded, verdict
from translator.db import Db, Served
from translator.engine.query import index, query
from translator.envoy.names import table_name
from translator.envoy.route import Entry
from translator.gateway.attachment import ROUTES, Parent, attachment, candidates
from translator.objects.gateway_api.references import ParentReference
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.resources.routes import route_entries
from translator.routes.http import implemented, rules
from translator.status.refusals import Refusal, refusals
from xds.resources.types import ROUTE


@query
def route_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a route that names a Gateway of ours, None for others."""
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
    """Yield the conditions of a route at one parent, Accepted first."""
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
    """Return what the proxies of a parent refuse of a route."""
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
