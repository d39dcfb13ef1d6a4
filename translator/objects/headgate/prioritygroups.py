"""Backends that stand in for each other: groups of which the next is tried where the one before fails."""

from typing import Annotated, Final

from pydantic import Field

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.schema.base import Fields, unique
from translator.objects.schema.documentation import Doc

MOST_GROUPS: Final = 8
"""The most groups of a Backend."""
MOST_MEMBERS: Final = 16
"""The most members of a group."""
MOST_WEIGHT: Final = 1_000_000
"""The highest weight of a member (`BackendRef.weight`)."""


class GroupMember(BackendObjectReference):
    """Names a member of a group: a Service, or a Backend that has no groups itself."""

    weight: Annotated[
        int, Field(strict=True, ge=0, le=MOST_WEIGHT), Doc(envoy="PriorityGroupClusterSpecifier.ClusterWeight.weight")
    ] = 1
    """Its share of the requests of the group, beside those of the other members."""


class PriorityGroup(Fields):
    """Backends that share requests by their weights."""

    backend_refs: Annotated[
        tuple[GroupMember, ...],
        Field(min_length=1, max_length=MOST_MEMBERS),
        unique("group,kind,namespace,name,port", "must not be there twice: remove one of them"),
        Doc(envoy="PriorityGroupClusterSpecifier.PriorityGroup.clusters"),
    ]
    """The members; those of another namespace need a ReferenceGrant there, from Backend."""
