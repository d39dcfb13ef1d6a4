"""Merging of the values that policies of several levels give a field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from annotated_types import MaxLen
from pydantic.fields import FieldInfo

from translator.objects.schema.base import CheckedFields, Fields
from translator.objects.schema.merging import by_key, is_atomic
from translator.refs import Ref

DISABLE: Final = "disable"
"""The field of a struct that excludes all its other fields."""


class Contribution(NamedTuple):
    """What one policy says about a field.

    Attributes:
        level: the rank of the level that it is attached at; the greater, the more specific.
        policy: the policy; for what a route says by itself, the route.
        value: the value of the field; None if it has none.
        replaces: whether nothing that less specific levels say is effective (`spec.inheritance`).
        enforced: whether its value is final for all levels (`spec.enforced`).
    """

    level: int
    policy: Ref
    value: Any
    replaces: bool = False
    enforced: bool = False


@dataclass(frozen=True, slots=True)
class Effective:
    """The effective value of a field of policies, and where it comes from.

    Attributes:
        value: the value; None where no policy gives one.
        origins: by the path of each leaf, as users write it, the policy that it comes from.
        enforced: the paths of those leaves that are enforced.
        beside: the values that hold in addition to this one, since they are enforced: the least specific first.
    """

    value: Any = None
    origins: Mapping[str, Ref] = field(default_factory=dict)
    enforced: frozenset[str] = frozenset()
    beside: tuple[Effective, ...] = ()

    @property
    def policies(self) -> tuple[Ref, ...]:
        """The policies that it comes from, and what holds beside it, each once."""
        return tuple(dict.fromkeys(ref for each in self.parts for ref in each.origins.values()))

    @property
    def parts(self) -> tuple[Effective, ...]:
        """The value, and those that hold in addition to it."""
        return (self, *self.beside)

    def violations(self) -> Iterator[str]:
        """Yield the rules between fields that the value breaks, as values of several policies together may."""
        if isinstance(self.value, Fields):
            yield from _violations(self.value, "")


def merge(contributions: Iterable[Contribution], info: FieldInfo | None = None) -> Effective:
    """Merge what policies say about a field of their specs.

    The most specific that sets a leaf gives it: a struct is merged field by field, and a map key by key; anything else
    is a leaf, lists too, unless a marker says otherwise (`translator.objects.schema.merging`). Of what is enforced the
    least specific wins, and over all else.

    Args:
        contributions: of each level those of its policies, the least specific level first, and of a level the policy
            that wins last.
        info: the field, for its markers.
    """
    levels = [list(found) for _, found in groupby(contributions, key=attrgetter("level"))]
    made = Effective()
    for found in levels:
        if any(each.replaces for each in found):
            made = Effective()
        for each in found:
            if not each.enforced:
                made = _over(made, each, info)
    for found in reversed(levels):
        for each in found:
            if each.enforced:
                made = _over(made, each, info)
    return made


def merge_beside(contributions: Iterable[Contribution], info: FieldInfo | None = None) -> Effective:
    """Merge what policies say about a field of which all that is enforced holds, beside what is not.

    Each level has one enforced value at most, that of its policy that wins. One that disables the field is final: what
    more specific levels enforce does not hold, and nothing that is not enforced.

    Args:
        contributions: those of `merge`.
        info: the field, for its markers.
    """
    found = list(contributions)
    levels = groupby((each for each in found if each.enforced and each.value is not None), key=attrgetter("level"))
    beside: list[Effective] = []
    for _, of_level in levels:
        made = merge(of_level, info)
        if getattr(made.value, DISABLE, None) is not None:
            return replace(made, beside=tuple(beside))
        beside.append(made)
    others = (each._replace(value=None) if each.enforced else each for each in found)
    return replace(merge(others, info), beside=tuple(beside))


def _over(wide: Effective, near: Contribution, info: FieldInfo | None) -> Effective:
    """Return a value with another over it."""
    if near.value is None:
        return wide
    value = near.value if wide.value is None else _merged(wide.value, near.value, info)
    own = frozenset(leaves(near.value, info))
    origins = {each: near.policy if each in own else wide.origins[each] for each in leaves(value, info)}
    enforced = wide.enforced & origins.keys()
    return Effective(value, origins, (enforced | own) & origins.keys() if near.enforced else enforced - own)


ALL_OF_IT: Final = ""
"""The path of the one leaf of a value that is no struct, one without fields such as `Disable`, or atomic as a whole."""


def leaves(value: Any, info: FieldInfo | None = None) -> Iterator[str]:
    """Yield the paths of the leaves that a value sets, as users write them.

    Args:
        value: the value.
        info: the field that it is of, for its markers.
    """
    return (each.path for each in leaf_values(value, info))


class Leaf(NamedTuple):
    """A leaf of a value: its path, as users write it, its value, and the field that this is of."""

    path: str
    value: Any
    info: FieldInfo | None


def leaf_values(value: Any, info: FieldInfo | None = None) -> Iterator[Leaf]:
    """Yield the leaves that a value sets; the arguments are those of `leaves`."""
    if isinstance(value, Fields) and not is_atomic(info) and type(value).model_fields:
        for name, found in _set_fields(value):
            path = _written(value, name)
            for each in leaf_values(found, type(value).model_fields[name]):
                yield each._replace(path=f"{path}{_dotted(each.path)}")
    elif isinstance(value, Mapping):
        yield from (Leaf(f"[{key}]", found, info) for key, found in value.items())
    elif (keyed := by_key(info)) is not None:
        yield from (Leaf(f"[{keyed.key(each)}]", each, info) for each in value)
    else:
        yield Leaf(ALL_OF_IT, value, info)


def _dotted(path: str) -> str:
    return f".{path}" if path and not path.startswith("[") else path


def _merged(wide: Any, near: Any, info: FieldInfo | None) -> Any:
    if isinstance(wide, Fields) and type(wide) is type(near) and not is_atomic(info):
        return _struct(wide, near)
    if isinstance(wide, Mapping) and isinstance(near, Mapping):
        return {**wide, **near}
    if (keyed := by_key(info)) is not None:
        if keyed.ends is not None and any(map(keyed.ends, near)):
            return near
        items = {keyed.key(each): each for each in wide}
        return tuple((items | {keyed.key(each): each for each in near}).values())
    return near


def _struct(wide: Fields, near: Fields) -> Fields:
    wide_fields, near_fields = dict(_set_fields(wide)), dict(_set_fields(near))
    if near_fields and (DISABLE in near_fields) != (DISABLE in wide_fields) and DISABLE in near_fields | wide_fields:
        return near
    excluded = {
        other
        for group in type(near).one_of
        if not near_fields.keys().isdisjoint(group)
        for other in group
        if other not in near_fields
    }
    fields = type(near).model_fields
    left = dict(_left(wide_fields, near_fields, type(near)))
    wide_fields |= left
    changed = {
        name: _merged(wide_fields[name], found, fields[name]) if name in wide_fields else found
        for name, found in near_fields.items()
    }
    return wide.model_copy(update=dict.fromkeys(excluded & wide_fields.keys()) | left | changed)


def _left(
    wide: Mapping[str, Any], near: Mapping[str, Any], model: type[Fields]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the lists of a struct without the items that a more specific one has in another list of the group."""
    for group in model.one_of_items:
        keyed = {name: found for name in group if (found := by_key(model.model_fields[name])) is not None}
        named = {name: {key.key(each) for each in near.get(name, ())} for name, key in keyed.items()}
        for name, key in keyed.items():
            others = set().union(*(keys for other, keys in named.items() if other != name))
            if name in wide and others:
                yield name, tuple(each for each in wide[name] if key.key(each) not in others)


def _set_fields(value: Fields) -> Iterator[tuple[str, Any]]:
    """Yield the fields that are set, in the order of their declaration."""
    for name in type(value).model_fields:
        if name in value.model_fields_set and (found := getattr(value, name)) is not None:
            yield name, found


def _written(value: Fields, name: str) -> str:
    return type(value).model_fields[name].alias or name


def _violations(value: object, prefix: str) -> Iterator[str]:
    if not isinstance(value, Fields):
        return
    if isinstance(value, CheckedFields):
        for found in value.violations():
            yield f"{prefix}{'.'.join(map(str, found.path))} {found.message}"
    for name, found in _set_fields(value):
        path, info = f"{prefix}{_written(value, name)}", type(value).model_fields[name]
        if isinstance(found, Fields):
            yield from _violations(found, f"{path}.")
        elif by_key(info) is not None and isinstance(found, Sequence):
            most = min((each.max_length for each in info.metadata if isinstance(each, MaxLen)), default=len(found))
            if len(found) > most:
                yield f"{path} has {len(found)} items, and {most} are the most: name fewer"
