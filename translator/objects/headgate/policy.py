"""What Headgate's own policies have in common: targets by name and by labels, in any namespace, and how they merge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, GetPydanticSchema

from translator.objects.gateway_api.policy import MAX_TARGETS, PolicySpec, PolicyTargetReference
from translator.objects.kubernetes.selector import LabelSelector, LabelSelectorRequirement
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, repeated
from translator.objects.schema.scalars import Boolean, Group, Kind, LabelValue, Namespace, QualifiedName, SectionName

MAX_LABELS = 16
"""Most labels, and most expressions, of a selector."""
MAX_VALUES = 64
"""Most values of an expression."""


class PolicyTarget(PolicyTargetReference):
    """Names what a policy is for: an object, or a section of it (a listener, a rule), in any namespace."""

    namespace: Namespace | None = None
    """The namespace of the target, by default the policy's; in another one a ReferenceGrant has to permit it."""


class LabelExpression(CheckedFields, LabelSelectorRequirement):
    """An expression over the value of one label."""

    rules = (
        CelRule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "In and NotIn need values, Exists and DoesNotExist take none",
            "values",
        ),
    )

    key: QualifiedName
    """The label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How its value is compared with `values`."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=MAX_VALUES)] = ()
    """The values, for In and NotIn."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there are values exactly where the operator needs them."""
        if problem := self.violation():
            yield FieldViolation(("values",), problem)


MatchLabels = Annotated[
    Mapping[str, str],
    GetPydanticSchema(lambda _, handler: handler(dict[QualifiedName, LabelValue])),
    Field(max_length=MAX_LABELS),
]
MatchExpressions = Annotated[tuple[LabelExpression, ...], Field(max_length=MAX_LABELS)]


class StrictLabelSelector(LabelSelector):
    """Selects the objects that have all labels and fulfil all expressions; all objects, if it has neither."""

    match_labels: MatchLabels = Field(default_factory=dict)
    """Labels that an object must have, with these values."""
    match_expressions: MatchExpressions = ()
    """Expressions that an object's labels must fulfil."""


class TargetNamespaces(CheckedFields):
    """The namespaces whose objects a selector selects."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.selector) == (has(self.from) && self.from == 'Selector')",
            "is required where from is Selector, and must not be set otherwise",
            "selector",
        ),
    )

    from_: Annotated[Literal["Same", "All", "Selector"], Field(alias="from")] = "Same"
    """The policy's own namespace, all namespaces, or those whose labels `selector` selects."""
    selector: StrictLabelSelector | None = None
    """The labels of the namespaces."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is a selector exactly where it counts."""
        if self.from_ == "Selector" and self.selector is None:
            yield FieldViolation(("selector",), "is required where from is Selector: add it")
        elif self.from_ != "Selector" and self.selector is not None:
            yield FieldViolation(("selector",), "must not be set unless from is Selector: remove it, or set from")


class TargetSelector(CheckedFields, StrictLabelSelector):
    """Selects what a policy is for by the labels of objects, or a section of each of them."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "(has(self.matchLabels) && size(self.matchLabels) > 0)"
            " || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
            "needs matchLabels or matchExpressions: for everything of a Gateway, target the Gateway",
        ),
    )

    group: Group
    """The API group of the objects."""
    kind: Kind
    """Their kind."""
    namespaces: TargetNamespaces | None = None
    """Their namespaces, by default the policy's own; in others a ReferenceGrant has to permit it."""
    section_name: SectionName | None = None
    """The section of each of them: the name of a listener, or of a rule."""

    @property
    def reach(self) -> TargetNamespaces:
        """The namespaces that it reaches."""
        return self.namespaces or TargetNamespaces()

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if it would select everything."""
        if not self.match_labels and not self.match_expressions:
            yield FieldViolation((), self.rules[0].message)


def _equal(name: str) -> str:
    return f"(has(a.{name}) ? has(b.{name}) && a.{name} == b.{name} : !has(b.{name}))"


# CEL reserves the word namespace: the API server has a field of that name escaped.
_SAME_OBJECT = f"a.group == b.group && a.kind == b.kind && a.name == b.name && {_equal('__namespace__')}"
_SAME = f"{_SAME_OBJECT} && {_equal('sectionName')}"
TWICE = CelRule(
    f"!has(self.targetRefs) || self.targetRefs.all(a, self.targetRefs.exists_one(b, {_SAME}))",
    "is in the list already: remove it",
    "targetRefs",
)


class TargetedPolicySpec(PolicySpec):
    """The targets of a policy of Headgate's own: by name and by labels, in any namespace that permits it."""

    rules: ClassVar[tuple[CelRule, ...]] = (TWICE,)

    target_refs: Annotated[tuple[PolicyTarget, ...], Field(max_length=MAX_TARGETS)] = ()
    """What the policy is for, by name."""
    target_selectors: Annotated[tuple[TargetSelector, ...], Field(max_length=MAX_TARGETS)] = ()
    """What the policy is for, by labels; a policy that names a target wins over one that selects it."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield each target that is in the list already."""
        for index in repeated(
            (each.group, each.kind, each.namespace, each.name, each.section_name) for each in self.target_refs
        ):
            yield FieldViolation(("targetRefs", index), TWICE.message)


class AttachedPolicySpec(TargetedPolicySpec):
    """What every policy that is merged with others has: its targets, and how it is merged.

    One without targets is for the rules and backendRefs that name it by an `ExtensionRef` filter, where its kind may be
    one. A subclass with rules of its own adds them to these.
    """

    inheritance: Literal["Merge", "Replace"] | None = None
    """With Replace, nothing of less specific policies is effective where this policy is, except what is enforced. By
    default Merge: fields that this policy does not set come from less specific ones."""
    enforced: Boolean | None = None
    """Whether more specific policies, and the fields of rules, cannot override what this policy sets. Only for policies
    of Gateways, ListenerSets and their listeners."""
