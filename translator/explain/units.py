"""The effective fields of the policies that concern a rule, with where each of them comes from."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import PlainValidator
from pydantic.fields import FieldInfo

from translator.db import Db
from translator.envoy.hooks import FILTER
from translator.explain.result import PolicyField
from translator.extension import PolicyUnit
from translator.gateway.listeners import ListenerState
from translator.ir.http import Rule
from translator.kinds import Level
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.headgate.types import MILLIONTHS_OF_PERCENT, Share
from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import Milliseconds
from translator.policies.attachment import referenced_policies
from translator.policies.effective import Stack, effective, effective_beside, set_fields, stacked
from translator.policies.merging import Effective, leaf_values
from translator.refs import Ref
from translator.resources.listener_policies import listener_stack, units_at
from translator.routes.delegated import ParentRule
from translator.routes.parents import said_above
from translator.routes.units import of, overrides, unit_settings, units_of


def policy_fields(
    db: Db, route: Ref, spec: RouteRule[Any], rule: Rule, stack: Stack, above: tuple[ParentRule, ...] = ()
) -> Iterator[PolicyField]:
    """Yield the effective fields of the policies that concern a rule.

    Args:
        db: the database.
        route: the route.
        spec: the rule in the spec of the route.
        rule: the rule as its object alone has it.
        stack: the policies that concern it, those that it inherits among them.
        above: the rules that delegate to it, of which it inherits something.
    """
    for unit in units_of(db, stack):
        policies = of(stack, unit)
        own = unit.own(spec) if unit.own is not None else None
        said = said_above(above, unit)
        if own is not None or said:
            found = effective_beside(db, policies, unit.field, route, own, said)
        else:
            found = effective(db, policies, unit.field)
            if overrides(rule, unit) and not found.enforced:
                continue
        problems = unit_settings(db, policies, unit.field).problems if own is None else ()
        yield from _fields(db, unit, found, policies, route, problems[0].message if problems else "")


def listener_fields(db: Db, state: ListenerState) -> Iterator[PolicyField]:
    """Yield the effective fields of the policies for a listener itself."""
    stack = listener_stack(db, state.gateway, state.ref, state.port)
    for unit in units_at(db, stack, state.protocol):
        policies = of(stack, unit)
        problems = unit_settings(db, policies, unit.field).problems
        found = effective(db, policies, unit.field)
        yield from _fields(db, unit, found, policies, state.gateway, problems[0].message if problems else "")


def backend_fields(
    db: Db, route: Ref, spec: RouteRule[Any], stack: Stack, of_rule: Container[PolicyField]
) -> Iterator[PolicyField]:
    """Yield the fields of the policies that the filters of single backends name, which concern filters of Envoy only.

    Args:
        db: the database.
        route: the route.
        spec: the rule in the spec of the route.
        stack: the policies that concern the rule.
        of_rule: the effective fields of the rule, which are not said again.
    """
    for place, each in enumerate(spec.backend_refs):
        named = referenced_policies(db, each.filters, route.namespace)
        whole = (*stack, *stacked(Level.BACKEND_REF, named))
        for unit in units_of(db, whole) if named else ():
            policies = of(whole, unit)
            read = unit_settings(db, policies, unit.field)
            if read.value is not None and not FILTER.of(read.value):
                continue
            problem = read.problems[0].message if read.problems else ""
            for found in _fields(db, unit, effective(db, policies, unit.field), policies, route, problem):
                if found not in of_rule:
                    yield found._replace(field=f"backendRefs[{place}]: {found.field}")


def _fields(
    db: Db, unit: PolicyUnit, found: Effective, stack: Stack, route: Ref, problem: str
) -> Iterator[PolicyField]:
    for each in found.parts:
        yield from _fields_of(db, unit, each, stack, route, problem)


def _fields_of(
    db: Db, unit: PolicyUnit, found: Effective, stack: Stack, route: Ref, problem: str
) -> Iterator[PolicyField]:
    if found.value is None:
        return  # said by none but policies that never were valid
    name = unit.path.removeprefix("spec.")
    info = unit.policy.spec_model().unit_info(unit.field)
    leaves = tuple(leaf_values(found.value, info))
    for leaf in leaves:
        origin = found.origins[leaf.path]
        dot = "." if leaf.path and not leaf.path.startswith("[") else ""
        level = Level.RULE_FIELDS.title if origin == route else _level(stack, origin, leaf.path in found.enforced)
        yield PolicyField(f"{name}{dot}{leaf.path}", written(leaf.value, leaf.info), str(origin), level, problem)
    if not leaves:
        for last in [each for each in stack if unit.field in set_fields(db, each.policy)][-1:]:
            yield PolicyField(name, written(found.value, info), str(last.policy), last.level.title, problem)


def _level(stack: Stack, policy: Ref, enforced: bool) -> str:
    levels = [each.level for each in stack if each.policy == policy]
    level = levels[0] if enforced else levels[-1]
    return f"{level.title}, enforced" if enforced else level.title


_VALIDATORS: Final = {
    get_args(Milliseconds)[1].func: lambda value: f"{value / 1000:g}s",
    get_args(Share)[1].func: lambda value: f"{value / MILLIONTHS_OF_PERCENT:g}%",
}
"""The types that are held as numbers, and how people write them."""


def written(value: Any, info: FieldInfo | None = None) -> Any:
    """Return a value as JSON, in the way that people write it."""
    if isinstance(value, Fields):
        fields = type(value).model_fields
        found = ((name, getattr(value, name)) for name in fields if name in value.model_fields_set)
        return {fields[name].alias or name: written(each, fields[name]) for name, each in found if each is not None}
    if isinstance(value, Mapping):
        return {str(key): written(each) for key, each in value.items()}
    if isinstance(value, (tuple, list, frozenset)):
        return [written(each) for each in value]
    text = next((_VALIDATORS[each] for each in _functions(info) if each in _VALIDATORS), None)
    return text(value) if text is not None and isinstance(value, int) else value


def _functions(info: FieldInfo | None) -> Iterator[Any]:
    """Yield the functions that validate the values of a field."""
    if info is not None:
        yield from _of_metadata(info.metadata)
        yield from _of_annotation(info.annotation)


def _of_annotation(annotation: Any) -> Iterator[Any]:
    metadata = getattr(annotation, "__metadata__", ())
    yield from _of_metadata(metadata)
    for each in get_args(annotation):
        if each not in metadata:
            yield from _of_annotation(each)


def _of_metadata(metadata: Iterable[Any]) -> Iterator[Any]:
    yield from (each.func for each in metadata if isinstance(each, PlainValidator))
