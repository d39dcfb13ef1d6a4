"""ModelRoutes: the rules of their spec, and those that list the models and answer for what no rule serves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, cast

from translator.api_group import GROUP
from translator.db import Db
from translator.engine.query import query
from translator.envoy.ai.client_errors import ErrorsOfModels
from translator.envoy.ai.model_settings import (
    IS_FORM,
    CountUsage,
    ListedModel,
    ListModels,
    NoRule,
    NoSuchModel,
    PickedByModel,
    ReadModel,
    WithoutModel,
)
from translator.extension import FilterContext
from translator.ir.ai import Price
from translator.ir.http import ModelKind, ModelMatch, PathKind, RouteMatch, Rule, RuleSetting, ValueMatch
from translator.kinds import RouteKind
from translator.languages.regex import quoted
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.headgate.modelroute import ModelRoute, ModelRule
from translator.objects.schema.base import Fields
from translator.outcome import Outcome
from translator.refs import Ref
from translator.routes.by_model import refusal, without_effect
from translator.routes.filters import read_filters
from translator.routes.model_backends import are_providers, backends
from translator.routes.rule import NO_BACKENDS
from translator.routes.values import header_matches, value_problems

LIST: Final = "_models"
"""The names of the rules that are in no spec: no rule of a spec can have them."""
UNKNOWN: Final = "_unknown"
CHANGING: Final = "_changing"
FORMS: Final = (
    "/audio/transcriptions",
    "/audio/translations",
    "/files",
    "/images/edits",
    "/images/variations",
    "/uploads",
)
"""The paths of OpenAI's API to which files are sent as forms, which nobody reads the model of."""
CHANGES_PROTOCOL: Final = (
    ValueMatch("connection", "(?i)(?:.*[, ])?upgrade(?:[, ].*)?", regex=True),
    ValueMatch("upgrade", ".+", regex=True),
)
UNPRINTABLE: Final = r"(?s).*[\x00-\x1f\x7f].*"
"""Models that no header can hold: Envoy would end their requests with 503."""
EPOCH: Final = "1970-01-01T00:00:00Z"

SETTINGS: Final = (ReadModel(), NoRule(), ErrorsOfModels(), PickedByModel(), CountUsage())
"""What the route has that takes all requests first: another ModelRoute of its path may have providers, too."""


@query
def rules(db: Db, route: Ref) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route with the problems in it, then those that it has by itself."""
    found = db.get(ModelRoute, route)
    if found is None:
        return ()
    own = tuple(_rule(db, found, place) for place in range(len(found.spec.rules)))
    first = tuple(setting for each in own for setting in each.value.for_first_route)
    return (*own, Outcome(_list(found)), Outcome(_changing(found)), Outcome(_unknown(found, first)))


def _rule(db: Db, found: ModelRoute, place: int) -> Outcome[Rule]:
    route, spec, field = found.ref, found.spec.rules[place], f"spec.rules[{place}]"
    rule = cast(RouteRule[Fields], spec)  # its backendRefs are of a class of their own, without filters
    site = FilterContext(db, GROUP, route, field, (), rule)
    settings = read_filters(site)
    found_backends = backends(db, route, spec, field)
    wrong = tuple(value_problems(spec.headers, f"{field}.headers"))
    matches = () if wrong else tuple(_matches(found.spec.path_prefix, spec))
    lost = tuple(without_effect(db, route, rule, field))
    problems = (*wrong, *settings.problems, *found_backends.problems, *lost)
    name = spec.name or str(place)
    if (refused := refusal(db, route, rule, field)) is not None:
        return Outcome(Rule(name, matches, (PickedByModel(),), error=refused.message), (*problems, refused))
    if settings.value is None:
        return Outcome(Rule(name, matches, (PickedByModel(),), error=settings.problems[0].message), problems)
    error = "" if any(each.works and each.weight for each in found_backends.value) else NO_BACKENDS
    counted = (CountUsage(_price(spec)),) if are_providers(db, route, spec) else ()
    of_forms = () if spec.models else (WithoutModel(), ErrorsOfModels())
    own = (*settings.value, PickedByModel(), *counted, *of_forms)
    return Outcome(Rule(name, matches, own, found_backends.value, error), problems)


def _price(spec: ModelRule) -> Price | None:
    found = spec.price
    return Price(found.input, found.output, found.cached_input) if found is not None else None


def _matches(prefix: str, spec: ModelRule) -> Iterator[RouteMatch]:
    """Yield the matches of a rule: one for each model; without models, those of forms and of WebSockets too."""
    headers = header_matches(spec.headers)
    for model in map(_model, spec.models) if spec.models else (ModelMatch(ModelKind.READ),):
        yield RouteMatch(path=prefix, headers=headers, model=model)
    if not spec.models:
        yield RouteMatch(path=prefix, headers=(*headers, *CHANGES_PROTOCOL), method="GET")
        for each in FORMS:
            yield RouteMatch(PathKind.EXACT, f"{prefix}{each}", (*headers, IS_FORM), method="POST")
        parts = f"{quoted(prefix)}/uploads/[^/]+/parts"
        yield RouteMatch(PathKind.REGEX, parts, (*headers, IS_FORM), method="POST")


def _model(written: str) -> ModelMatch:
    if written.endswith("*"):
        return ModelMatch(ModelKind.PREFIX, written[:-1])
    return ModelMatch(ModelKind.EXACT, written)


def _list(found: ModelRoute) -> Rule:
    """Return the rule that lists the models."""
    path = f"{found.spec.path_prefix}/models"
    since = found.creation_time or EPOCH
    created = int(datetime.fromisoformat(since).timestamp())
    models = {
        name: ListedModel(name, rule.owned_by or found.metadata.namespace, created, since)
        for rule in reversed(found.spec.rules)
        if not rule.hidden
        for name in reversed(rule.models)
        if not name.endswith("*")
    }
    listed = tuple(reversed(models.values()))
    paths = (path, *(f"{path}/{each.name}" for each in listed))
    matches = (
        *(RouteMatch(PathKind.EXACT, each, method="GET") for each in paths),
        RouteMatch(path=path, method="GET"),
    )
    return Rule(LIST, matches, (ListModels(path, listed), ErrorsOfModels(), PickedByModel()), implied=True)


def _changing(found: ModelRoute) -> Rule:
    """Return the rule that takes requests which change the protocol where no rule of the spec does.

    They have no body that names a model, and the filter that reads models would wait for their end.
    """
    match = RouteMatch(path=found.spec.path_prefix, headers=CHANGES_PROTOCOL, method="GET")
    return Rule(CHANGING, (match,), (NoSuchModel(), ErrorsOfModels(), PickedByModel(), WithoutModel()), implied=True)


def _unknown(found: ModelRoute, first: tuple[RuleSetting, ...]) -> Rule:
    """Return the rule that takes all requests first, and those in the end that no other takes.

    Args:
        found: the route.
        first: what the others need of it.
    """
    path = found.spec.path_prefix
    models = ModelMatch(ModelKind.OTHER), ModelMatch(ModelKind.REGEX, UNPRINTABLE)
    return Rule(
        UNKNOWN, tuple(RouteMatch(path=path, model=each) for each in models), _once(*SETTINGS, *first), implied=True
    )


def _once(*settings: RuleSetting) -> tuple[RuleSetting, ...]:
    """Return settings, the last of each type."""
    return tuple({type(each): each for each in settings}.values())


ROUTE = RouteKind(ModelRoute, protocols=("HTTP", "HTTPS"), rules=rules)
"""The kind ModelRoute."""
