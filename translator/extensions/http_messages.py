"""Units of ListenerPolicies for what the proxy changes in requests and responses, and what it lets through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.extension import Extension
from translator.extensions.manager_options import ManagerOption, Write, option_units
from translator.objects.headgate.httpmessages import PathSettings, UpgradeConfig

SERVER: Final = {
    "Overwrite": HttpConnectionManager.OVERWRITE,
    "AppendIfAbsent": HttpConnectionManager.APPEND_IF_ABSENT,
    "PassThrough": HttpConnectionManager.PASS_THROUGH,
}
ESCAPED_SLASHES: Final = {
    "KeepUnchanged": HttpConnectionManager.KEEP_UNCHANGED,
    "RejectRequest": HttpConnectionManager.REJECT_REQUEST,
    "UnescapeAndForward": HttpConnectionManager.UNESCAPE_AND_FORWARD,
    "UnescapeAndRedirect": HttpConnectionManager.UNESCAPE_AND_REDIRECT,
}


def _server(manager: HttpConnectionManager, transformation: str) -> None:
    manager.server_header_transformation = SERVER[transformation]


def _server_name(manager: HttpConnectionManager, name: str) -> None:
    manager.server_name = name


def _strip_port(manager: HttpConnectionManager, mode: str) -> None:
    if mode == "Matching":
        manager.strip_matching_host_port = True
    elif mode == "Any":
        manager.strip_any_host_port = True


def _strip_dot(manager: HttpConnectionManager, stripped: bool) -> None:
    manager.strip_trailing_host_dot = stripped


def _continue(manager: HttpConnectionManager, proxied: bool) -> None:
    manager.proxy_100_continue = proxied


def _scheme(manager: HttpConnectionManager, mode: str) -> None:
    if mode == "MatchBackend":
        manager.scheme_header_transformation.match_upstream = True


def _envoy_headers(manager: HttpConnectionManager, enabled: bool) -> None:
    router = Router()
    for filters in (manager.http_filters, *(each.filters for each in manager.upgrade_configs)):
        for each in filters:
            if each.typed_config.Unpack(router):
                router.suppress_envoy_headers = not enabled
                each.typed_config.Pack(router, deterministic=True)


def _path(manager: HttpConnectionManager, found: PathSettings) -> None:
    if found.escaped_slashes_action is not None:
        manager.path_with_escaped_slashes_action = ESCAPED_SLASHES[found.escaped_slashes_action]
    if found.merge_slashes is not None:
        manager.merge_slashes = found.merge_slashes


def _upgrades(manager: HttpConnectionManager, found: UpgradeConfig) -> None:
    if found.enabled_upgrades is None:
        return
    filters = [*manager.upgrade_configs[0].filters]  # those that WebSockets pass
    del manager.upgrade_configs[:]
    for each in found.enabled_upgrades:
        manager.upgrade_configs.add(upgrade_type=each).filters.extend(filters)


@dataclass(frozen=True, slots=True)
class MessageOption(ManagerOption):
    """What is done with messages, the same in both connection managers of a listener with filters."""

    writers: ClassVar[Mapping[str, Write]] = {
        "server_header_transformation": _server,
        "server_name": _server_name,
        "strip_host_port_mode": _strip_port,
        "strip_trailing_host_dot": _strip_dot,
        "proxy100_continue": _continue,
        "path": _path,
        "upgrade_config": _upgrades,
    }


@dataclass(frozen=True, slots=True)
class BackendOption(ManagerOption):
    """What is done with messages on the way to and from backends."""

    of_routes: ClassVar[bool] = True
    writers: ClassVar[Mapping[str, Write]] = {
        "scheme_header": _scheme,
        "enable_envoy_headers": _envoy_headers,
    }


EXTENSION = Extension("HTTP messages", units=(*option_units(MessageOption), *option_units(BackendOption)))
