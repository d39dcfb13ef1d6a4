"""Structural OpenAPI schemas of custom resource definitions, made from pydantic models."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from translator.objects.schema.base import CheckedFields, Fields

Schema = dict[str, Any]

UNSET: Final = "default that is only told"
INT32: Final = 2**31 - 1
KEPT: Final = (
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
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "required",
    "x-kubernetes-validations",
)
"""What is taken over from JSON schema as it is, in this order."""


def structural(model: type[Fields], defaults: bool) -> Schema:
    """Make the schema of a model; what JSON schema can say and a structural one cannot is left to the model itself.

    Args:
        model: of the fields.
        defaults: whether the API server is to fill in defaults; if not, descriptions tell them.
    """
    whole = model.model_json_schema(by_alias=True)
    return _described(_converted(whole, whole.get("$defs", {}), defaults), model)


def _converted(schema: Mapping[str, Any], known: Mapping[str, Any], defaults: bool) -> Schema:
    schema = _resolved(schema, known)
    made: Schema = {key: schema[key] for key in KEPT if key in schema}
    default = made.pop("default", None)
    if isinstance(default, str | int):
        made["default" if defaults else UNSET] = default
    if made.get("minLength") == 0:
        del made["minLength"]
    if made.get("type") == "integer":
        made["format"] = "int32" if schema.get("maximum", INT32 + 1) <= INT32 else "int64"
    if "properties" in schema:
        made["properties"] = {name: _converted(each, known, defaults) for name, each in schema["properties"].items()}
    elif made.get("type") == "object":
        made |= _of_map(schema, known, defaults)
    if "items" in schema:
        made["items"] = _converted(schema["items"], known, defaults)
    return made


def _of_map(schema: Mapping[str, Any], known: Mapping[str, Any], defaults: bool) -> Schema:
    """Return a map: of values of one kind, or of anything at all."""
    values = schema.get("additionalProperties", True)
    if patterns := schema.get("patternProperties"):
        (values,) = patterns.values()
    if values is True:
        return {"x-kubernetes-preserve-unknown-fields": True}
    return {"additionalProperties": _converted(values, known, defaults)}


def _resolved(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolve a reference or an optional field; keep the description of the place that uses it."""
    outer = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
    if "anyOf" in schema:
        (only,) = (each for each in schema["anyOf"] if each.get("type") != "null")
        return {**_resolved(only, known), **{key: each for key, each in outer.items() if each is not None}}
    if "$ref" in schema:
        return {**_resolved(known[schema["$ref"].rpartition("/")[2]], known), **outer}
    return schema


def _described(schema: Schema, model: type[Fields]) -> Schema:
    """Add what pydantic does not put into its schema: rules, unique items, the docstrings of fields."""
    texts = dict(_docstrings(model))
    for name, field in model.model_fields.items():
        of_field = schema["properties"][field.alias or name]
        told = _told(of_field.pop(UNSET, None))
        if text := f"{texts.get(name) or of_field.get('description', '')} {told}".strip():
            of_field["description"] = text
        of_field |= _uniqueness(field)
        nested = _nested(field.annotation)
        if nested is not None:
            _described(of_field.get("items", of_field), nested)
        schema["properties"][field.alias or name] = _ordered(of_field)
    if issubclass(model, CheckedFields) and model.rules:
        schema["x-kubernetes-validations"] = [{"rule": each.cel, "message": each.message} for each in model.rules]
    return schema


def _told(default: object) -> str:
    if default in (None, ""):
        return ""
    return f"By default {str(default).lower() if isinstance(default, bool) else default}."


def _nested(annotation: Any) -> type[Fields] | None:
    if isinstance(annotation, type) and issubclass(annotation, Fields):
        return annotation
    return next(filter(None, map(_nested, get_args(annotation))), None)


def _uniqueness(field: FieldInfo) -> Schema:
    for each in field.metadata:
        if isinstance(each, AfterValidator) and hasattr(each.func, "unique_by"):
            keys = each.func.unique_by
            if keys is None:
                return {"x-kubernetes-list-type": "set"}
            return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys.split(",")}
    return {}


def _docstrings(model: type[Fields]) -> Iterator[tuple[str, str]]:
    """Yield the docstrings below fields, by the fields' names."""
    (made,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(made, ast.ClassDef)
    for field, text in zip(made.body, made.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                yield name, " ".join(said.split())


def _ordered(schema: Schema) -> Schema:
    order = [*KEPT, "additionalProperties", "x-kubernetes-preserve-unknown-fields", "properties", "items"]
    return {key: schema[key] for key in sorted(schema, key=order.index)}
