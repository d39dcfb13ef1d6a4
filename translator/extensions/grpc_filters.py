"""gRPC-Web (Envoy's ``grpc_web``) and statistics of gRPC (``grpc_stats``): units of ListenerPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.grpc_stats.v3.config_pb2 import FilterConfig
from headgate_proto.envoy.extensions.filters.http.grpc_web.v3.grpc_web_pb2 import GrpcWeb as GrpcWebMessage
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.cel import text, value_if
from translator.envoy.hooks import ConnectionManagerHook, HttpFiltersHook
from translator.envoy.http_filter import HttpFilter, Stage
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.header_operations import Change, change_early
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.grpcsettings import GrpcStats, GrpcWeb
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome

TYPE: Final = "content-type"
KEPT_TYPE: Final = "x-headgate-grpc-web"
"""The header that has the content type of a page's call while its route is chosen."""
GRPC: Final = "application/grpc"
IS_WEB: Final = f"'{TYPE}' in request.headers && request.headers['{TYPE}'].startsWith('{GRPC}-web')"
WEB_TYPE: Final = "headgate.grpc_web_type"
WEB: Final = "envoy.filters.http.grpc_web"
STATS: Final = "envoy.filters.http.grpc_stats"


@dataclass(frozen=True, slots=True)
class WebCalls(ListenerSetting, ConnectionManagerHook, HttpFiltersHook):
    """Translates gRPC-Web of pages to gRPC.

    Routes of gRPC match by the content type, before any filter runs. So requests have that of gRPC while their route is
    chosen, and that of gRPC-Web again before Envoy's filter sees them.
    """

    of_routes: ClassVar[bool] = True

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Have requests look like gRPC while their route is chosen."""
        changes = (
            Change("remove", KEPT_TYPE),
            # Of other requests these values are empty, and no header is set.
            Change("set", KEPT_TYPE, value_if(IS_WEB, "request.headers['content-type']")),
            Change("set", TYPE, value_if(IS_WEB, text(GRPC))),
        )
        change_early(manager, changes)

    def http_filters(self) -> Iterator[HttpFilter]:
        """Yield the filters."""
        yield HttpFilter(Stage.GRPC_WEB_TYPE, WEB_TYPE, self._restore, disabled=False)
        yield HttpFilter(Stage.GRPC_WEB, WEB, GrpcWebMessage, disabled=False)

    def _restore(self) -> HeaderMutation:
        made = HeaderMutation()
        changes = (Change("set", TYPE, f"%REQ({KEPT_TYPE})%"), Change("remove", KEPT_TYPE))
        made.mutations.request_mutations.extend(each.message() for each in changes)
        return made


@dataclass(frozen=True, slots=True)
class CountedCalls(ListenerSetting, HttpFiltersHook):
    """Counts gRPC calls."""

    of_routes: ClassVar[bool] = True
    asked: GrpcStats

    def http_filters(self) -> Iterator[HttpFilter]:
        """Yield the filter."""
        yield HttpFilter(Stage.GRPC_STATS, STATS, self._config, disabled=False)

    def _config(self) -> FilterConfig:
        made = FilterConfig(enable_upstream_stats=bool(self.asked.upstream_stats))
        for each in self.asked.services or ():
            made.individual_method_stats_allowlist.services.add(name=each.name, method_names=each.methods)
        if not self.asked.services:
            made.stats_for_all_methods.value = False  # names that clients choose would have no end
        return made


def read_web(context: PolicyContext) -> ListenerOutcome:
    """Read whether pages may call gRPC services."""
    found = context.effective.value
    assert isinstance(found, GrpcWeb)
    return Outcome((WebCalls(),) if found.disable is None else ())


def read_stats(context: PolicyContext) -> ListenerOutcome:
    """Read which calls are counted."""
    found = context.effective.value
    assert isinstance(found, GrpcStats)
    return Outcome((CountedCalls(found),) if found.disable is None else ())


EXTENSION = Extension(
    "filters of gRPC",
    units=(
        PolicyUnit(ListenerPolicy, "http_settings.grpc_web", read_web, WebCalls, protocols=OF_HTTP),
        PolicyUnit(ListenerPolicy, "http_settings.grpc_stats", read_stats, CountedCalls, protocols=OF_HTTP),
    ),
)
