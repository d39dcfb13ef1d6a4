"""Backend: what requests are sent to that is no Service."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.api_group import GROUP
from translator.objects.headgate.awsbackend import AwsBackend
from translator.objects.headgate.forwardproxybackend import DynamicForwardProxy
from translator.objects.headgate.prioritygroups import MOST_GROUPS, PriorityGroup
from translator.objects.headgate.staticbackend import StaticBackend
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, NamespacedObject
from translator.objects.schema.documentation import Doc

MEMBERS: Final[tuple[str, ...]] = ("static", "aws", "dynamic_forward_proxy", "priority_groups")
"""The members, by their names in the model: exactly one is set."""


def _alias(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


_ALIASES: Final = tuple(_alias(each) for each in MEMBERS)
_ONE: Final = f"exactly one of {', '.join(_ALIASES)} must be set"


class HeadgateBackendSpec(CheckedFields):
    """Where requests are sent: one of its members."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(f"[{', '.join(f'has(self.{each})' for each in _ALIASES)}].filter(x, x).size() == 1", _ONE),
    )

    type: Annotated[str, StringConstraints(min_length=1, max_length=63), Doc(envoy="nothing")] | None = None
    """It is not read: the member that is set decides."""
    static: StaticBackend | None = None
    """Hosts by their addresses or names."""
    dynamic_forward_proxy: DynamicForwardProxy | None = None
    """Whatever host a request names."""
    aws: AwsBackend | None = None
    """A function of AWS Lambda, or instances of Amazon EC2."""
    priority_groups: Annotated[tuple[PriorityGroup, ...], Field(min_length=1, max_length=MOST_GROUPS)] | None = None
    """Groups of Services and Backends: a request that fails at one is sent to the next."""

    @property
    def member(self) -> str:
        """The name of the member that is set, in the model."""
        return next(each for each in MEMBERS if getattr(self, each) is not None)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if sum(getattr(self, each) is not None for each in MEMBERS) != 1:
            yield FieldViolation((), f"{_ONE}: add it, or remove the others")


class HeadgateBackend(NamespacedObject):
    """What routes and policies send requests to that is no Service; a backendRef to it needs no port."""

    kind = "Backend"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "backends"
    has_schema_defaults = False
    rbac_reason = "Read the backends that are no Services."
    named_by = "backendRefs of routes and policies"

    spec: HeadgateBackendSpec
