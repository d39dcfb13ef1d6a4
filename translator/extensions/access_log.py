"""Access logs of requests and connections: the units `httpSettings.accessLog` and `connectionAccessLog`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headgate_proto.envoy.config.accesslog.v3.accesslog_pb2 import AccessLog as AccessLogMessage
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.backends.reference import backend_of_policy
from translator.envoy.access_log import CONNECTION_FORMAT, REQUEST_FORMAT
from translator.envoy.grpc_service import GrpcCall
from translator.envoy.hooks import ConnectionManagerHook, ListenerHook
from translator.envoy.log_sinks import COLLECTOR_TIMEOUT, CollectorLog, FileLog, ServiceLog, Sink, json_text
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.collector_headers import with_headers
from translator.extensions.log_filters import filter_problems, write_log_filter
from translator.gateway.protocols import OF_CONNECTIONS, OF_HTTP
from translator.ir.backend import Backend, Protocol
from translator.ir.listener import ListenerSetting
from translator.languages.formats import check_formats
from translator.objects.headgate.accesslogs import (
    STDERR,
    STDOUT,
    AccessLog,
    ConnectionAccessLog,
    FileSink,
    LogService,
    OpenTelemetryLog,
    RequestLogService,
    StateLogService,
)
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.objects.headgate.logfilters import ConnectionFilter
from translator.outcome import Outcome, Problem

SomeLog = AccessLog | ConnectionAccessLog


@dataclass(frozen=True, slots=True)
class Log:
    """A log, and what it is of.

    Attributes:
        sink: what gets the entries.
        filter: which requests or connections it is of; None for all.
    """

    sink: Sink
    filter: ConnectionFilter | None

    def message(self) -> AccessLogMessage:
        """Make the ``AccessLog``."""
        made = self.sink.log()
        if self.filter is not None:
            write_log_filter(made.filter, self.filter)
        return made


def _backends(logs: tuple[Log, ...]) -> tuple[Backend, ...]:
    calls = (each.sink.call for each in logs if isinstance(each.sink, ServiceLog | CollectorLog))
    return tuple(dict.fromkeys(each.backend for each in calls))


@dataclass(frozen=True, slots=True)
class RequestLogs(ListenerSetting, ConnectionManagerHook):
    """Logs of requests, in place of the one that listeners have anyway."""

    logs: tuple[Log, ...]

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The services and collectors."""
        return _backends(self.logs)

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write the logs."""
        del manager.access_log[:]
        manager.access_log.extend(each.message() for each in self.logs)


@dataclass(frozen=True, slots=True)
class ConnectionLogs(ListenerSetting, ListenerHook):
    """Logs of connections, in place of the one that listeners of TCP and TLS have anyway."""

    logs: tuple[Log, ...]

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The services and collectors."""
        return _backends(self.logs)

    def apply_to_listener(self, listener: Listener) -> None:
        """Write the logs."""
        del listener.access_log[:]
        listener.access_log.extend(each.message() for each in self.logs)


def read_requests(context: PolicyContext) -> ListenerOutcome:
    """Read the effective logs of requests: a log that cannot be had is left out."""
    logs = _read(context, REQUEST_FORMAT)
    return Outcome(None if logs.value is None else (RequestLogs(logs.value),), logs.problems)


def read_connections(context: PolicyContext) -> ListenerOutcome:
    """Read the effective logs of connections: a log that cannot be had is left out."""
    logs = _read(context, CONNECTION_FORMAT)
    return Outcome(None if logs.value is None else (ConnectionLogs(logs.value),), logs.problems)


def _read(context: PolicyContext, default: Mapping[str, str]) -> Outcome[tuple[Log, ...] | None]:
    found: tuple[SomeLog, ...] = context.effective.value
    made, problems = list[Log](), list[Problem]()
    for place, each in enumerate(found):
        field = f"{context.field}[{place}]"
        sink = _sink(context, each, field, default)
        wrong = (*filter_problems(each.filter, f"{field}.filter"), *sink.problems)
        problems += wrong
        if sink.value is not None and wrong == sink.problems:
            made.append(Log(sink.value, each.filter))
    if found and not made:
        return Outcome(None, tuple(problems))  # rather the log of before, or the default one, than none
    return Outcome(tuple(made), tuple(problems))


def _sink(context: PolicyContext, found: SomeLog, field: str, default: Mapping[str, str]) -> Outcome[Sink | None]:
    if found.file_sink is not None:
        return _file(context, found.file_sink, f"{field}.fileSink", default)
    if found.grpc_service is not None:
        return _service(context, found.grpc_service, f"{field}.grpcService")
    assert found.open_telemetry is not None
    return _collector(context, found.open_telemetry, f"{field}.openTelemetry", default)


def _file(context: PolicyContext, found: FileSink, field: str, default: Mapping[str, str]) -> Outcome[Sink | None]:
    path = found.path or STDOUT
    if fault := _path_fault(path, context.db.settings.access_log_folder):
        return Outcome(None, (Problem("Accepted", "NotAllowed", f"{field}.path: {fault}"),))
    if found.string_format is not None:
        made = FileLog(path, found.string_format)
        faults = _faults(f"{field}.stringFormat", made.text)
    else:
        value = default if found.json_format is None else found.json_format
        made = FileLog(path, json_text(value), is_json=True)
        faults = _faults(f"{field}.jsonFormat", value)
    return Outcome(None if faults else made, faults)


def _path_fault(path: str, folder: str) -> str:
    if path in (STDOUT, STDERR):
        return ""
    if not folder:
        return (
            f"only {STDOUT} and {STDERR} are allowed, since a proxy that cannot write a file does not take the "
            "listener; write one of these, or have the operator of Headgate allow a folder (--access-log-folder)."
        )
    inside, rest = f"{folder.rstrip('/')}/", ""
    if path.startswith(inside):
        rest = path.removeprefix(inside)
    if not rest or rest.endswith("/") or any(each in ("", ".", "..") for each in rest.split("/")):
        return f"must be {STDOUT}, {STDERR}, or a file in {folder}, which the operator of Headgate allows; correct it."
    return ""


def _service(context: PolicyContext, found: StateLogService, field: str) -> Outcome[Sink | None]:
    call = _call(context, found, field)
    if call.value is None:
        return Outcome(None, call.problems)
    state = found.filter_state_objects_to_log or ()
    name = found.log_name or _log_name(context)
    if not isinstance(found, RequestLogService):
        return Outcome(ServiceLog(call.value, name, state, of_connections=True), call.problems)
    headers = (
        tuple(each.lower() for each in names or ())
        for names in (
            found.additional_request_headers_to_log,
            found.additional_response_headers_to_log,
            found.additional_response_trailers_to_log,
        )
    )
    return Outcome(ServiceLog(call.value, name, state, False, *headers), call.problems)


def _collector(
    context: PolicyContext, found: OpenTelemetryLog, field: str, default: Mapping[str, str]
) -> Outcome[Sink | None]:
    service = found.grpc_service
    attributes = found.attributes
    if attributes is None:
        attributes = default if found.body is None else {}
    texts = _faults(f"{field}.body", found.body or "")
    for name, text in sorted(attributes.items()):
        texts += _faults(f"{field}.attributes[{name}]", text)
    call = _call(context, service, f"{field}.grpcService", COLLECTOR_TIMEOUT)
    if call.value is None or texts:
        return Outcome(None, (*texts, *call.problems))
    made = CollectorLog(
        call.value,
        service.log_name or _log_name(context),
        found.body or "",
        tuple(sorted(attributes.items())),
        tuple(sorted((found.resource_attributes or {}).items())),
        not found.disable_builtin_labels,
    )
    return Outcome(made, call.problems)


def _call(context: PolicyContext, found: LogService, field: str, timeout: int = 0) -> Outcome[GrpcCall | None]:
    owner = context.origin("")
    called = backend_of_policy(context.db, owner, found.backend_ref, f"{field}.backendRef", Protocol.H2C)
    backend = with_headers(context.db, owner, called, found.headers, field)
    call = None if backend.value is None else GrpcCall(backend.value, found.authority or "", timeout)
    return Outcome(call, backend.problems)


def _log_name(context: PolicyContext) -> str:
    return context.field.rpartition(".")[2]


def _faults(field: str, value: object) -> tuple[Problem, ...]:
    """Return what is wrong with the first format in a text or JSON at a field that Envoy would refuse."""
    fault = check_formats(value)
    return (Problem("Accepted", "Invalid", f"{field}: {fault}."),) if fault else ()


EXTENSION = Extension(
    "access logs",
    units=(
        PolicyUnit(ListenerPolicy, "http_settings.access_log", read_requests, RequestLogs, protocols=OF_HTTP),
        PolicyUnit(ListenerPolicy, "connection_access_log", read_connections, ConnectionLogs, protocols=OF_CONNECTIONS),
    ),
)
