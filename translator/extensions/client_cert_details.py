"""The header X-Forwarded-Client-Cert, with the certificate of a client: a unit of ListenerPolicies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.hooks import ConnectionManagerHook
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.clientcertdetails import ForwardClientCertDetails
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome

MODES: Final = {
    "Sanitize": HttpConnectionManager.SANITIZE,
    "ForwardOnly": HttpConnectionManager.FORWARD_ONLY,
    "AppendForward": HttpConnectionManager.APPEND_FORWARD,
    "SanitizeSet": HttpConnectionManager.SANITIZE_SET,
    "AlwaysForwardOnly": HttpConnectionManager.ALWAYS_FORWARD_ONLY,
}


@dataclass(frozen=True, slots=True)
class CertificateHeader(ListenerSetting, ConnectionManagerHook):
    """What becomes of the header."""

    of_clients: ClassVar[bool] = True
    asked: ForwardClientCertDetails

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write ``forward_client_cert_details``, and what is in the header."""
        manager.forward_client_cert_details = MODES[self.asked.mode or "Sanitize"]
        details = self.asked.details
        if details is None:
            return
        made = manager.set_current_client_cert_details
        made.subject.value = bool(details.subject)
        made.cert, made.chain = bool(details.cert), bool(details.chain)
        made.dns, made.uri = bool(details.dns), bool(details.uri)


def read(context: PolicyContext) -> ListenerOutcome:
    """Read what becomes of the header."""
    return Outcome((CertificateHeader(context.effective.value),))


EXTENSION = Extension(
    "client certificate details",
    units=(
        PolicyUnit(
            ListenerPolicy, "http_settings.forward_client_cert_details", read, CertificateHeader, protocols=OF_HTTP
        ),
    ),
)
