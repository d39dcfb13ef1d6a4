"""Certificates for tests, made when they are needed, so that no private key is ever committed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


def self_signed(name: str, *hostnames: str, key: PrivateKey | None = None, stapled: bool = False) -> tuple[str, str]:
    """A certificate that is valid today, and its private key, both PEM.

    Args:
        name: its common name.
        hostnames: the DNS names that it is for; a certificate for none does not say.
        key: the private key, by default a new one.
        stapled: whether it must come with an OCSP response (RFC 7633).
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), serial, now - DAY, now + DAY)
    if hostnames:
        names = x509.SubjectAlternativeName([x509.DNSName(each) for each in hostnames])
        builder = builder.add_extension(names, critical=False)
    if stapled:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return certificate.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
