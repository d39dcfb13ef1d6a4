"""Merging of the values that policies of several levels give a field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from translator.objects.schema.base import CheckedFields, Fields
from translator.refs import Ref


@dataclass(frozen=True, slots=True)
class Effective:
    """The effective value of a field of policies, and where it comes from.

    Attributes:
        value: the value; None where no policy gives one.
        origins: by the path of each leaf, as users write it, the policy that it comes from.
    """

    value: Fields | None = None
    origins: Mapping[str, Ref] = field(default_factory=dict)

    def violations(self) -> Iterator[str]:
        """Yield the rules between fields that the value breaks, as values of several policies together may."""
        if self.value is not None:
            yield from _violations(self.value, "")


def merge(values: Iterable[tuple[Ref, Fields]]) -> Effective:
    """Merge values of one type, the least specific first: the most specific that sets a leaf gives it.

    A struct is merged field by field, and a map key by key; anything else is a leaf, lists too.
    """
    merged: Fields | None = None
    origins: dict[str, Ref] = {}
    for policy, value in values:
        merged = value if merged is None else _merged(merged, value)
        origins |= dict.fromkeys(leaves(value), policy)
    return Effective(merged, origins)


def leaves(value: Fields, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the leaves that a value sets, as users write them."""
    for name, found in _set_fields(value):
        path = f"{prefix}{_written(value, name)}"
        if isinstance(found, Fields):
            yield from leaves(found, f"{path}.")
        elif isinstance(found, Mapping):
            yield from (f"{path}[{key}]" for key in found)
        else:
            yield path


def _merged(wide: Any, near: Any) -> Any:
    if isinstance(wide, Fields) and isinstance(near, Fields):
        changed = {name: _merged(getattr(wide, name), found) for name, found in _set_fields(near)}
        return wide.model_copy(update=changed)
    if isinstance(wide, Mapping) and isinstance(near, Mapping):
        return {**wide, **near}
    return near


def _set_fields(value: Fields) -> Iterator[tuple[str, Any]]:
    """Yield the fields that are set, in the order of their declaration."""
    for name in type(value).model_fields:
        if name in value.model_fields_set and (found := getattr(value, name)) is not None:
            yield name, found


def _written(value: Fields, name: str) -> str:
    return type(value).model_fields[name].alias or name


def _violations(value: Fields, prefix: str) -> Iterator[str]:
    if isinstance(value, CheckedFields):
        for found in value.violations():
            yield f"{prefix}{'.'.join(map(str, found.path))} {found.message}"
    for name, found in _set_fields(value):
        if isinstance(found, Fields):
            yield from _violations(found, f"{prefix}{_written(value, name)}.")
