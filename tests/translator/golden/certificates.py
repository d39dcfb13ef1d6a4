"""Certificates for the cases, made anew in each run, so that no private key is ever committed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _certificate(key: _PrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()


def _pem(key: _PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


_KEY = ec.generate_private_key(ec.SECP256R1())
_WEAK_KEY = rsa.generate_private_key(65537, 1024)

#: What stands for certificates and keys in the files; as strings of YAML.
PLACEHOLDERS = {
    "CERTIFICATE": json.dumps(_certificate(_KEY)),
    "KEY": json.dumps(_pem(_KEY)),
    "OTHER_KEY": json.dumps(_pem(ec.generate_private_key(ec.SECP256R1()))),
    "WEAK_CERTIFICATE": json.dumps(_certificate(_WEAK_KEY)),
    "WEAK_KEY": json.dumps(_pem(_WEAK_KEY)),
}
