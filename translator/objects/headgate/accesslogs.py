"""Access logs of requests, `httpSettings.accessLog` of ListenerPolicies, and of connections, `connectionAccessLog`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field, GetPydanticSchema, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.collectors import CollectorHeaders
from translator.objects.headgate.expressions import FORMAT_CHARACTERS
from translator.objects.headgate.logfilters import ConnectionLogFilter, LogFilter
from translator.objects.headgate.responses import MOST_LEVELS, JsonObject, is_json
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import FILE_PATH, METADATA_NAME, Boolean, HeaderName, PreciseHostname

MOST_LOGS: Final = 16
"""Most access logs of a listener, of requests and of connections each."""
STDOUT: Final = "/dev/stdout"
STDERR: Final = "/dev/stderr"

FormatText = Annotated[str, StringConstraints(min_length=1, max_length=FORMAT_CHARACTERS)]
"""A substitution format of Envoy's; it is checked where it is read."""
_Key = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Attributes = Annotated[
    Mapping[str, str], GetPydanticSchema(lambda _, handler: handler(dict[_Key, FormatText])), Field(max_length=64)
]
"""Values by name, each a substitution format."""
_Headers = Annotated[
    tuple[HeaderName, ...] | None, Field(max_length=32), unique(None, "is in the list already: remove it")
]
StateName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=METADATA_NAME)]
LogName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=METADATA_NAME)]


class FileSink(CheckedFields):
    """A file that gets a line for each."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.stringFormat) || !has(self.jsonFormat)",
            "must not be set together with stringFormat: remove one of them",
            "jsonFormat",
        ),
    )

    path: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=4096, pattern=FILE_PATH),
        Doc(envoy="StdoutAccessLog, StderrAccessLog, FileAccessLog.path"),
    ] = None
    """The path of the file. By default /dev/stdout: of a proxy in a cluster its standard output, of one of
    `headgate run` the file access.log in the directory of its Gateway. Other files than this and /dev/stderr have to be
    in the folder that the operator allows (`--access-log-folder`)."""
    string_format: Annotated[
        FormatText | None, Doc(envoy="SubstitutionFormatString.text_format_source", default="see jsonFormat")
    ] = None
    """The format of a line, a text in which commands like `%REQ(:PATH)%` stand for parts of the request and response;
    `%%` is a percent sign. A line break is added unless it ends with one."""
    json_format: Annotated[
        JsonObject | None,
        Doc(envoy="SubstitutionFormatString.json_format", default="the fields of the log that listeners have anyway"),
    ] = None
    """The format of a line as JSON: an object whose texts are formats as in `stringFormat`."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of two formats, and of one that is no JSON."""
        if self.string_format is not None and self.json_format is not None:
            yield FieldViolation(("jsonFormat",), self.rules[0].message)
        if self.json_format is not None and not is_json(self.json_format, MOST_LEVELS):
            yield FieldViolation(("jsonFormat",), f"must be JSON of at most {MOST_LEVELS} levels: leave some out")


class LogService(Fields):
    """A service that gets the entries of a log by gRPC, on one stream."""

    backend_ref: BackendObjectReference
    """The service: of another namespace only where a ReferenceGrant permits it."""
    authority: Annotated[PreciseHostname | None, Doc(envoy="GrpcService.EnvoyGrpc.authority")] = None
    """The host that the service is called by. By default the name of its cluster in Envoy."""
    log_name: Annotated[LogName | None, Doc(envoy="CommonGrpcAccessLogConfig.log_name", default="the field")] = None
    """The name of the log, by which the service tells it from others."""
    headers: CollectorHeaders = None
    """Headers of all calls, such as keys. By default none."""


class StateLogService(LogService):
    """A service of Envoy's own protocol (`AccessLogService`)."""

    filter_state_objects_to_log: Annotated[
        tuple[StateName, ...] | None,
        Field(max_length=32),
        unique(None, "is in the list already: remove it"),
        Doc(envoy="CommonGrpcAccessLogConfig.filter_state_objects_to_log"),
    ] = None
    """Filter state that is part of an entry, by the names of its objects."""


class RequestLogService(StateLogService):
    """A service of Envoy's own protocol that gets entries of requests."""

    additional_request_headers_to_log: Annotated[
        _Headers, Doc(envoy="HttpGrpcAccessLogConfig.additional_request_headers_to_log")
    ] = None
    """Headers of the request that are part of an entry, beside those that always are."""
    additional_response_headers_to_log: Annotated[
        _Headers, Doc(envoy="HttpGrpcAccessLogConfig.additional_response_headers_to_log")
    ] = None
    """Headers of the response that are part of an entry."""
    additional_response_trailers_to_log: Annotated[
        _Headers, Doc(envoy="HttpGrpcAccessLogConfig.additional_response_trailers_to_log")
    ] = None
    """Trailers of the response that are part of an entry."""


class OpenTelemetryLog(Fields):
    """A collector of OpenTelemetry that gets the log."""

    grpc_service: LogService
    """The collector, which is called by gRPC (OTLP)."""
    body: Annotated[FormatText | None, Doc(envoy="OpenTelemetryAccessLogConfig.body")] = None
    """The body of a record: a format, as `stringFormat` of files. By default none."""
    attributes: Annotated[
        Attributes | None,
        Doc(
            envoy="OpenTelemetryAccessLogConfig.attributes",
            default="without a body, the fields of the log that listeners have anyway",
        ),
    ] = None
    """The attributes of a record, each a format."""
    resource_attributes: Annotated[Attributes | None, Doc(envoy="OpenTelemetryAccessLogConfig.resource_attributes")] = (
        None
    )
    """Attributes of the resource that the log is of: texts, which are taken literally. By default none."""
    disable_builtin_labels: Annotated[
        Boolean | None, Doc(envoy="OpenTelemetryAccessLogConfig.disable_builtin_labels")
    ] = None
    """Whether the attributes are left out that Envoy gives the resource: the name of the log, and the cluster, node and
    zone of the proxy. By default false."""


SINKS: Final = "must have exactly one of fileSink, grpcService and openTelemetry"
ONE_SINK: Final = exactly_one("fileSink", "grpcService", "openTelemetry", message=SINKS)


class SomeLog(CheckedFields):
    """A log with exactly one sink."""

    rules: ClassVar[tuple[CelRule, ...]] = (ONE_SINK,)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is exactly one sink."""
        sinks = ("file_sink", "grpc_service", "open_telemetry")
        if sum(getattr(self, name) is not None for name in sinks) != 1:
            yield FieldViolation((), SINKS)


class AccessLog(SomeLog):
    """A log of requests."""

    file_sink: FileSink | None = None
    """A file that gets a line for each request."""
    grpc_service: RequestLogService | None = None
    """A service that gets an entry for each request by Envoy's protocol."""
    open_telemetry: OpenTelemetryLog | None = None
    """A collector of OpenTelemetry that gets a record for each request."""
    filter: LogFilter | None = None
    """Which requests are logged. By default all."""


class ConnectionAccessLog(SomeLog):
    """A log of connections."""

    file_sink: FileSink | None = None
    """A file that gets a line for each connection."""
    grpc_service: StateLogService | None = None
    """A service that gets an entry for each connection by Envoy's protocol."""
    open_telemetry: OpenTelemetryLog | None = None
    """A collector of OpenTelemetry that gets a record for each connection."""
    filter: ConnectionLogFilter | None = None
    """Which connections are logged. By default all."""


AccessLogs = Annotated[
    tuple[AccessLog, ...] | None, Field(max_length=MOST_LOGS), Doc(envoy="HttpConnectionManager.access_log")
]
"""Logs of requests."""
ConnectionAccessLogs = Annotated[
    tuple[ConnectionAccessLog, ...] | None, Field(max_length=MOST_LOGS), Doc(envoy="Listener.access_log")
]
"""Logs of connections."""
