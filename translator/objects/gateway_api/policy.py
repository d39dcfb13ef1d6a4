"""What policies with targetRefs have in common (GEP-713; `apis/v1/policy_types.go`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from translator.objects.gateway_api.references import LocalObjectReference
from translator.objects.schema.base import Fields, NamespacedObject, unique
from translator.objects.schema.scalars import SectionName

MAX_TARGETS = 16


class PolicyTargetReference(LocalObjectReference):
    """Names what a policy is for, in its namespace: an object, or a section of it (a listener, a rule)."""

    section_name: SectionName | None = None


class PolicySpec(Fields):
    """What every policy has: its targets."""

    target_refs: Annotated[
        tuple[PolicyTargetReference, ...],
        Field(min_length=1, max_length=MAX_TARGETS),
        unique("group,kind,name,section_name", "is in the list already: remove it"),
    ]


class Policy(NamespacedObject):
    """An object that changes how others are served."""

    spec: PolicySpec
