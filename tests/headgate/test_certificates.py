"""`headgate validate` tells certificates that clients will refuse."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from headgate.certificates import certificate_problems, covers
from watchers.folder import Folder
from watchers.reading import read

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


def certificate(names: list[str], begins: datetime, days: int) -> bytes:
    """A certificate for these names, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    alternative = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
    return builder.add_extension(alternative, False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def told(chain: bytes, host: str = "shop.example.com") -> list[str]:
    """What is said of a listener with this certificate."""
    text = GATEWAY.replace("CHAIN", base64.b64encode(chain).decode()).replace("HOST", host)
    folder = Folder()
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
def test_a_certificate_that_fits_is_well(names: list[str], host: str) -> None:
    """A certificate of the listener's host, within its time, is nothing to tell."""
    assert told(certificate(names, NOW - timedelta(days=1), 30), host) == []


def test_an_expired_certificate_is_an_error() -> None:
    """A certificate whose time is over says since when."""
    (message,) = told(certificate(["shop.example.com"], NOW - timedelta(days=31), 30))
    assert "error: Gateway default/web: listener https: tls.certificateRefs[0]: the certificate in Secret" in message
    assert "expired at 2026-05-31 00:00:00 UTC" in message


def test_a_certificate_of_the_future_is_an_error() -> None:
    """A certificate whose time has not come says when it does."""
    (message,) = told(certificate(["shop.example.com"], NOW + timedelta(days=1), 30))
    assert "is not valid before 2026-06-02 00:00:00 UTC" in message


def test_a_certificate_of_another_host_is_a_warning() -> None:
    """A certificate that no client of the listener's host accepts names the hosts that it is for."""
    (message,) = told(certificate(["example.com", "*.test"], NOW - timedelta(days=1), 30))
    assert "warning: " in message
    assert "hostname shop.example.com; their names: example.com, *.test" in message


def test_what_is_no_certificate_is_left_to_conditions() -> None:
    """What cannot be read is told by the listener's condition, once."""
    assert told(b"no certificate") == []


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
def test_wildcards_stand_for_one_label(name: str, host: str, fits: bool) -> None:
    """A wildcard of a certificate is for hosts of exactly one label more."""
    assert covers(name, host) is fits
