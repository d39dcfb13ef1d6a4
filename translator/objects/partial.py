"""The readable fields of invalid objects: enough to write their status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from translator.objects.gateway_api.policy import PolicyTargetReference
from translator.objects.gateway_api.references import ParentReference
from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import MAX_GENERATION

R = TypeVar("R", bound=Fields)


class PartialObject(NamedTuple):
    """The fields that say whose an object is; each is empty where even that cannot be read.

    Attributes:
        generation: `metadata.generation`.
        controller: `spec.controllerName`, of a GatewayClass.
        gateway_class: `spec.gatewayClassName`, of a Gateway.
        parents: those of `spec.parentRefs` that can be read, of a route.
        targets: those of `spec.targetRefs` that can be read, of a policy.
    """

    generation: int = 0
    controller: str = ""
    gateway_class: str = ""
    parents: tuple[ParentReference, ...] = ()
    targets: tuple[PolicyTargetReference, ...] = ()


def partial_object(raw: Mapping[str, Any]) -> PartialObject:
    """Return the readable fields of an object in JSON form, whatever it holds."""
    metadata, spec = _fields(raw, "metadata"), _fields(raw, "spec")
    generation = metadata.get("generation")
    return PartialObject(
        generation if isinstance(generation, int) and 0 <= generation <= MAX_GENERATION else 0,
        _text(spec.get("controllerName")),
        _text(spec.get("gatewayClassName")),
        _references(spec.get("parentRefs"), ParentReference),
        _references(spec.get("targetRefs"), PolicyTargetReference),
    )


def _fields(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _references(found: object, model: type[R]) -> tuple[R, ...]:
    """Return those of a list of references that can be read, each once."""
    return tuple(dict.fromkeys(_readable(found, model)))


def _readable(found: object, model: type[R]) -> Iterator[R]:
    for each in found if isinstance(found, list) else ():
        try:
            yield model.model_validate(each)
        except ValidationError:
            continue
