"""References between objects (Gateway API, `apis/v1/object_reference_types.go` and `shared_types.go`)."""

from collections.abc import Iterator

from translator.objects.schema.base import CheckedFields, Fields, FieldViolation
from translator.objects.schema.scalars import Group, Kind, Namespace, ObjectName, PortNumber, SectionName

GATEWAY_GROUP = "gateway.networking.k8s.io"


class LocalObjectReference(Fields):
    """Names an object in the namespace of the object that refers to it."""

    group: Group
    kind: Kind
    name: ObjectName


class LocalParametersReference(LocalObjectReference):
    """Names the parameters of a Gateway, in its namespace."""


class ParametersReference(LocalObjectReference):
    """Names the parameters of a GatewayClass; without a namespace they belong to the cluster."""

    namespace: Namespace | None = None


class ObjectReference(LocalObjectReference):
    """Names an object of any kind, by default in the namespace of the object that refers to it."""

    namespace: Namespace | None = None


class SecretObjectReference(Fields):
    """Names a certificate, a Secret unless it says otherwise."""

    group: Group = ""
    kind: Kind = "Secret"
    name: ObjectName
    namespace: Namespace | None = None


class ParentReference(Fields):
    """Names what a route attaches to: a Gateway unless it says otherwise, all of it or a section of it."""

    group: Group = GATEWAY_GROUP
    kind: Kind = "Gateway"
    namespace: Namespace | None = None
    name: ObjectName
    section_name: SectionName | None = None
    port: PortNumber | None = None


class BackendObjectReference(CheckedFields):
    """Names what requests are sent to: a Service unless it says otherwise."""

    group: Group = ""
    kind: Kind = "Service"
    name: ObjectName
    namespace: Namespace | None = None
    port: PortNumber | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if a Service has no port, or an XBackend, which has its own, has one."""
        if self.port is None:
            if self.kind == "Service" and not self.group:
                yield FieldViolation(
                    ("port",), "is required for a Service: add one of its ports, or the group and kind of what is meant"
                )
        elif self.kind == "XBackend" and self.group == "gateway.networking.x-k8s.io":
            yield FieldViolation(("port",), "must not be set for an XBackend, which has its own: remove it")


def qualified_kind(group: str, kind: str) -> str:
    """Return a kind with its group, as people write it: "ConfigMap", "Pool.example.com"."""
    return f"{kind}.{group}" if group else kind


def backend_references(found: object) -> Iterator[BackendObjectReference]:
    """Yield all that a part of an object names as backends, in its filters too, in no order."""
    if isinstance(found, BackendObjectReference):
        yield found
    if isinstance(found, Fields):
        for name in found.model_fields_set:
            yield from backend_references(getattr(found, name))
    elif isinstance(found, tuple):
        for each in found:
            yield from backend_references(each)
