"""Certificates for tests, made when they are needed, so that no private key is ever committed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
DAY = timedelta(days=1)


def self_signed(name: str, *hostnames: str, key: PrivateKey | None = None, stapled: bool = False) -> tuple[str, str]:
    """Return a certificate that is valid today, and its private key, both PEM.

    Args:
        name: its common name.
        hostnames: the DNS names that it is for; a certificate for none does not say.
        key: the private key, by default a new one.
        stapled: whether it must come with an OCSP response (RFC 7633).
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request]) if stapled else None
    certificate, private = certified(key, name, *hostnames, extension=feature)
    return certificate.decode(), private.decode()


@cache
def key_pair(name: str) -> tuple[str, str]:
    """Return a certificate of that name and its private key, PEM; the same each time."""
    return self_signed(name)


def certified(
    key: PrivateKey, name: str | None, *hostnames: str, extension: x509.ExtensionType | None = None
) -> tuple[bytes, bytes]:
    """Return a certificate of a key, valid today, and that key in PKCS#8, both PEM; with an extension, if given."""
    common = [] if name is None else [x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=bool(name))]
    subject, now = x509.Name(common), datetime.now(UTC)
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), serial, now - DAY, now + DAY)
    if hostnames:
        names = x509.SubjectAlternativeName([x509.DNSName(each) for each in hostnames])
        builder = builder.add_extension(names, critical=False)
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    itself = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    certificate = builder.sign(key, None if itself else hashes.SHA256())
    return certificate.public_bytes(Encoding.PEM), encoded(key, PrivateFormat.PKCS8).encode()


def encoded(key: PrivateKey, form: PrivateFormat) -> str:
    """Return a private key in PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
