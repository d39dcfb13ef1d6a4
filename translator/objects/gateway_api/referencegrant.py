"""ReferenceGrant (Gateway API, `apis/v1/referencegrant_types.go`)."""

from typing import Annotated

from pydantic import Field

from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.schema.base import Fields, NamespacedObject
from translator.objects.schema.scalars import Group, Kind, Namespace, ObjectName


class ReferenceGrantFrom(Fields):
    """The objects that may refer: all of one kind in one namespace."""

    group: Group
    kind: Kind
    namespace: Namespace


class ReferenceGrantTo(Fields):
    """The objects that may be referred to: all of one kind in the grant's namespace, or the one that is named."""

    group: Group
    kind: Kind
    name: ObjectName | None = None


class ReferenceGrantSpec(Fields):
    """Allows references from each of `from_` to each of `to`."""

    from_: Annotated[tuple[ReferenceGrantFrom, ...], Field(alias="from", min_length=1, max_length=16)]
    to: Annotated[tuple[ReferenceGrantTo, ...], Field(min_length=1, max_length=16)]


class ReferenceGrant(NamespacedObject):
    """Lets objects of other namespaces refer to objects of its own."""

    kind = "ReferenceGrant"
    group = GATEWAY_GROUP
    versions = ("v1", "v1beta1")
    plural = "referencegrants"

    spec: ReferenceGrantSpec
