"""DirectResponse: a fixed response without a backend, to which an ExtensionRef filter of a route refers."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StrictInt

from translator.api_group import GROUP
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, NamespacedObject, PrinterColumn
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Text

BODY_BYTES: Final = 4096
"""Envoy's default limit of the body (`max_direct_response_body_size_bytes` of the route configuration)."""


class DirectResponseSpec(CheckedFields):
    """The response: an HTTP status (200 to 599) and a body of up to 4,096 bytes in UTF-8, by default empty."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.body) || size(bytes(self.body)) <= 4096", "body must be at most 4096 bytes of UTF-8: shorten it"
        ),
    )

    status: Annotated[StrictInt, Field(ge=200, le=599), Doc(envoy="Route.direct_response.status")]
    body: Annotated[
        Text,
        Field(json_schema_extra={"maxLength": BODY_BYTES}),
        Doc(envoy="Route.direct_response.body", default="empty"),
    ] = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of the limit, which is on bytes, not characters."""
        size = len(self.body.encode())
        if size > BODY_BYTES:
            yield FieldViolation(("body",), f"must be at most {BODY_BYTES} bytes of UTF-8, not {size}: shorten it")


class DirectResponse(NamespacedObject):
    """A fixed response of the proxy, without a backend."""

    kind = "DirectResponse"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "directresponses"
    rbac_reason = "Read the fixed responses of routes."
    named_by = "ExtensionRef filter of a rule, ExtensionRef filter of a backendRef"
    short_names = ("dresp",)
    printer_columns = (PrinterColumn("Status", "integer", ".spec.status"),)

    spec: DirectResponseSpec
