"""The unit `perConnectionBufferLimitBytes` of ListenerPolicies (Envoy's ``per_connection_buffer_limit_bytes``)."""

from __future__ import annotations

from dataclasses import dataclass

from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from translator.envoy.hooks import ListenerHook
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_CONNECTIONS
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome


@dataclass(frozen=True, slots=True)
class ConnectionBuffers(ListenerSetting, ListenerHook):
    """How many bytes are held of a connection whose other side is too slow to read."""

    limit: int

    def apply_to_listener(self, listener: Listener) -> None:
        """Write the limit."""
        listener.per_connection_buffer_limit_bytes.value = self.limit


def read(context: PolicyContext) -> ListenerOutcome:
    """Read the effective limit."""
    return Outcome((ConnectionBuffers(context.effective.value),))


EXTENSION = Extension(
    "connection buffers",
    units=(
        PolicyUnit(
            ListenerPolicy, "per_connection_buffer_limit_bytes", read, ConnectionBuffers, protocols=OF_CONNECTIONS
        ),
    ),
)
