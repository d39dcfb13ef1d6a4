"""Envoy's requirements of server certificates beyond their form."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes as PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from translator.gateway.der import DerError, Element, Tag, element, expect
from translator.gateway.x509 import CertificateFields

CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
RSA_BITS: Final = 2048

_RSA_ENCRYPTION: Final = bytes.fromhex("2a864886f70d010101")
_COMMON_NAME: Final = bytes.fromhex("550403")
_KEY_USAGE: Final = bytes.fromhex("551d0f")
_ALTERNATIVE_NAMES: Final = bytes.fromhex("551d11")
_TLS_FEATURE: Final = bytes.fromhex("2b06010505070118")
_MUST_STAPLE: Final = bytes.fromhex("3003020105")
_DIGITAL_SIGNATURE: Final = 0x80
_DNS_NAME: Final = 0x82
_HOST_NAMES: Final = (_DNS_NAME, 0x86, 0x87)
"""The tags of a DNS name, a URI and an IP address among the alternative names."""

OTHER_KEY: Final = (
    f"has a key of a kind that Envoy does not take; use RSA of {RSA_BITS} bits or more (not RSA-PSS), P-256, P-384, "
    "P-521 or Ed25519."
)


def public_key(certificate: CertificateFields) -> PublicKey | str:
    """Give the key of a server's certificate, or why Envoy does not take it, as the end of a sentence."""
    try:
        key = load_der_public_key(certificate.key.whole)
        name, *parameters = certificate.algorithm.members
    except (ValueError, UnsupportedAlgorithm):
        return OTHER_KEY
    if isinstance(key, EllipticCurvePublicKey):
        usable = [each.tag for each in parameters] == [Tag.OBJECT_IDENTIFIER] and key.curve.name in CURVES
    elif isinstance(key, RSAPublicKey):
        usable = name.content == _RSA_ENCRYPTION and key.key_size >= RSA_BITS
    else:
        usable = isinstance(key, Ed25519PublicKey)
    if not usable:
        return OTHER_KEY
    if isinstance(key, EllipticCurvePublicKey) and not _may_sign(certificate):
        return "is not for signatures, with which a server proves itself: issue it with the key usage digitalSignature."
    return key


def _may_sign(certificate: CertificateFields) -> bool:
    usage = certificate.extensions.get(_KEY_USAGE)
    if usage is None:
        return True
    try:
        bits = expect(element(usage), Tag.BIT_STRING).content
    except DerError:
        return False
    return len(bits) > 1 and bool(bits[1] & _DIGITAL_SIGNATURE)


def wrong_names(certificate: CertificateFields) -> str:
    """Say why Envoy does not take the names of a server's certificate, or its promises; "" if it does."""
    if certificate.extensions.get(_TLS_FEATURE) == _MUST_STAPLE:
        return "must be stapled (OCSP), which is not supported; use one without."
    common = next((text for name, text in certificate.subject if name == _COMMON_NAME), None)
    if common is not None:
        return "" if common else "has an empty common name."
    found = any(each.tag in _HOST_NAMES for each in _alternative_names(certificate))
    return "" if found else "names no host: issue it with a DNS name."


def dns_names(certificate: CertificateFields) -> tuple[str, ...]:
    """Return the DNS names among the alternative names of a certificate, in lower case, each once."""
    found = (each.content for each in _alternative_names(certificate) if each.tag == _DNS_NAME)
    return tuple(dict.fromkeys(each.decode("ascii", "replace").lower() for each in found))


def _alternative_names(certificate: CertificateFields) -> list[Element]:
    try:
        return element(certificate.extensions.get(_ALTERNATIVE_NAMES, b"")).members
    except DerError:
        return []
