"""Units of ListenerPolicies that limit how long connections and requests take, and how large headers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.durations import countable
from translator.extension import Extension
from translator.extensions.manager_options import ManagerOption, Write, option_units

UNDERSCORES: Final = {
    "Allow": HttpProtocolOptions.ALLOW,
    "Reject": HttpProtocolOptions.REJECT_REQUEST,
    "Drop": HttpProtocolOptions.DROP_HEADER,
}


def _of_manager(name: str) -> Write:
    def write(manager: HttpConnectionManager, milliseconds: int) -> None:
        getattr(manager, name).FromMilliseconds(countable(milliseconds))

    return write


def _common(name: str) -> Write:
    def write(manager: HttpConnectionManager, milliseconds: int) -> None:
        getattr(manager.common_http_protocol_options, name).FromMilliseconds(countable(milliseconds))

    return write


def _max_connection_duration(manager: HttpConnectionManager, milliseconds: int) -> None:
    # Without it a connection of HTTP/1.1 could be closed just as a request comes.
    manager.http1_safe_max_connection_duration = True
    _common("max_connection_duration")(manager, milliseconds)


def _disable_safe(manager: HttpConnectionManager, disabled: bool) -> None:
    manager.http1_safe_max_connection_duration = not disabled


def _max_requests(manager: HttpConnectionManager, number: int) -> None:
    manager.common_http_protocol_options.max_requests_per_connection.value = number


def _max_headers_kb(manager: HttpConnectionManager, size: int) -> None:
    manager.max_request_headers_kb.value = size


def _max_headers(manager: HttpConnectionManager, number: int) -> None:
    manager.common_http_protocol_options.max_headers_count.value = number


def _underscores(manager: HttpConnectionManager, action: str) -> None:
    manager.common_http_protocol_options.headers_with_underscores_action = UNDERSCORES[action]


@dataclass(frozen=True, slots=True)
class ClientLimit(ManagerOption):
    """A limit of the connections of clients, or of what these send."""

    of_clients: ClassVar[bool] = True
    writers: ClassVar[Mapping[str, Write]] = {
        "idle_timeout": _common("idle_timeout"),
        "request_timeout": _of_manager("request_timeout"),
        "request_headers_timeout": _of_manager("request_headers_timeout"),
        "max_connection_duration": _max_connection_duration,
        "disable_safe_max_connection_duration": _disable_safe,
        "max_requests_per_connection": _max_requests,
        "drain_timeout": _of_manager("drain_timeout"),
    }


@dataclass(frozen=True, slots=True)
class RequestLimit(ManagerOption):
    """A limit of requests, which holds wherever these pass."""

    writers: ClassVar[Mapping[str, Write]] = {
        "stream_idle_timeout": _of_manager("stream_idle_timeout"),
        "max_stream_duration": _common("max_stream_duration"),
        "max_request_headers_kb": _max_headers_kb,
        "max_headers_count": _max_headers,
        "headers_with_underscores": _underscores,
    }


EXTENSION = Extension("limits of HTTP", units=(*option_units(ClientLimit), *option_units(RequestLimit)))
