"""The unit `extProc` of TrafficPolicies, and what GatewayExtensions with `extProc` have in common with it."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from translator.api_group import GROUP
from translator.objects.headgate.expressions import Attribute
from translator.objects.headgate.filterentries import FilterStage, OneName, ends_all
from translator.objects.headgate.references import ExtensionReference
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import Boolean, PortName

MOST_PROCESSORS: Final = 8
"""How many external processors a request may pass of those of policies."""
DUPLEX: Final = "FULL_DUPLEX_STREAMED"
_NEEDS_TRAILERS: Final = f"must be SEND beside a body mode {DUPLEX}: the processor has to see the end of the body"
_RESERVED: Final = (
    "is what filters of the proxy write, and decide by: choose another namespace, not beginning with 'envoy.', "
    f"and is not {GROUP}"
)

HeaderMode = Literal["DEFAULT", "SEND", "SKIP"]
BodyMode = Literal["NONE", "STREAMED", "BUFFERED", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED"]


class ProcessingMode(CheckedFields):
    """Which parts of a request and its response an external processor gets."""

    rules: ClassVar[tuple[CelRule, ...]] = tuple(
        CelRule(
            f"!has(self.{side}BodyMode) || self.{side}BodyMode != '{DUPLEX}'"
            f" || (has(self.{side}TrailerMode) && self.{side}TrailerMode == 'SEND')",
            _NEEDS_TRAILERS,
            f"{side}TrailerMode",
        )
        for side in ("request", "response")
    )

    request_header_mode: Annotated[HeaderMode | None, Doc(envoy="ProcessingMode.request_header_mode")] = None
    """Whether it gets the headers of the request. By default SEND."""
    response_header_mode: Annotated[HeaderMode | None, Doc(envoy="ProcessingMode.response_header_mode")] = None
    """Whether it gets the headers of the response. By default SEND."""
    request_body_mode: Annotated[BodyMode | None, Doc(envoy="ProcessingMode.request_body_mode")] = None
    """How it gets the body of the request: not at all (NONE), piece by piece (STREAMED), as a whole (BUFFERED), as much
    of it as there is room for (BUFFERED_PARTIAL), or in pieces to which it responds when it likes
    (FULL_DUPLEX_STREAMED). By default NONE."""
    response_body_mode: Annotated[BodyMode | None, Doc(envoy="ProcessingMode.response_body_mode")] = None
    """The same of the response. By default NONE."""
    request_trailer_mode: Annotated[HeaderMode | None, Doc(envoy="ProcessingMode.request_trailer_mode")] = None
    """Whether it gets the trailers of the request. By default SKIP."""
    response_trailer_mode: Annotated[HeaderMode | None, Doc(envoy="ProcessingMode.response_trailer_mode")] = None
    """Whether it gets the trailers of the response. By default SKIP."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a body in both directions whose trailers are left out: Envoy refuses it."""
        for side in ("request", "response"):
            body, trailers = getattr(self, f"{side}_body_mode"), getattr(self, f"{side}_trailer_mode")
            if body == DUPLEX and trailers != "SEND":
                yield FieldViolation((f"{side}TrailerMode",), _NEEDS_TRAILERS)


MetadataNamespace = Annotated[str, StringConstraints(min_length=1, max_length=256)]


def _not_reserved(name: str) -> str:
    if name == GROUP or name.startswith("envoy."):
        raise PydanticCustomError("reserved", "{problem}", {"problem": _RESERVED})
    return name


_Namespaces = Annotated[tuple[MetadataNamespace, ...] | None, Field(max_length=16)]


class ForwardedMetadata(Fields):
    """Namespaces of dynamic metadata that an external processor gets."""

    untyped: Annotated[_Namespaces, Doc(envoy="MetadataOptions.forwarding_namespaces.untyped")] = None
    """Those of maps of values."""
    typed: Annotated[_Namespaces, Doc(envoy="MetadataOptions.forwarding_namespaces.typed")] = None
    """Those of messages."""


class ReceivedMetadata(Fields):
    """Namespaces of dynamic metadata that an external processor may write."""

    untyped: Annotated[
        tuple[Annotated[MetadataNamespace, AfterValidator(_not_reserved)], ...] | None,
        Field(max_length=16),
        Doc(envoy="MetadataOptions.receiving_namespaces.untyped"),
    ] = None
    """Those of maps of values; what it writes elsewhere is left out. The namespaces of the proxy itself are not for
    processors: those that begin with `envoy.`, and Headgate's own."""


class MetadataOptions(Fields):
    """Which dynamic metadata an external processor gets, and may write."""

    forwarding: ForwardedMetadata | None = None
    """What it gets. By default nothing."""
    receiving: ReceivedMetadata | None = None
    """What it may write. By default nothing."""


Attributes = Annotated[tuple[Attribute, ...] | None, Field(max_length=32)]
"""Attributes of requests or responses, such as ``request.path``."""


class ExternalProcessing(Disableable):
    """An external processor that sees requests and responses, and changes them."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.disable) != has(self.extensionRef)", "must have either extensionRef or disable"),
    )
    beside_disable: ClassVar[frozenset[str]] = frozenset({"name"})

    name: Annotated[PortName, Doc(envoy="HttpFilter.name")] = ""
    """Its name, by which more specific policies replace it or switch it off. One entry may be without a name; with
    `disable` it switches off all of less specific policies."""
    extension_ref: Annotated[ExtensionReference | None, ATOMIC, Doc(envoy="ExternalProcessor.grpc_service")] = None
    """The GatewayExtension with the processor."""
    processing_mode: Annotated[ProcessingMode | None, Doc(envoy="ExternalProcessor.processing_mode")] = None
    """Which parts of requests and responses it gets. By default what the extension says."""
    request_attributes: Annotated[Attributes, Doc(envoy="ExternalProcessor.request_attributes")] = None
    """Attributes of requests that it gets, such as `source.address`. By default what the extension says."""
    response_attributes: Annotated[Attributes, Doc(envoy="ExternalProcessor.response_attributes")] = None
    """Attributes of responses that it gets, such as `response.code`. By default what the extension says."""
    metadata_options: Annotated[MetadataOptions | None, Doc(envoy="ExternalProcessor.metadata_options")] = None
    """Which dynamic metadata it gets and may write. By default what the extension says."""
    fail_open: Annotated[Boolean | None, Doc(envoy="ExternalProcessor.failure_mode_allow")] = None
    """Whether requests go on without it if it fails, or cannot be asked. By default what the extension says."""
    filter_stage: FilterStage | None = None
    """Where in the order of filters it is asked. By default what the extension says."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless either a processor or `disable` is set."""
        yield from super().violations()
        if (self.disable is None) == (self.extension_ref is None):
            yield FieldViolation((), "must have either extensionRef or disable")


ONE_NAME: Final = OneName("extProc", "processor")
ExternalProcessings = Annotated[
    tuple[ExternalProcessing, ...] | None,
    Field(max_length=MOST_PROCESSORS),
    AfterValidator(ONE_NAME),
    ByKey("name", ends=ends_all),
]
"""External processors, by their names."""
