"""Structural OpenAPI schemas of CustomResourceDefinitions, generated from pydantic models."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import AfterValidator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from translator.objects.schema.base import CelRule, CheckedFields, Fields
from translator.objects.schema.documentation import JudgedByModel

Schema = dict[str, Any]

UNSET: Final = "default only in the description"
INT32: Final = 2**31 - 1
VALIDATIONS: Final = "x-kubernetes-validations"
MAP_TYPE: Final = "x-kubernetes-map-type"
MAP_KEYS: Final = "x-kubernetes-list-map-keys"
KEYWORDS: Final = (
    "type",
    "format",
    "description",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-map-type",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "required",
    VALIDATIONS,
)
"""The keywords that are copied from the JSON schema, in this order."""


def structural(model: type[Fields], defaults: bool) -> Schema:
    """Return the structural schema of a model; constraints that it cannot express are left to the model's validation.

    Args:
        model: the model.
        defaults: whether the API server sets defaults; if not, only the descriptions mention them.
    """
    whole = model.model_json_schema(by_alias=True)
    return _described(_converted(whole, whole.get("$defs", {}), defaults), model)


def _converted(schema: Mapping[str, Any], known: Mapping[str, Any], defaults: bool) -> Schema:
    schema = _resolved(schema, known)
    result: Schema = {key: schema[key] for key in KEYWORDS if key in schema}
    if "const" in schema:
        result["enum"] = [schema["const"]]
    default = result.pop("default", None)
    if isinstance(default, str | int):
        result["default" if defaults else UNSET] = default
    if result.get("minLength") == 0:
        del result["minLength"]
    if result.get("type") == "integer":
        result["format"] = "int32" if schema.get("maximum", INT32 + 1) <= INT32 else "int64"
    if "properties" in schema:
        result["properties"] = {name: _converted(each, known, defaults) for name, each in schema["properties"].items()}
    elif result.get("type") == "object":
        result |= _of_map(schema, known, defaults)
    assert "type" in result or "x-kubernetes-int-or-string" in result, f"the type of a field is not known: {schema}"
    if "items" in schema:
        result["items"] = _converted(schema["items"], known, defaults)
    return result


def _of_map(schema: Mapping[str, Any], known: Mapping[str, Any], defaults: bool) -> Schema:
    """Return the keywords of a map: with a schema of its values, or with arbitrary content."""
    values = schema.get("additionalProperties", True)
    if patterns := schema.get("patternProperties"):
        (values,) = patterns.values()
    if values is True:
        return {"x-kubernetes-preserve-unknown-fields": True}
    return {"additionalProperties": _converted(values, known, defaults)}


def _resolved(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolve a reference or an optional field; the keywords beside it take precedence."""
    outer = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
    if "anyOf" in schema:
        (only,) = (each for each in schema["anyOf"] if each.get("type") != "null")
        return {**_resolved(only, known), **{key: each for key, each in outer.items() if each is not None}}
    if "$ref" in schema:
        return {**_resolved(known[schema["$ref"].rpartition("/")[2]], known), **outer}
    return schema


def _described(schema: Schema, model: type[Fields]) -> Schema:
    """Add to the schema what pydantic's lacks: CEL rules, uniqueness of items, the docstrings of fields."""
    texts = dict(docstrings(model))
    for name, field in model.model_fields.items():
        of_field = schema["properties"][field.alias or name]
        default = _default_text(of_field.pop(UNSET, None))
        if text := f"{texts.get(name) or of_field.get('description', '')} {default}".strip():
            of_field["description"] = text
        of_type = of_field.get(VALIDATIONS, [])
        of_field |= _uniqueness(field) | _validations(_rules(field))
        if of_type and of_field[VALIDATIONS] is not of_type:
            of_field[VALIDATIONS] = of_type + of_field[VALIDATIONS]
        nested = _nested(field.annotation)
        if nested is not None:
            _described(of_field.get("items", of_field), nested)
            if of_field.get("x-kubernetes-list-type") == "set":
                of_field["items"][MAP_TYPE] = "atomic"  # the API server compares items of sets as a whole
            _without_optional_keys(of_field)
            if any(isinstance(each, JudgedByModel) for each in _metadata(field)):
                _drop_rules(of_field)
        schema["properties"][field.alias or name] = _ordered(of_field)
    if issubclass(model, CheckedFields):
        schema |= _validations(model.rules)
    return schema


def _validations(rules: Iterable[CelRule]) -> Schema:
    found = [
        {"rule": each.cel, "message": each.message, **({"fieldPath": f".{each.field}"} if each.field else {})}
        for each in rules
    ]
    return {VALIDATIONS: found} if found else {}


def _metadata(field: FieldInfo) -> Iterator[object]:
    """Yield what annotates a field, or the type of an optional one."""
    yield from field.metadata
    if get_origin(field.annotation) in (Union, UnionType):
        for each in get_args(field.annotation):
            yield from getattr(each, "__metadata__", ())


def _rules(field: FieldInfo) -> Iterator[CelRule]:
    for each in _metadata(field):
        if isinstance(each, AfterValidator):
            yield from getattr(each.func, "rules", ())


def _default_text(default: object) -> str:
    if default in (None, ""):
        return ""
    return f"By default {str(default).lower() if isinstance(default, bool) else default}."


def _nested(annotation: Any) -> type[Fields] | None:
    if isinstance(annotation, type) and issubclass(annotation, Fields):
        return annotation
    return next(filter(None, map(_nested, get_args(annotation))), None)


def _uniqueness(field: FieldInfo) -> Schema:
    for each in _metadata(field):
        if isinstance(each, AfterValidator) and hasattr(each.func, "unique_by"):
            keys = each.func.unique_by
            if keys is None:
                return {"x-kubernetes-list-type": "set"}
            return {
                "x-kubernetes-list-type": "map",
                MAP_KEYS: [to_camel(name) for name in keys.split(",")],
            }
    return {}


def _drop_rules(schema: Any) -> None:
    if isinstance(schema, dict):
        schema.pop(VALIDATIONS, None)
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _drop_rules(each)


def _without_optional_keys(schema: Schema) -> None:
    """Leave it to the model that items are unique where not all of their keys are required or have a default.

    The API server rejects a definition with such keys.
    """
    keys, items = schema.get(MAP_KEYS, ()), schema.get("items", {})
    if any(each not in items.get("required", ()) and "default" not in items["properties"][each] for each in keys):
        del schema[MAP_KEYS], schema["x-kubernetes-list-type"]


def docstrings(model: type[Fields]) -> Iterator[tuple[str, str]]:
    """Yield the docstrings below fields, by the fields' names, inherited ones before those of the class itself."""
    for base in reversed(model.__mro__):
        if issubclass(base, Fields) and base is not Fields:
            yield from _own_docstrings(base)


@cache  # each model is met at many places, and its source takes milliseconds to read
def _own_docstrings(model: type[Fields]) -> tuple[tuple[str, str], ...]:
    return tuple(_read_docstrings(model))


def _read_docstrings(model: type[Fields]) -> Iterator[tuple[str, str]]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(node, ast.ClassDef)
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                yield name, " ".join(docstring.split())


def _ordered(schema: Schema) -> Schema:
    order = [*KEYWORDS, "additionalProperties", "x-kubernetes-preserve-unknown-fields", "properties", "items"]
    return {key: schema[key] for key in sorted(schema, key=order.index)}
