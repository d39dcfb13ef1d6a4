"""The certificate authority of the xDS port. Pure: the caller passes the time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3650)
CERTIFICATE_LIFETIME = timedelta(days=90)
#: How far in the past a certificate's validity starts, for machines whose clocks differ.
BACKDATED = timedelta(minutes=10)
#: A certificate is renewed when less than this share of its validity is left.
RENEWED_AT = 1 / 3


def read_certificate(pem: bytes) -> x509.Certificate:
    """Parse a certificate, possibly one of a user.

    Raises:
        ValueError: it is not a certificate.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual certificates of authorities
        return x509.load_pem_x509_certificate(pem)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, PEM; the key is not part of its repr."""

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def expires(self) -> datetime:
        """The end of the certificate's validity, UTC."""
        return read_certificate(self.certificate).not_valid_after_utc

    def check(self) -> None:
        """Check that key and certificate match.

        Raises:
            ValueError: they do not, or one is not PEM. The message contains nothing of the key.
        """
        try:
            known = load_pem_private_key(self.key, None).public_key()
        except (TypeError, ValueError, UnsupportedAlgorithm):
            raise ValueError("the key is not an unencrypted private key in PEM form") from None
        try:
            certified = read_certificate(self.certificate).public_key()
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("the certificate is not one in PEM form") from None
        if known != certified:
            raise ValueError("the key does not belong to the certificate")

    def check_authority(self) -> None:
        """Check that this is an authority that can sign certificates.

        Raises:
            ValueError: it is not. The message contains nothing of the key.
        """
        self.check()
        _signing_key(self.key)
        try:
            constraints = read_certificate(self.certificate).extensions.get_extension_for_class(x509.BasicConstraints)
        except x509.ExtensionNotFound:
            raise ValueError("the certificate is not that of an authority") from None
        if not constraints.value.ca:
            raise ValueError("the certificate is not that of an authority")

    def due(self, now: datetime) -> bool:
        """Whether the certificate is due for renewal."""
        found = read_certificate(self.certificate)
        begin, end = found.not_valid_before_utc, found.not_valid_after_utc
        return now >= end - (end - begin) * RENEWED_AT


def gateway_uri(key: str) -> str:
    """Return the URI (a SPIFFE ID) in the certificates of the proxies of the Gateway "namespace/name".

    >>> gateway_uri("default/web")
    'spiffe://headgate/ns/default/gateway/web'
    """
    namespace, _, name = key.partition("/")
    return f"spiffe://headgate/ns/{namespace}/gateway/{name}"


def make_authority(now: datetime) -> KeyPair:
    """Create an authority that can sign certificates, but no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Headgate")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def issue_server(authority: KeyPair, names: Iterable[str], now: datetime) -> KeyPair:
    """Issue a certificate for a server with these DNS names and IP addresses.

    Raises:
        ValueError: there is no name.
    """
    found = [_general_name(each) for each in dict.fromkeys(names)]
    if not found:
        raise ValueError("a server's certificate needs at least one DNS name or IP address")
    return _issue(authority, "headgate", found, ExtendedKeyUsageOID.SERVER_AUTH, now)


def issue_proxy(authority: KeyPair, gateway: str, now: datetime) -> KeyPair:
    """Issue a certificate that authenticates proxies of the Gateway "namespace/name"."""
    uri = x509.UniformResourceIdentifier(gateway_uri(gateway))
    return _issue(authority, "headgate-proxy", [uri], ExtendedKeyUsageOID.CLIENT_AUTH, now)


def reissue(authority: KeyPair, pair: KeyPair, now: datetime) -> KeyPair | None:
    """Issue a certificate with a new key that replaces one of the same authority; None for another authority's.

    Raises:
        ValueError: one of the two is not a key pair.
    """
    old, issuer = (read_certificate(each.certificate) for each in (pair, authority))
    try:
        old.verify_directly_issued_by(issuer)
        names = list(old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        (use,) = old.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        (common_name,) = old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (InvalidSignature, TypeError, ValueError, x509.ExtensionNotFound):
        return None
    return _issue(authority, str(common_name.value), names, use, now)


def _issue(
    authority: KeyPair, common_name: str, names: list[x509.GeneralName], use: x509.ObjectIdentifier, now: datetime
) -> KeyPair:
    issuer = read_certificate(authority.certificate)
    issuer_key = _signing_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - BACKDATED, issuer.not_valid_before_utc))
        .not_valid_after(min(now + CERTIFICATE_LIFETIME, issuer.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    digest = None if isinstance(issuer_key, _NEED_NO_DIGEST) else hashes.SHA256()
    return _pair(builder.sign(issuer_key, digest), key)


#: Types of keys of a user's authority; those that Headgate creates use elliptic curves.
_SIGNING = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
_NEED_NO_DIGEST = (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


def _signing_key(
    pem: bytes,
) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey:
    """Parse a key that can sign certificates.

    Raises:
        ValueError: it is not such a key. The message contains nothing of the key.
    """
    try:
        key = load_pem_private_key(pem, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError("the key is not an unencrypted private key in PEM form") from None
    if not isinstance(key, _SIGNING):
        raise ValueError("the key cannot sign certificates: make one of an elliptic curve, RSA or Ed25519")
    return key


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(certificate.public_bytes(Encoding.PEM), pem)
