"""The backends of the rules of ModelRoutes: providers that stand in for each other, Services and InferencePools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from translator.api_group import GROUP
from translator.backends.reference import backend
from translator.db import Db
from translator.ir.ai import ModelBackend
from translator.ir.backend import Backend, BackendKey
from translator.ir.http import WeightedBackend
from translator.objects.headgate.modelroute import ModelBackendRef, ModelRule
from translator.outcome import Outcome, Problem
from translator.policies.attachment import is_provider
from translator.refs import Ref
from translator.routes.rule import weighted_backend, with_its_own

POOL: Final = "InferencePool"
"""The kind of backends whose picker is asked by the route: they are no providers, and stand beside none."""


def backends(db: Db, route: Ref, spec: ModelRule, field: str) -> Outcome[tuple[WeightedBackend, ...]]:
    """Return the backends of a rule.

    Providers are one backend together, and so are all of a rule that says in which order, or for which model, they are
    asked. Others share requests by their weights, as those of an HTTPRoute do.

    Args:
        db: the database.
        route: the ModelRoute.
        spec: the rule.
        field: its path in the route.
    """
    fields = [(each, f"{field}.backendRefs[{place}]") for place, each in enumerate(spec.backend_refs)]
    if not are_providers(db, route, spec):
        made = [weighted_backend(db, GROUP, route, each, at) for each, at in fields]
        return Outcome(tuple(each.value for each in made), tuple(problem for each in made for problem in each.problems))
    problems: list[Problem] = []
    found: list[ModelBackend] = []
    for each, at in fields:
        read = backend(db, GROUP, route, each, at)
        problems += read.problems
        if read.value is not None and read.value.key.kind == POOL:
            text = f"{at}: an {POOL} stands beside no other backend, and has no priority and no model; it is left out."
            problems.append(Problem("Accepted", "UnsupportedValue", text))
        elif read.value is not None:
            found.append(ModelBackend(read.value, each.weight, each.priority, each.model or ""))
    together, left_out = _united(db, route, spec, found)
    problems += _left_out(left_out, field)
    if together is None:
        return Outcome((WeightedBackend(None),), tuple(problems))
    return Outcome((with_its_own(db, route, WeightedBackend(together)),), tuple(problems))


def are_providers(db: Db, route: Ref, spec: ModelRule) -> bool:
    """Return whether the backends of a rule are asked as providers are, which tell what responses cost."""
    if any(_is_provider(db, route, each) for each in spec.backend_refs):
        return True
    return spec.price is not None and all(each.kind != POOL for each in spec.backend_refs)


def _is_provider(db: Db, route: Ref, reference: ModelBackendRef) -> bool:
    """Return whether a backend is asked as a provider is."""
    if reference.priority or reference.model:
        return True
    return is_provider(db, route, reference)


def _united(db: Db, route: Ref, spec: ModelRule, found: list[ModelBackend]) -> tuple[Backend | None, tuple[str, ...]]:
    assert db.registry.unite is not None, "an extension unites backends of models"
    return db.registry.unite(BackendKey(route.kind, route.namespace, f"{route.name}/{spec.name or ''}"), tuple(found))


def _left_out(names: tuple[str, ...], field: str) -> Iterator[Problem]:
    for each in names:
        text = (
            f"{field}.backendRefs: the provider {each} gets what clients send as their credential, and stands beside "
            f"or behind one that has a credential of its own; it is left out. Give it an auth, or a rule of its own."
        )
        yield Problem("Accepted", "UnsupportedValue", text)
