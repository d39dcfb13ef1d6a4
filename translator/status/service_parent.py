"""The conditions of a route at a Service, whose gRPC clients apply it."""

from __future__ import annotations

from collections.abc import Iterator

from translator.conditions import Condition, ObservedCondition, bounded, resolved_refs
from translator.db import Db
from translator.gateway.service_parents import ServiceParent
from translator.ir.listener import PROXYLESS
from translator.refs import Ref
from translator.resources.routes import route_entries
from translator.routes.rules import has_served_rule, rules


def service_conditions(db: Db, route: Ref, parent: ServiceParent, generation: int) -> Iterator[ObservedCondition]:
    """Yield the conditions of a route at a Service, Accepted first."""
    entries = route_entries(db, route, PROXYLESS, parent.stack, None)
    told = [problem for each in rules(db, route) for problem in each.problems]
    problems = tuple(dict.fromkeys((*told, *entries.problems)))
    dropped = [each for each in problems if each.condition == "Accepted"]
    serves = has_served_rule(db, route) and any(not each.dropped for each in entries.value)
    if parent.problem is not None:
        yield Condition("Accepted", "False", parent.problem.reason, parent.problem.message), generation
    elif dropped and not serves:
        text = bounded([each.message for each in dropped])
        yield Condition("Accepted", "False", dropped[0].reason, text), generation
    else:
        text = "The route is attached: it applies to the calls of gRPC clients without a proxy."
        yield Condition("Accepted", "True", "Accepted", text), generation
        if dropped:
            text = f"Dropped Rule: {bounded([each.message for each in dropped])}"
            yield Condition("PartiallyInvalid", "True", "UnsupportedValue", bounded([text])), generation
    yield resolved_refs(problems), generation
