"""Certificates for tests, made when they are needed."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.live.objects import Manifest


def tls_secret(name: str, *hostnames: str) -> Manifest:
    """A Secret with a new key and a self-signed certificate of these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in hostnames]), critical=False)
        .sign(key, hashes.SHA256())
    )
    data = {
        "tls.crt": certificate.public_bytes(Encoding.PEM),
        "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name},
        "data": {each: base64.b64encode(value).decode() for each, value in data.items()},
    }


def serial(secret: Manifest) -> int:
    """The serial number of the certificate in a Secret."""
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"])).serial_number


def shown(tls: ssl.SSLObject) -> int:
    """The serial number of the certificate that a connection was shown."""
    presented = tls.getpeercert(binary_form=True)
    assert presented is not None
    return x509.load_der_x509_certificate(presented).serial_number


def client(*protocols: str) -> ssl.SSLContext:
    """A client that takes any certificate: which one it was shown is for the test to look at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context
