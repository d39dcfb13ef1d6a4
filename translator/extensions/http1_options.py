"""Units of ListenerPolicies for HTTP/1 (Envoy's ``Http1ProtocolOptions``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.hooks import ConnectionManagerHook
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome

OF_HTTP: Final = frozenset({"HTTP", "HTTPS"})
"""The protocols of listeners that serve HTTP."""


@dataclass(frozen=True, slots=True)
class Http10(ListenerSetting, ConnectionManagerHook):
    """Whether clients may speak HTTP/1.0."""

    accepted: bool

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``accept_http_10``."""
        manager.http_protocol_options.accept_http_10 = self.accepted


def read_http10(context: PolicyContext) -> ListenerOutcome:
    """Read whether HTTP/1.0 is accepted."""
    return Outcome((Http10(context.effective.value),))


EXTENSION = Extension(
    "HTTP/1 options",
    units=(PolicyUnit(ListenerPolicy, "http_settings.accept_http10", read_http10, Http10, protocols=OF_HTTP),),
)
