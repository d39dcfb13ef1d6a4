"""The member `extProc` of GatewayExtensions: an external processor."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from translator.objects.headgate.extproc import Attributes, MetadataOptions, ProcessingMode
from translator.objects.headgate.filterentries import FilterStage
from translator.objects.headgate.services import GrpcService
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import DATA_KEY, Boolean, Milliseconds

LONGEST_MESSAGE_TIMEOUT = 3_600_000
"""In milliseconds: Envoy takes no longer one."""
_TOO_LONG = "must be at most 1h: shorten it"


class ExternalProcessor(CheckedFields):
    """An external processor: a gRPC service that sees requests and responses on their way, and changes them."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        *(
            CelRule(f"!has(self.{each}) || duration(self.{each}) <= duration('1h')", _TOO_LONG, each)
            for each in ("messageTimeout", "maxMessageTimeout")
        ),
        CelRule(
            "!has(self.allowedModeOverrides) || (has(self.allowModeOverride) && self.allowModeOverride)",
            "must not be set unless allowModeOverride is true: set that, or remove it",
            "allowedModeOverrides",
        ),
    )

    grpc_service: Annotated[GrpcService, Doc(envoy="ExternalProcessor.grpc_service")]
    """The processor; it has to serve `envoy.service.ext_proc.v3.ExternalProcessor`."""
    fail_open: Annotated[Boolean | None, Doc(envoy="ExternalProcessor.failure_mode_allow")] = None
    """Whether requests go on without it if it fails. By default false: they get `statusOnError`."""
    processing_mode: Annotated[ProcessingMode | None, Doc(envoy="ExternalProcessor.processing_mode")] = None
    """Which parts of requests and responses it gets. By default the headers of both."""
    allow_mode_override: Annotated[Boolean | None, Doc(envoy="ExternalProcessor.allow_mode_override")] = None
    """Whether it may choose other parts for each request. By default false."""
    allowed_mode_overrides: Annotated[
        tuple[ProcessingMode, ...] | None, Field(max_length=16), Doc(envoy="ExternalProcessor.allowed_override_modes")
    ] = None
    """The modes that it may choose. By default all."""
    message_timeout: Annotated[Milliseconds | None, Doc(envoy="ExternalProcessor.message_timeout")] = None
    """How long it may take to respond to each part; at most 1h. By default 200ms."""
    max_message_timeout: Annotated[Milliseconds | None, Doc(envoy="ExternalProcessor.max_message_timeout")] = None
    """How far it may extend that by itself; at most 1h. By default it may not."""
    route_cache_action: Annotated[
        Literal["FromResponse", "Clear", "Retain"] | None, Doc(envoy="ExternalProcessor.route_cache_action")
    ] = None
    """Whether the route is chosen anew after the headers of a request have changed: where the processor asks for it
    (FromResponse), always (Clear) or never (Retain). A request that is moved to a route with other protection gets 403.
    By default Retain."""
    request_attributes: Annotated[Attributes, Doc(envoy="ExternalProcessor.request_attributes")] = None
    """Attributes of requests that it gets, such as `source.address`."""
    response_attributes: Annotated[Attributes, Doc(envoy="ExternalProcessor.response_attributes")] = None
    """Attributes of responses that it gets, such as `response.code`."""
    metadata_options: Annotated[MetadataOptions | None, Doc(envoy="ExternalProcessor.metadata_options")] = None
    """Which dynamic metadata it gets and may write. By default none."""
    status_on_error: Annotated[
        Annotated[int, Field(strict=True, ge=400, le=599)] | None, Doc(envoy="ExternalProcessor.status_on_error")
    ] = None
    """The status of requests that it fails for. By default 500."""
    disable_immediate_response: Annotated[Boolean | None, Doc(envoy="ExternalProcessor.disable_immediate_response")] = (
        None
    )
    """Whether it may not respond to requests itself; if it tries to, it fails. By default false."""
    filter_stage: FilterStage | None = None
    """Where in the order of filters it is asked. By default at the end, before changes of headers."""
    stat_prefix: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=DATA_KEY)] | None,
        Doc(envoy="ExternalProcessor.stat_prefix"),
    ] = None
    """A part of the names of its statistics."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of timeouts that Envoy does not take, and of modes that it may not choose."""
        for name, found in (
            ("messageTimeout", self.message_timeout),
            ("maxMessageTimeout", self.max_message_timeout),
        ):
            if found is not None and found > LONGEST_MESSAGE_TIMEOUT:
                yield FieldViolation((name,), _TOO_LONG)
        if self.allowed_mode_overrides is not None and not self.allow_mode_override:
            yield FieldViolation(
                ("allowedModeOverrides",), "must not be set unless allowModeOverride is true: set that, or remove it"
            )
