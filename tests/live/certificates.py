"""Certificates for tests, made when they are needed."""

from __future__ import annotations

import ssl

from cryptography import x509

from tests.certificates import self_signed
from tests.live.objects import Manifest


def tls_secret(name: str, *hostnames: str) -> Manifest:
    """Return a Secret with a new key and a self-signed certificate of these names."""
    certificate, key = self_signed(name, *hostnames)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name},
        "stringData": {"tls.crt": certificate, "tls.key": key},
    }


def serial(secret: Manifest) -> int:
    """Return the serial number of the certificate in a Secret."""
    return x509.load_pem_x509_certificate(secret["stringData"]["tls.crt"].encode()).serial_number


def shown(tls: ssl.SSLObject) -> int:
    """Return the serial number of the certificate that a connection was shown."""
    presented = tls.getpeercert(binary_form=True)
    assert presented is not None
    return x509.load_der_x509_certificate(presented).serial_number


def client(*protocols: str) -> ssl.SSLContext:
    """Return a client that takes any certificate: which one it was shown is for the test to look at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context
