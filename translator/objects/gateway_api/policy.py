"""What policies with targetRefs have in common (GEP-713; `apis/v1/policy_types.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.fields import FieldInfo

from translator.objects.gateway_api.references import LocalObjectReference
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, NamespacedObject, repeated
from translator.objects.schema.scalars import SectionName

MAX_TARGETS = 16


class PolicyTargetReference(LocalObjectReference):
    """Names what a policy is for, in its namespace: an object, or a section of it (a listener, a rule)."""

    section_name: SectionName | None = None


_SAME_SECTION = "(has(a.sectionName) ? has(b.sectionName) && a.sectionName == b.sectionName : !has(b.sectionName))"
_SAME = f"a.group == b.group && a.kind == b.kind && a.name == b.name && {_SAME_SECTION}"
TWICE = CelRule(
    f"self.targetRefs.all(a, self.targetRefs.exists_one(b, {_SAME}))", "is in the list already: remove it", "targetRefs"
)


class PolicySpec(CheckedFields):
    """What every policy has: its targets. A subclass with rules of its own adds them to these.

    Headgate's own policies have more of this than those of the Gateway API (`AttachedPolicySpec`).
    """

    rules: ClassVar[tuple[CelRule, ...]] = (TWICE,)

    other_names: ClassVar[Mapping[str, str]] = {}
    """Fields that are other names of fields, which have what they say, by their names in the model."""

    target_refs: Annotated[tuple[PolicyTargetReference, ...], Field(min_length=1, max_length=MAX_TARGETS)]

    @classmethod
    def fields_of(cls, written: Set[str]) -> frozenset[str]:
        """Return which fields of the model a spec sets, by the names that its author wrote: `ext_auth` of `extAuth`."""
        found = {name for name, field in cls.model_fields.items() if (field.alias or name) in written}
        return frozenset(found | {cls.other_names[each] for each in found & cls.other_names.keys()})

    @classmethod
    def unit_info(cls, unit: str) -> FieldInfo:
        """Return the field of a unit, which is one of the spec's own unless a kind has its units elsewhere.

        Raises:
            KeyError: there is no such field.
        """
        return cls.model_fields[unit]

    @classmethod
    def unit_paths(cls, unit: str) -> tuple[str, ...]:
        """Return the paths of the fields in an object that set a unit."""
        return (f"spec.{cls.model_fields[unit].alias or unit}",)

    @classmethod
    def unit_title(cls, unit: str) -> str:
        """Return the path of a unit for messages."""
        return cls.unit_paths(unit)[0]

    def unit_value(self, unit: str, port: int = 0) -> Any:
        """Return what the spec says about a unit: what is for all ports, or what is for one; None if nothing."""
        return None if port else getattr(self, unit)

    def set_units(self) -> frozenset[str]:
        """Return the units that the spec says something about, for any port."""
        return frozenset(name for name in self.model_fields_set if getattr(self, name) is not None)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports for which the spec says something beside what is for all."""
        return ()

    def violations(self) -> Iterator[FieldViolation]:
        """Yield each target that is in the list already."""
        for index in repeated((each.group, each.kind, each.name, each.section_name) for each in self.target_refs):
            yield FieldViolation(("targetRefs", index), TWICE.message)


class Policy(NamespacedObject):
    """An object that changes how others are served.

    It differs from one in which a field is unset that here is set to its default: policies are merged by what they set.
    """

    spec: PolicySpec

    @classmethod
    def spec_model(cls) -> type[PolicySpec]:
        """Return the class of the kind's specs."""
        found = cls.model_fields["spec"].annotation
        assert isinstance(found, type)
        assert issubclass(found, PolicySpec)
        return found

    def __eq__(self, other: object) -> bool:
        """Compare values and which fields of the spec are set."""
        if self is other:
            return True
        if not isinstance(other, Policy) or not super().__eq__(other):
            return False
        return [*_set_fields(self.spec)] == [*_set_fields(other.spec)]

    def __hash__(self) -> int:
        """Return the hash of the values."""
        return super().__hash__()


def _set_fields(value: Fields, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the fields that are set, in the order of their declaration; lists are single values."""
    for name in type(value).model_fields:
        if name in value.model_fields_set:
            yield f"{prefix}{name}"
            if isinstance(found := getattr(value, name), Fields):
                yield from _set_fields(found, f"{prefix}{name}.")
