"""The header X-Forwarded-Client-Cert, with the certificate of a client: a unit of ListenerPolicies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.extension import Extension
from translator.extensions.manager_options import ManagerOption, Write, option_units
from translator.objects.headgate.clientcertdetails import ForwardClientCertDetails

MODES: Final = {
    "Sanitize": HttpConnectionManager.SANITIZE,
    "ForwardOnly": HttpConnectionManager.FORWARD_ONLY,
    "AppendForward": HttpConnectionManager.APPEND_FORWARD,
    "SanitizeSet": HttpConnectionManager.SANITIZE_SET,
    "AlwaysForwardOnly": HttpConnectionManager.ALWAYS_FORWARD_ONLY,
}


def _write(manager: HttpConnectionManager, asked: ForwardClientCertDetails) -> None:
    manager.forward_client_cert_details = MODES[asked.mode or "Sanitize"]
    details = asked.details
    if details is None:
        return
    made = manager.set_current_client_cert_details
    made.subject.value = bool(details.subject)
    made.cert, made.chain = bool(details.cert), bool(details.chain)
    made.dns, made.uri = bool(details.dns), bool(details.uri)


@dataclass(frozen=True, slots=True)
class CertificateHeader(ManagerOption):
    """What becomes of the header."""

    of_clients: ClassVar[bool] = True
    writers: ClassVar[Mapping[str, Write]] = {"forward_client_cert_details": _write}


EXTENSION = Extension("client certificate details", units=option_units(CertificateHeader))
