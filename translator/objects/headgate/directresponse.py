"""DirectResponse: a fixed response without a backend, to which routes and policies refer."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, StrictInt

from translator.api_group import GROUP
from translator.objects.headgate.responses import (
    MAX_BODY_BYTES,
    BodyFormat,
    BodyText,
    ConfigMapKeyReference,
    DirectResponseHeaderChanges,
    body_rules,
    body_violations,
    too_long,
)
from translator.objects.schema.base import (
    CelRule,
    CheckedFields,
    Fields,
    FieldViolation,
    NamespacedObject,
    PrinterColumn,
)
from translator.objects.schema.documentation import Doc


class BodySource(Fields):
    """Where the body of a response is."""

    config_map_ref: ConfigMapKeyReference
    """A key of a ConfigMap in the namespace of the DirectResponse."""


class DirectResponseSpec(CheckedFields):
    """The response: its status, headers, and a body of up to 4,096 bytes, in one of three ways."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            f"!has(self.body) || size(bytes(self.body)) <= {MAX_BODY_BYTES}",
            f"body must be at most {MAX_BODY_BYTES} bytes of UTF-8: shorten it",
        ),
        *body_rules("status", "body", "bodyFormat", "bodyFrom"),
    )

    status: Annotated[StrictInt, Field(ge=200, le=599), Doc(envoy="Route.direct_response.status")]
    """The status of HTTP, from 200 to 599."""
    body: Annotated[BodyText | None, Doc(envoy="Route.direct_response.body")] = None
    """The body, as text. By default it is empty."""
    body_format: Annotated[BodyFormat | None, Doc(envoy="Route.direct_response.body_format")] = None
    """A body that is made for each request, in place of `body`."""
    body_from: Annotated[BodySource | None, Doc(envoy="Route.direct_response.body")] = None
    """Where the body is, in place of `body`."""
    headers: Annotated[
        DirectResponseHeaderChanges | None, Doc(envoy="Route.response_headers_to_add, response_headers_to_remove")
    ] = None
    """The headers."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of the limit, which is on bytes, of several bodies, and of one that the status excludes."""
        yield from too_long(self.body or "", "body")
        members = (("body", self.body or None), ("bodyFormat", self.body_format), ("bodyFrom", self.body_from))
        yield from body_violations(self.status, *members)


class DirectResponse(NamespacedObject):
    """A fixed response of the proxy, without a backend."""

    kind = "DirectResponse"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "directresponses"
    rbac_reason = "Read the fixed responses of routes."
    named_by = "ExtensionRef filter of a rule, ExtensionRef filter of a backendRef, responseOverride of a TrafficPolicy"
    short_names = ("dresp",)
    printer_columns = (PrinterColumn("Status", "integer", ".spec.status"),)

    spec: DirectResponseSpec
