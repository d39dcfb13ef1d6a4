"""Units of ListenerPolicies for the versions of HTTP that clients speak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.http.header_formatters.preserve_case.v3.preserve_case_pb2 import (
    PreserveCaseFormatterConfig,
)
from translator.extension import Extension
from translator.extensions.manager_options import ManagerOption, Write, option_units
from translator.objects.headgate.httpprotocols import ConnectionKeepalive, Http2ProtocolOptions
from translator.objects.headgate.types import MILLIONTHS_OF_PERCENT
from translator.objects.schema.scalars import milliseconds

USUAL_PING: Final = "20s"
"""How long the answer to a ping may take, unless a policy says otherwise; Envoy has no default."""


def _accept_http10(manager: HttpConnectionManager, accepted: bool) -> None:
    manager.http_protocol_options.accept_http_10 = accepted


def _default_host(manager: HttpConnectionManager, host: str) -> None:
    manager.http_protocol_options.default_host_for_http_10 = host


def _preserve_case(manager: HttpConnectionManager, preserved: bool) -> None:
    if preserved:
        formatter = manager.http_protocol_options.header_key_format.stateful_formatter
        formatter.name = "envoy.http.stateful_header_formatters.preserve_case"
        formatter.typed_config.Pack(PreserveCaseFormatterConfig(), deterministic=True)


def _trailers(manager: HttpConnectionManager, enabled: bool) -> None:
    manager.http_protocol_options.enable_trailers = enabled


def _ignored_upgrades(manager: HttpConnectionManager, types: tuple[str, ...]) -> None:
    for each in types:
        manager.http_protocol_options.ignore_http_11_upgrade.add(exact=each, ignore_case=True)


def _http2(manager: HttpConnectionManager, found: Http2ProtocolOptions) -> None:
    options = manager.http2_protocol_options
    for name in ("initial_stream_window_size", "initial_connection_window_size", "max_concurrent_streams"):
        value = getattr(found, name)
        if value is not None:
            getattr(options, name).value = value
    if found.allow_connect is not None:
        options.allow_connect = found.allow_connect
    if found.connection_keepalive is not None:
        _keepalive(manager, found.connection_keepalive)


def _keepalive(manager: HttpConnectionManager, found: ConnectionKeepalive) -> None:
    pings = manager.http2_protocol_options.connection_keepalive
    pings.timeout.FromMilliseconds(found.timeout or milliseconds(USUAL_PING))
    if found.interval is not None:
        pings.interval.FromMilliseconds(found.interval)
    if found.connection_idle_interval is not None:
        pings.connection_idle_interval.FromMilliseconds(found.connection_idle_interval)
    if found.interval_jitter is not None:
        pings.interval_jitter.value = found.interval_jitter / MILLIONTHS_OF_PERCENT


@dataclass(frozen=True, slots=True)
class ProtocolOption(ManagerOption):
    """A setting of HTTP/1 or HTTP/2."""

    writers: ClassVar[Mapping[str, Write]] = {
        "accept_http10": _accept_http10,
        "default_host_for_http10": _default_host,
        "preserve_http1_header_case": _preserve_case,
        "enable_trailers": _trailers,
        "ignored_upgrade_types": _ignored_upgrades,
        "http2_protocol_options": _http2,
    }


EXTENSION = Extension("versions of HTTP", units=option_units(ProtocolOption))
