"""The readable fields of invalid objects: enough to write their status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from translator.objects.gateway_api.listenerset import ParentGatewayReference
from translator.objects.gateway_api.references import ParentReference
from translator.objects.headgate.policy import PolicyTarget, TargetSelector
from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import MAX_GENERATION

R = TypeVar("R", bound=Fields)

OBJECT: Final = ("group", "kind", "namespace", "name")
"""The fields of a target that name an object."""


class PartialObject(NamedTuple):
    """The fields that say whose an object is; each is empty where even that cannot be read.

    Attributes:
        generation: `metadata.generation`.
        creation_time: `metadata.creationTimestamp`.
        controller: `spec.controllerName`, of a GatewayClass.
        gateway_class: `spec.gatewayClassName`, of a Gateway.
        parents: those of `spec.parentRefs` that can be read, of a route.
        parent_gateway: `spec.parentRef`, of a ListenerSet; None if it cannot be read.
        targets: those of `spec.targetRefs` that can be read, of a policy; without a section that cannot be read.
        selectors: those of `spec.targetSelectors` that can be read, of a policy.
        all_targets: whether `targets` and `selectors` have all of them.
        fields: the names of the fields of the spec; of a ListenerPolicy the paths of those of its listeners too.
    """

    generation: int = 0
    controller: str = ""
    gateway_class: str = ""
    parents: tuple[ParentReference, ...] = ()
    targets: tuple[PolicyTarget, ...] = ()
    creation_time: str = ""
    parent_gateway: ParentGatewayReference | None = None
    all_targets: bool = False
    selectors: tuple[TargetSelector, ...] = ()
    fields: frozenset[str] = frozenset()


def partial_object(raw: Mapping[str, Any]) -> PartialObject:
    """Return the readable fields of an object in JSON form, whatever it holds."""
    metadata, spec = _fields(raw, "metadata"), _fields(raw, "spec")
    generation, target_refs = metadata.get("generation"), spec.get("targetRefs")
    target_selectors = spec.get("targetSelectors")
    targets = _references(target_refs, PolicyTarget, OBJECT)
    selectors = tuple(_readable(target_selectors, TargetSelector))
    return PartialObject(
        generation if isinstance(generation, int) and 0 <= generation <= MAX_GENERATION else 0,
        _text(spec.get("controllerName")),
        _text(spec.get("gatewayClassName")),
        _references(spec.get("parentRefs"), ParentReference),
        targets,
        _text(metadata.get("creationTimestamp")),
        next(iter(_references([spec.get("parentRef")], ParentGatewayReference)), None),
        bool(targets or selectors) and _all(target_refs, targets) and _all(target_selectors, selectors),
        selectors,
        frozenset((*spec, *_of_listeners(spec))),
    )


def _fields(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _of_listeners(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of what the spec of a ListenerPolicy sets, for any port, as if it were for all."""
    ports = spec.get("perPort")
    configs = [_fields(spec, "default")]
    items = ports if isinstance(ports, list) else ()
    configs += [_fields(each, "listener") for each in items if isinstance(each, dict)]
    yield from (f"default.{name}" for each in configs for name in each)


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _all(found: object, readable: tuple[Fields, ...]) -> bool:
    return found is None or (isinstance(found, list) and len(readable) >= len(found))


def _references(found: object, model: type[R], least: Iterable[str] = ()) -> tuple[R, ...]:
    """Return those of a list of references that can be read, each once; if need be of the fields `least` only."""
    return tuple(dict.fromkeys(_readable(found, model, frozenset(least))))


def _readable(found: object, model: type[R], least: Set[str] = frozenset()) -> Iterator[R]:
    for each in found if isinstance(found, list) else ():
        part = {name: each[name] for name in least & each.keys()} if least and isinstance(each, dict) else each
        for form in (each, part):
            try:
                yield model.model_validate(form)
            except ValidationError:
                continue
            break
