"""ListenerSet (Gateway API, `apis/v1/listenerset_types.go`; GEP-1713)."""

from translator.objects.gateway_api.listener import ListenerOwner, ListenerOwnerSpec
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import Group, Kind, Namespace, ObjectName


class ParentGatewayReference(Fields):
    """Names the Gateway that listeners are added to."""

    group: Group = GATEWAY_GROUP
    kind: Kind = "Gateway"
    name: ObjectName
    namespace: Namespace | None = None


class ListenerSetSpec(ListenerOwnerSpec):
    """Listeners, and the Gateway that they are added to."""

    parent_ref: ParentGatewayReference


class ListenerSet(ListenerOwner):
    """Further listeners of a Gateway, whose owner need not be the Gateway's."""

    kind = "ListenerSet"
    versions = ("v1",)
    plural = "listenersets"

    spec: ListenerSetSpec
