"""Selection of objects by their labels (`LabelSelector` of apimachinery's meta/v1)."""

from collections.abc import Mapping

from pydantic import Field

from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import StringMap, Text


class LabelSelectorRequirement(Fields):
    """One expression over the value of one label."""

    key: Text
    operator: Text
    values: tuple[Text, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it; none do if the operator is not one of Kubernetes'."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
        return False

    def violation(self) -> str | None:
        """Return the violation, if there is one; the API server accepts any operator here."""
        if self.operator in ("In", "NotIn"):
            return None if self.values else f"operator {self.operator} of label {self.key} needs values"
        if self.operator in ("Exists", "DoesNotExist"):
            return f"operator {self.operator} of label {self.key} takes no values" if self.values else None
        return f"operator {self.operator!r} of label {self.key} must be In, NotIn, Exists or DoesNotExist"


class LabelSelector(Fields):
    """Selects the objects that have all `match_labels` and fulfil all `match_expressions`; all, if both are empty."""

    match_labels: StringMap = Field(default_factory=dict)
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected; none is by a selector that has a violation."""
        if self.violation():
            return False
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )

    def violation(self) -> str | None:
        """Return the first thing wrong with its expressions, if something is."""
        return next(filter(None, (requirement.violation() for requirement in self.match_expressions)), None)
