"""`headgate validate` reports certificates that clients will reject."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from headgate.reporting.certificates import certificate_problems, covers
from watchers.files.contents import read
from watchers.files.store import FileStore

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: headgate
  listeners:
  - name: https
    port: 443
    protocol: HTTPS
    hostname: HOST
    tls:
      certificateRefs:
      - name: pair
---
apiVersion: v1
kind: Secret
metadata: {name: pair}
type: kubernetes.io/tls
data: {tls.crt: CHAIN, tls.key: ""}
"""


def certificate(names: list[str], begins: datetime, days: int, serial: int | None = None) -> bytes:
    """Return a certificate for these names, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial or x509.random_serial_number())
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    alternative = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
    return builder.add_extension(alternative, False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def reported(chain: bytes, host: str = "shop.example.com", gateway: str = GATEWAY) -> list[str]:
    """Return the diagnostics of a listener with this certificate."""
    text = gateway.replace("CHAIN", base64.b64encode(chain).decode()).replace("HOST", host)
    folder = FileStore()
    folder.apply({"a.yaml": read(text.encode(), "a.yaml")})
    assert folder.diagnostics == ()
    return [str(each) for each in certificate_problems(folder, NOW)]


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["shop.example.com"], "shop.example.com"),
        (["other.test", "*.example.com"], "shop.example.com"),
        (["*.example.com"], '"*.example.com"'),
    ],
)
def test_a_valid_certificate_has_no_diagnostic(names: list[str], host: str) -> None:
    """A certificate for the listener's host, within its validity, has no diagnostic."""
    assert reported(certificate(names, NOW - timedelta(days=1), 30), host) == []


@pytest.mark.parametrize("serial", [b"\x00", b"\x80"], ids=["zero", "negative"])
def test_a_serial_number_that_is_not_positive_is_no_warning(serial: bytes, recwarn: pytest.WarningsRecorder) -> None:
    """A serial number that is not positive (RFC 5280, 4.1.2.2), which clients accept, has no diagnostic or warning."""
    chain = certificate(["shop.example.com"], NOW - timedelta(days=1), 30, serial=0x7F)
    der = ssl.PEM_cert_to_DER_cert(chain.decode()).replace(b"\x02\x01\x7f", b"\x02\x01" + serial, 1)
    with pytest.warns(CryptographyDeprecationWarning, match="serial number"):
        x509.load_der_x509_certificate(der)
    assert reported(ssl.DER_cert_to_PEM_cert(der).encode()) == []
    assert list(recwarn) == []


def test_an_expired_certificate_is_an_error() -> None:
    """The message of an expired certificate has the time."""
    (message,) = reported(certificate(["shop.example.com"], NOW - timedelta(days=31), 30))
    assert "error: Gateway default/web: listener https: tls.certificateRefs[0]: the certificate in Secret" in message
    assert "expired at 2026-05-31 00:00:00 UTC" in message


def test_an_expired_client_certificate_is_an_error() -> None:
    """Backends reject what a Gateway presents to them once it is expired, at the line of the reference."""
    gateway = GATEWAY.replace(
        "  listeners:\n", "  tls:\n    backend:\n      clientCertificateRef: {name: pair}\n  listeners:\n"
    )
    message, _ = reported(certificate(["shop.example.com"], NOW - timedelta(days=31), 30), gateway=gateway)
    assert message.startswith("a.yaml:")
    assert "Gateway default/web: spec.tls.backend.clientCertificateRef: the certificate in Secret" in message
    assert "expired at 2026-05-31 00:00:00 UTC" in message


def test_a_certificate_of_the_future_is_an_error() -> None:
    """The message of a certificate that is not valid yet has the time."""
    (message,) = reported(certificate(["shop.example.com"], NOW + timedelta(days=1), 30))
    assert "is not valid before 2026-06-02 00:00:00 UTC" in message


def test_a_certificate_of_another_host_is_a_warning() -> None:
    """A certificate that no client of the listener's host accepts names its hosts."""
    (message,) = reported(certificate(["example.com", "*.test"], NOW - timedelta(days=1), 30))
    assert "warning: " in message
    assert "hostname shop.example.com; their names: example.com, *.test" in message


def test_a_certificate_that_is_not_used_has_no_diagnostic() -> None:
    """Where TLS is passed through, no client sees the certificate of the listener."""
    listener = GATEWAY.replace("protocol: HTTPS", "protocol: TLS").replace(" tls:", " tls:\n      mode: Passthrough")
    assert reported(certificate(["example.com"], NOW - timedelta(days=31), 30), gateway=listener) == []


def test_an_invalid_certificate_is_left_to_conditions() -> None:
    """A certificate that cannot be parsed is reported by the listener's condition, once."""
    assert reported(b"no certificate") == []


@pytest.mark.parametrize(
    ("name", "host", "fits"),
    [
        ("a.test", "A.test", True),
        ("*.test", "a.test", True),
        ("*.test", "b.a.test", False),
        ("*.test", "test", False),
        ("*.a.test", "*.test", False),
        ("*.test", "*.a.test", False),
    ],
)
def test_wildcards_match_one_label(name: str, host: str, fits: bool) -> None:
    """A wildcard of a certificate matches hosts with exactly one more label."""
    assert covers(name, host) is fits
