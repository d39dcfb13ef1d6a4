"""XBackend: what the API server refuses is refused here, and IP addresses, which only its message refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.gateway_api.xbackend import XBackend

PORT = "port: {number: 443}"
HOST = "type: ExternalHostname, externalHostname: {hostname: api.example.com}"
VALIDATION = "validation: {wellKnownCACertificates: System, hostname: a.org}"
SERVER = f"tls: {{mode: ServerOnly, {VALIDATION}}}"
PODS = "type: EndpointSelector, endpointSelector: {matchLabels: {app: a}}"


def backend(spec: str) -> dict[str, Any]:
    """Return an XBackend with a spec."""
    return {
        "apiVersion": "gateway.networking.x-k8s.io/v1alpha1",
        "kind": "XBackend",
        "metadata": {"name": "a"},
        "spec": raw(f"{{{spec}}}"),
    }


@pytest.mark.parametrize(
    "spec",
    [
        f"{HOST}, {PORT}",
        f"{HOST}, {PORT}, tls: {{mode: None_}}".replace("None_", "'None'"),
        f"{HOST}, {PORT}, protocol: HTTP2, {SERVER}",
        f"{HOST}, {PORT}, tls: {{mode: ClientAndServer, clientCertificateRef: {{name: a}}, {VALIDATION}}}",
        f"{PODS}, {PORT}, protocol: H2C, sessionPersistence: {{type: Cookie, cookie: {{name: a}}}}",
    ],
)
def test_valid_backends(spec: str) -> None:
    """A hostname or pods, with a port, a protocol and TLS, which is off unless asked for."""
    assert valid(XBackend, backend(spec)).spec.port.number == 443
    assert valid(XBackend, backend(f"{HOST}, {PORT}")).spec.tls.mode == "None"


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (HOST, "spec.port: is required"),
        (f"{HOST}, port: {{}}", "spec.port.number: is required"),
        (f"type: ExternalHostname, {PORT}", "spec.externalHostname: is required where type is ExternalHostname"),
        (f"type: EndpointSelector, {PORT}", "spec.endpointSelector: is required where type is EndpointSelector"),
        (f"{HOST}, endpointSelector: {{matchLabels: {{a: b}}}}, {PORT}", "spec.endpointSelector: must not be set"),
        (
            f"type: EndpointSelector, endpointSelector: {{matchLabels: {{}}}}, {PORT}",
            "spec.endpointSelector.matchLabels",
        ),
        (
            f"{HOST.replace('api.example.com', '10.0.0.1')}, {PORT}",
            "spec.externalHostname.hostname: must be a DNS name",
        ),
        (f"{HOST.replace('api.example.com', 'a.b.svc.cluster.local')}, {PORT}", "spec.externalHostname.hostname: must"),
        (f"{HOST.replace('api.example.com', 'API.example.com')}, {PORT}", "spec.externalHostname.hostname: may hold"),
        (f"{HOST}, {PORT}, sessionPersistence: {{type: Cookie}}", "spec.sessionPersistence: must not be set"),
        (f"{HOST}, {PORT}, protocol: H2C, {SERVER}", "spec.protocol: must be HTTP2 with TLS"),
        (f"{HOST}, {PORT}, protocol: HTTP2", "spec.tls.mode: must not be None where protocol is HTTP2"),
        (f"{HOST}, {PORT}, protocol: WSS", "spec.tls.mode: must not be None where protocol is WSS"),
        (f"{HOST}, {PORT}, protocol: UDP", "spec.protocol: "),
        (f"{HOST}, {PORT}, tls: {{mode: ServerOnly}}", "spec.tls.validation: is required where mode is ServerOnly"),
        (f"{HOST}, {PORT}, tls: {{mode: 'None', {VALIDATION}}}", "spec.tls.validation: must not be set"),
        (
            f"{HOST}, {PORT}, tls: {{mode: ServerOnly, clientCertificateRef: {{name: a}}, {VALIDATION}}}",
            "spec.tls.clientCertificateRef: must not be set where mode is ServerOnly",
        ),
        (
            f"{HOST}, {PORT}, tls: {{mode: ClientAndServer, {VALIDATION}}}",
            "spec.tls.clientCertificateRef: is required where mode is ClientAndServer",
        ),
    ],
)
def test_invalid_backends(spec: str, error: str) -> None:
    """What does not suit the type, the protocol or the mode is refused, and the field named."""
    assert any(each.startswith(error) for each in errors(backend(spec))), errors(backend(spec))
