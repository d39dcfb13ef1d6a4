"""Envoy's ``AccessLog``, by what gets the entries: a file, a service of Envoy's own protocol, or a collector."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import KeyValueList

from headgate_proto.envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from headgate_proto.envoy.config.core.v3.config_source_pb2 import ApiVersion
from headgate_proto.envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from headgate_proto.envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from headgate_proto.envoy.extensions.access_loggers.grpc.v3.als_pb2 import (
    CommonGrpcAccessLogConfig,
    HttpGrpcAccessLogConfig,
    TcpGrpcAccessLogConfig,
)
from headgate_proto.envoy.extensions.access_loggers.open_telemetry.v3.logs_service_pb2 import (
    OpenTelemetryAccessLogConfig,
)
from headgate_proto.envoy.extensions.access_loggers.stream.v3.stream_pb2 import StderrAccessLog, StdoutAccessLog
from translator.envoy.grpc_service import GrpcCall, grpc_service

COLLECTOR_TIMEOUT: Final = 10_000
"""How long a collector may take for a batch of records, in milliseconds."""
_STREAMS: Final[Mapping[str, tuple[str, type[StdoutAccessLog] | type[StderrAccessLog]]]] = {
    "/dev/stdout": ("envoy.access_loggers.stdout", StdoutAccessLog),
    "/dev/stderr": ("envoy.access_loggers.stderr", StderrAccessLog),
}
"""The loggers of streams, which never fail: as a file, Envoy refuses the listener where one of these is a socket."""


@dataclass(frozen=True, slots=True)
class FileLog:
    """A file that gets a line for each entry.

    Attributes:
        path: the path of the file.
        text: the format of a line: a text, or JSON whose texts are formats.
        is_json: which of them.
    """

    path: str
    text: str
    is_json: bool = False

    def log(self) -> AccessLog:
        """Make the log."""
        name, of_stream = _STREAMS.get(self.path, ("", None))
        if of_stream is not None:
            stream = of_stream()
            self._write(stream.log_format)
            return _log(name, stream)
        file = FileAccessLog(path=self.path)
        self._write(file.log_format)
        return _log("envoy.access_loggers.file", file)

    def _write(self, message: SubstitutionFormatString) -> None:
        if self.is_json:
            message.json_format.update(json.loads(self.text))
        else:
            message.text_format_source.inline_string = self.text if self.text.endswith("\n") else f"{self.text}\n"


@dataclass(frozen=True, slots=True)
class ServiceLog:
    """A service of Envoy's own protocol that gets entries.

    Attributes:
        call: how it is called.
        name: the name of the log.
        filter_state: objects of filter state that are part of entries.
        of_connections: whether entries are of connections, not of requests.
        request_headers: headers that are part of the entries of requests.
        response_headers: the same of responses.
        response_trailers: the same of their trailers.
    """

    call: GrpcCall
    name: str
    filter_state: tuple[str, ...] = ()
    of_connections: bool = False
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()
    response_trailers: tuple[str, ...] = ()

    def log(self) -> AccessLog:
        """Make the log."""
        common = CommonGrpcAccessLogConfig(log_name=self.name, transport_api_version=ApiVersion.V3)
        common.grpc_service.CopyFrom(grpc_service(self.call))
        common.filter_state_objects_to_log.extend(self.filter_state)
        if self.of_connections:
            return _log("envoy.access_loggers.tcp_grpc", TcpGrpcAccessLogConfig(common_config=common))
        config = HttpGrpcAccessLogConfig(common_config=common)
        config.additional_request_headers_to_log.extend(self.request_headers)
        config.additional_response_headers_to_log.extend(self.response_headers)
        config.additional_response_trailers_to_log.extend(self.response_trailers)
        return _log("envoy.access_loggers.http_grpc", config)


@dataclass(frozen=True, slots=True)
class CollectorLog:
    """A collector of OpenTelemetry that gets records.

    Attributes:
        call: how it is called.
        name: the name of the log.
        body: the format of the body of a record; "" for none.
        attributes: the attributes of a record, each a name and a format.
        resource_attributes: those of the resource, each a name and a text.
        builtin_labels: whether the resource has those of Envoy too.
    """

    call: GrpcCall
    name: str
    body: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    resource_attributes: tuple[tuple[str, str], ...] = ()
    builtin_labels: bool = True

    def log(self) -> AccessLog:
        """Make the log."""
        config = OpenTelemetryAccessLogConfig(log_name=self.name, disable_builtin_labels=not self.builtin_labels)
        config.grpc_service.CopyFrom(grpc_service(self.call))
        if self.body:
            config.body.string_value = self.body
        _write_values(config.attributes, self.attributes)
        _write_values(config.resource_attributes, self.resource_attributes)
        return _log("envoy.access_loggers.open_telemetry", config)


Sink = FileLog | ServiceLog | CollectorLog


def json_text(value: Any) -> str:
    """Return JSON as a text, the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _write_values(message: KeyValueList, pairs: Iterable[tuple[str, str]]) -> None:
    for name, text in pairs:
        message.values.add(key=name).value.string_value = text


def _log(name: str, config: Message) -> AccessLog:
    made = AccessLog(name=name)
    made.typed_config.Pack(config, deterministic=True)
    return made
