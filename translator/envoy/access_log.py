"""Envoy's ``AccessLog`` of requests and connections, and those that listeners have unless policies say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headgate_proto.envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from headgate_proto.envoy.extensions.access_loggers.stream.v3.stream_pb2 import StdoutAccessLog
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

_CLIENT: Final[Mapping[str, str]] = {
    "start_time": "%START_TIME%",
    "duration": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "response_flags": "%RESPONSE_FLAGS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
REQUEST_FORMAT: Final[Mapping[str, str]] = {
    **_CLIENT,
    "method": "%REQ(:METHOD)%",
    "authority": "%REQ(:AUTHORITY)%",
    # What clients asked for; queries are left out, since logins and clients of APIs have secrets there.
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "protocol": "%PROTOCOL%",
    "route": "%ROUTE_NAME%",
    "response_code": "%RESPONSE_CODE%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "upstream_request_attempt_count": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "user_agent": "%REQ(USER-AGENT)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "trace_id": "%TRACE_ID%",
}
"""The fields of a line in the log of requests that listeners have by default."""
CONNECTION_FORMAT: Final[Mapping[str, str]] = {
    **_CLIENT,
    "connection_id": "%CONNECTION_ID%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "downstream_transport_failure_reason": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
}
"""The same of connections."""

REACHED_NO_BACKEND: Final = "!has(upstream.address)"
"""The expression for requests that filters answered before there was an endpoint for them."""


def stdout_log(json_format: Mapping[str, Any]) -> AccessLog:
    """Make a log at the standard output, each line of which is a JSON object.

    As a file Envoy refuses the listener where the standard output is a socket, such as systemd's.
    """
    config = StdoutAccessLog()
    config.log_format.json_format.update(json_format)
    made = AccessLog(name="envoy.access_loggers.stdout")
    made.typed_config.Pack(config, deterministic=True)
    return made


def write_condition(message: AccessLogFilter, expression: str) -> None:
    """Have a filter take what an expression in CEL holds for."""
    found = message.extension_filter
    found.name = "envoy.access_loggers.extension_filters.cel"
    found.typed_config.Pack(ExpressionFilter(expression=expression), deterministic=True)


def log_by_default(manager: HttpConnectionManager) -> None:
    """Have a connection manager log requests to the standard output."""
    manager.access_log.append(stdout_log(REQUEST_FORMAT))


def log_connections_by_default(listener: Listener) -> None:
    """Have a listener log connections to the standard output, those too that none of its filter chains takes."""
    listener.access_log.append(stdout_log(CONNECTION_FORMAT))


def log_what_is_answered_here(manager: HttpConnectionManager) -> None:
    """Restrict the logs of the first of two connection managers to requests that the second one does not see.

    The second one knows their routes and backends.
    """
    for each in manager.access_log:
        own = AccessLogFilter()
        write_condition(own, REACHED_NO_BACKEND)
        if each.HasField("filter"):
            both = AccessLogFilter()
            both.and_filter.filters.extend((own, each.filter))
            own = both
        each.filter.CopyFrom(own)
