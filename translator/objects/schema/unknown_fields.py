"""Fields of an object that its model does not know: most often a spelling mistake."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Union, get_args

from translator.objects.schema.base import Fields, Path
from translator.objects.schema.misplaced import place
from translator.objects.schema.problem import FieldProblem
from translator.objects.schema.suggest import closest

Plan = Mapping[str, Union["Plan", None]]
"""The names known at one level; those that lead to a further level, with its plan."""


@cache
def plan(model: type[Fields]) -> Plan:
    """Return the names that a model and those below it know; worked out once."""
    levels: dict[str, Plan | None] = dict.fromkeys(model.ignored_fields)
    for name, field in model.model_fields.items():
        nested = _nested(field.annotation)
        levels[field.alias or name] = plan(nested) if nested else None
    return levels


def _nested(annotation: Any) -> type[Fields] | None:
    """Return the model in an annotation like `tuple[Model, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Fields):
        return annotation
    return next(filter(None, map(_nested, get_args(annotation))), None)


def unknown_fields(
    raw: Mapping[str, Any], known: Plan, path: Path = (), above: tuple[tuple[Path, Plan], ...] = ()
) -> Iterator[FieldProblem]:
    """Yield a warning for each field that is not known, at any level, with what was perhaps meant.

    Args:
        raw: the object, or a part of it.
        known: the names known there.
        path: where the part is.
        above: the levels that lead to it, the outermost first.
    """
    inner = (*above, (path, known))
    for name, value in raw.items():
        if name not in known:
            text = f"is not a field that is known here{_meant(name, known, above, path)}"
            yield FieldProblem((*path, name), text, "warning")
        elif (level := known[name]) is not None:
            if isinstance(value, dict):
                yield from unknown_fields(value, level, (*path, name), inner)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, dict):
                        yield from unknown_fields(item, level, (*path, name, index), inner)


def _meant(name: object, known: Plan, above: tuple[tuple[Path, Plan], ...], path: Path) -> str:
    if text := place(str(name), known, above, path):
        return f"; {text}"
    close = closest(name, known)
    return f"; did you mean {close}?" if close else "; it has no effect: remove it"


def without_nulls(raw: Mapping[str, Any], known: Plan) -> dict[str, Any]:
    """Return a copy without the fields that are null, at the levels that the plan knows."""
    return {name: _pruned(value, known.get(name)) for name, value in raw.items() if value is not None}


def _pruned(value: Any, level: Plan | None) -> Any:
    if isinstance(value, dict):
        return without_nulls(value, level or {})
    if isinstance(value, list) and level is not None:
        return [_pruned(item, level) for item in value]
    return value
