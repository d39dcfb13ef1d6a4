"""The unit `waf` of TrafficPolicies, and GatewayExtensions with `waf`: requests are inspected for attacks."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.headgate.references import ExtensionReference
from translator.objects.headgate.services import GrpcService
from translator.objects.headgate.types import Disableable, OptionalSize
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, raise_violations
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, DataKey, ObjectName, PositiveMilliseconds
from translator.waf_profile import (
    LONGEST_PATH,
    LONGEST_TARGET,
    MOST_BODY_BYTES,
    MOST_EXCLUSIONS,
    MOST_ITEMS,
    MOST_THRESHOLD,
    PATH,
    TARGET,
)

DIRECTIVES_KEY: Final = "directives"
"""The key of a ConfigMap in which directives are, unless another is named."""
LONGEST_MESSAGE_TIMEOUT: Final = 3_600_000
"""In milliseconds: Envoy takes no longer one."""
_TOO_LONG: Final = "must be at most 1h: shorten it"
_METADATA: Final = "ExternalProcessor.grpc_service.initial_metadata"
_NOTHING: Final = "must have ruleIds, targets or both: say what is excluded"


def _size(size: int | None) -> int | None:
    if size is not None and size > MOST_BODY_BYTES:
        raise_violations([FieldViolation((), "must be at most 1Mi: more is not inspected")])
    return size


class WafBody(Fields):
    """How much of a body is inspected."""

    max_bytes: Annotated[OptionalSize, AfterValidator(_size), Doc(envoy="Route.request_body_buffer_limit")] = None
    """How much of a body is held and inspected, up to 1Mi. By default 128Ki."""
    on_overflow: Annotated[Literal["Pass", "Reject"] | None, Doc(envoy="ProcessingMode.request_body_mode")] = None
    """What becomes of a longer request: it is refused with 413 (Reject), or passes, and only its beginning is inspected
    (Pass), behind which an attack can hide. By default Reject."""


class WafExclusion(CheckedFields):
    """Rules that do not look at something."""

    rules: ClassVar[tuple[CelRule, ...]] = (CelRule("has(self.ruleIds) || has(self.targets)", _NOTHING),)

    rule_ids: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=1, le=999_999_999)], ...] | None,
        Field(min_length=1, max_length=MOST_ITEMS),
        Doc(envoy=_METADATA),
    ] = None
    """The ids of the rules, as the audit log has them. By default all of the Core Rule Set."""
    targets: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=TARGET, max_length=LONGEST_TARGET)], ...] | None,
        Field(min_length=1, max_length=MOST_ITEMS),
        Doc(envoy=_METADATA),
    ] = None
    """The parts of requests that the rules do not look at, such as `ARGS:comment` or `REQUEST_COOKIES:session`. By
    default the rules look at nothing at all."""
    paths: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=PATH, max_length=LONGEST_PATH)], ...] | None,
        Field(min_length=1, max_length=MOST_ITEMS),
        Doc(envoy=_METADATA),
    ] = None
    """The paths at which that holds, with all below them. By default all paths."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of an exclusion of nothing."""
        if self.rule_ids is None and self.targets is None:
            yield FieldViolation((), _NOTHING)


class DirectivesReference(Fields):
    """A key of a ConfigMap of the same namespace."""

    name: ObjectName
    """The name of the ConfigMap."""
    key: DataKey | None = None
    """The key in its `data` or `binaryData`, of at most 16Ki. By default `directives`."""


class WebApplicationFirewall(Disableable):
    """Inspects requests for attacks, by the OWASP Core Rule Set."""

    extension_ref: Annotated[ExtensionReference | None, Doc(envoy="ExternalProcessor.grpc_service")] = None
    """The GatewayExtension that says which service inspects. By default Headgate's own."""
    mode: Annotated[Literal["Enforce", "DetectOnly"] | None, Doc(envoy=_METADATA)] = None
    """Whether requests with attacks are refused (Enforce), or only reported (DetectOnly). By default Enforce."""
    paranoia_level: Annotated[Annotated[int, Field(strict=True, ge=1, le=4)] | None, Doc(envoy=_METADATA)] = None
    """The paranoia level of the Core Rule Set: the higher, the more rules, and the more requests without attacks are
    refused. By default 1."""
    anomaly_threshold: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=MOST_THRESHOLD)] | None, Doc(envoy=_METADATA)
    ] = None
    """The score from which on a request is refused; a critical rule counts 5, and responses are refused from one less
    on. By default 5."""
    exclusions: Annotated[tuple[WafExclusion, ...] | None, Field(max_length=MOST_EXCLUSIONS), Doc(envoy=_METADATA)] = (
        None
    )
    """What rules do not look at."""
    directives_ref: Annotated[DirectivesReference | None, Doc(envoy=_METADATA)] = None
    """A key of a ConfigMap with rules of your own, as directives of ModSecurity."""
    body: WafBody | None = None
    """How much of bodies is inspected."""
    response: Annotated[Boolean | None, Doc(envoy="ProcessingMode.response_body_mode")] = None
    """Whether responses are inspected too, for what tells of the inside of a backend. By default false."""


class WafProvider(CheckedFields):
    """A service that inspects requests for attacks: `headgate waf`, or one that reads the same profiles."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.messageTimeout) || duration(self.messageTimeout) <= duration('1h')", _TOO_LONG, "messageTimeout"
        ),
    )

    grpc_service: Annotated[GrpcService | None, Doc(envoy="ExternalProcessor.grpc_service")] = None
    """The service; it has to serve `envoy.service.ext_proc.v3.ExternalProcessor`. By default Headgate's own."""
    fail_open: Annotated[Boolean, Doc(envoy="ExternalProcessor.failure_mode_allow")] = False
    """Whether requests go on without it if it fails; otherwise they get 500. Those of which the inspection takes too
    long are refused in any case."""
    message_timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="ExternalProcessor.message_timeout")] = None
    """How long it may take to respond; at most 1h. By default 1s."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a timeout that Envoy does not take."""
        if self.message_timeout is not None and self.message_timeout > LONGEST_MESSAGE_TIMEOUT:
            yield FieldViolation(("messageTimeout",), _TOO_LONG)
