"""The leaves of the models of objects: every field that holds a value, with its type, constraints and documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import BaseMetadata
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from deploy.schema import docstrings
from translator.objects.headgate import types
from translator.objects.headgate.expressions import Condition, Format, HeaderFormat
from translator.objects.schema import scalars
from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc, TypeName

NAMED: Mapping[str, Any] = {
    "duration": scalars.Milliseconds,
    "duration of 1ms or more": scalars.PositiveMilliseconds,
    "share": types.Share,
    "quantity": types.Quantity,
    "format": Format,
    "format in one line": HeaderFormat,
    "condition in CEL": Condition,
    "header name": scalars.HeaderName,
}
"""Types that have a name of their own in the documentation."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field that holds a value.

    Attributes:
        path: the path below the object, with ``[]`` behind the name of a list whose items have fields.
        annotation: its type, without None.
        metadata: the constraints and markers of the field and of its type.
        text: its docstring.
        doc: its documentation, or that of the struct around it.
        is_required: whether it must be set where the struct around it is.
    """

    path: str
    annotation: Any
    metadata: tuple[Any, ...]
    text: str
    doc: Doc
    is_required: bool
    value: object = None
    """Its value where nobody sets it, as the model has it."""

    @property
    def constraints(self) -> Mapping[str, Any]:
        """The constraints by their names: ge, le, min_length, max_length, pattern."""
        return constraints_of(self.metadata)

    @property
    def default(self) -> str:
        """What holds where nobody sets it, in words; "" if neither the marker nor the docstring says it."""
        if said := self.doc.default or _sentence(self.text, "By default "):
            return said
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return str(self.value) if isinstance(self.value, str | int) and self.value != "" else ""


def leaves(model: type[Fields], prefix: str = "", doc: Doc | None = None) -> Iterator[Leaf]:
    """Yield the leaves below a model, in the order of its fields."""
    texts = dict(docstrings(model))
    for name, info in model.model_fields.items():
        annotation, metadata = peel(info.annotation)
        metadata = (*info.metadata, *metadata)
        path = f"{prefix}{info.alias or name}"
        found = _inherited(next((each for each in metadata if isinstance(each, Doc)), Doc()), doc or Doc())
        nested, place = _struct(annotation, path)
        if nested is not None and nested.model_fields:
            yield from leaves(nested, f"{place}.", found)
        else:
            yield Leaf(path, annotation, metadata, texts.get(name, ""), found, info.is_required(), info.default)


def peel(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without None and without its constraints, and these; a union of several types stays one."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        core, more = peel(inner)
        return core, (*metadata, *more)
    if get_origin(annotation) in (Union, UnionType):
        members = [each for each in get_args(annotation) if each is not type(None)]
        if len(members) == 1:
            return peel(members[0])
    return annotation, ()


def constraints_of(metadata: tuple[Any, ...]) -> Mapping[str, Any]:
    """Return the constraints in the metadata of a type by their names."""
    found: dict[str, Any] = {}
    for each in reversed(metadata):
        parts = each.metadata if isinstance(each, FieldInfo) else [each]
        for part in parts:
            if isinstance(part, StringConstraints | BaseMetadata) or hasattr(part, "__dict__"):
                values = (
                    vars(part)
                    if hasattr(part, "__dict__")
                    else {name: getattr(part, name) for name in getattr(part, "__slots__", ()) if hasattr(part, name)}
                )
                found |= {name: value for name, value in values.items() if name in _NAMES and value is not None}
    return found


_NAMES = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern", "strict")


def type_name(annotation: Any, metadata: tuple[Any, ...]) -> str:
    """Return the name of a type for the documentation, with its range."""
    for each in metadata:
        if isinstance(each, TypeName):
            return each.name
    for name, known in NAMED.items():
        core, own = peel(known)
        if core == annotation and own and all(each in metadata for each in own):
            return name
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in get_args(annotation))
    if origin in (Union, UnionType):
        return " or ".join(type_name(*peel(each)) for each in get_args(annotation))
    constraints = constraints_of(metadata)
    if origin is tuple:
        return f"list of {type_name(*peel(get_args(annotation)[0]))}{_most(constraints, 'items')}"
    if isinstance(annotation, type) and issubclass(annotation, Fields):
        return "`{}`"
    plain = {bool: "boolean", int: "integer" + _range(constraints), str: "string" + _most(constraints, "characters")}
    return plain.get(annotation, "object")


def _range(constraints: Mapping[str, Any]) -> str:
    low, high = constraints.get("ge"), constraints.get("le")
    if low is None and high is None:
        return ""
    return (
        f", {low} to {high}" if None not in (low, high) else f", at least {low}" if high is None else f", up to {high}"
    )


def _most(constraints: Mapping[str, Any], what: str) -> str:
    most = constraints.get("max_length")
    return f", up to {most} {what}" if most is not None else ""


def _struct(annotation: Any, path: str) -> tuple[type[Fields] | None, str]:
    """Return the model of a struct, or of the items of a list, and the path of its fields."""
    if get_origin(annotation) is tuple:
        annotation, path = peel(get_args(annotation)[0])[0], f"{path}[]"
    return (annotation, path) if isinstance(annotation, type) and issubclass(annotation, Fields) else (None, path)


def _inherited(own: Doc, outer: Doc) -> Doc:
    return replace(own, envoy=own.envoy or outer.envoy, attach=own.attach or outer.attach)


def _sentence(text: str, start: str) -> str:
    place = text.find(start)
    if place < 0:
        return ""
    rest = text[place + len(start) :]
    return rest.partition(". ")[0].rstrip(".")
