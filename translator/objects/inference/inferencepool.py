"""InferencePool (Gateway API Inference Extension, `api/v1/inferencepool_types.go`): model servers and their picker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from translator.objects.schema.base import CheckedFields, Fields, FieldViolation, NamespacedObject, unique
from translator.objects.schema.scalars import Group, Kind, Labels, ObjectName, PortNumber

FAIL_OPEN: Final = "FailOpen"
H2C: Final = "kubernetes.io/h2c"


class PoolSelector(Fields):
    """Selects pods of the pool's namespace: those that have all of these labels."""

    match_labels: Annotated[Labels, Field(min_length=1, max_length=64)]


class PoolPort(Fields):
    """A port."""

    number: PortNumber


class EndpointPickerRef(CheckedFields):
    """Names the picker, in the namespace of the pool, and says what becomes of requests while it does not answer."""

    group: Group = ""
    kind: Kind = "Service"
    name: ObjectName
    port: PoolPort | None = None
    failure_mode: Literal["FailOpen", "FailClose"] = "FailClose"

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if a Service has no port."""
        if self.kind == "Service" and self.port is None:
            yield FieldViolation(("port",), "is required for a Service: add the port by which the picker is reached")


class InferencePoolSpec(Fields):
    """The pods, their ports, and who picks among them.

    Later versions of the API than 1.5 let a pool be without a picker, and have implementations say so.
    """

    selector: PoolSelector
    target_ports: Annotated[
        tuple[PoolPort, ...], Field(min_length=1, max_length=8), unique("number", "is there twice: remove one")
    ]
    app_protocol: Literal["http", "kubernetes.io/h2c"] = "http"
    endpoint_picker_ref: EndpointPickerRef | None = None


class InferencePool(NamespacedObject):
    """Model servers as one backend: an endpoint picker says for each request which of them gets it."""

    kind = "InferencePool"
    group = "inference.networking.k8s.io"
    versions = ("v1",)
    plural = "inferencepools"
    rbac_reason = "Read which model servers are one backend, and who picks among them."

    spec: InferencePoolSpec
