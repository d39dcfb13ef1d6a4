"""Validation of certificates and private keys, with the same result as Envoy's for any bytes.

Source: Envoy's ``TlsContext`` and ``ServerContextImpl``; of BoringSSL ``PEM_read_bio_X509``,
``PEM_read_bio_PrivateKey`` and ``SSL_CTX_use_certificate``.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes as PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from translator.gateway.der import DerError, Tag, element
from translator.gateway.pem import PemError, blocks, write
from translator.gateway.server_certificate import public_key, wrong_names
from translator.gateway.x509 import check_trust, read
from translator.ir.listener import Certificate

_CERTIFICATE: Final = b"CERTIFICATE"
_CERTIFICATES: Final = (_CERTIFICATE, b"X509 CERTIFICATE")
_TRUSTED: Final = b"TRUSTED CERTIFICATE"
_PKCS8: Final = b"PRIVATE KEY"
_KEYS: Final[Mapping[bytes, tuple[type, ...]]] = {
    _PKCS8: (RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey),
    b"RSA PRIVATE KEY": (RSAPrivateKey,),
    b"EC PRIVATE KEY": (EllipticCurvePrivateKey,),
    b"DSA PRIVATE KEY": (),
    b"ENCRYPTED PRIVATE KEY": (),
}
"""The labels of which the first block counts, and the keys that can be in it."""

NO_CERTIFICATE: Final = "tls.crt is not a certificate in PEM form"
NO_KEY: Final = "tls.key is not an unencrypted private key in PEM form."


class _UnusableError(ValueError):
    """A key pair that Envoy does not accept; the message is a sentence."""


def key_pair(chain: bytes, key: bytes) -> Certificate | str:
    """Return a certificate chain and its key, or the fault in one sentence.

    What is given holds what was checked and nothing else: no text around the blocks, no other blocks.

    Args:
        chain: PEM; the first certificate is the server's.
        key: PEM; the first private key counts.
    """
    try:
        certificates = list(_certificates(chain))
        certified = _certified(certificates)
        return Certificate(b"".join(write(_CERTIFICATE, each) for each in certificates), _private_key(key, certified))
    except _UnusableError as wrong:
        return str(wrong)


def _certificates(chain: bytes) -> Iterator[bytes]:
    """Yield the certificates among the blocks, in DER."""
    first = True
    try:
        for block in blocks(chain):
            if block.label not in _CERTIFICATES and not (first and block.label == _TRUSTED):
                continue
            if block.headers:
                raise PemError("a certificate has lines before a blank one, as only a private key can have")
            found = element(block.data).whole
            if first and len(found) < len(block.data):
                check_trust(block.data[len(found) :])
            yield found
            first = False
    except DerError:
        raise _UnusableError(f"{NO_CERTIFICATE}: a block holds something else.") from None
    except PemError as error:
        raise _UnusableError(f"{NO_CERTIFICATE}: {error}.") from None
    if first and chain.startswith(BOM_UTF8):
        raise _UnusableError(f"{NO_CERTIFICATE}: it begins with a byte order mark; save it as UTF-8 without one.")
    if first:
        raise _UnusableError(f"{NO_CERTIFICATE}: it has no CERTIFICATE block.")


def _certified(chain: list[bytes]) -> PublicKey:
    """Return the public key of the first certificate, once all of the chain is found right."""
    found = []
    for place, der in enumerate(chain, 1):
        try:
            found.append(read(der))
        except DerError:
            raise _UnusableError(f"{NO_CERTIFICATE}: certificate {place} of the chain cannot be read.") from None
    key = public_key(found[0])
    wrong = key if isinstance(key, str) else wrong_names(found[0])
    if isinstance(key, str) or wrong:
        raise _UnusableError(f"the certificate in tls.crt {wrong}")
    return key


def _private_key(text: bytes, certified: PublicKey) -> bytes:
    try:
        block = next(each for each in blocks(text) if each.label in _KEYS)
        der = element(block.data)
        found = load_der_private_key(der.whole, None)
        is_pkcs8 = der.members[1].tag == Tag.SEQUENCE
    # Nothing that the libraries say about a key is repeated: it is a secret.
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm, StopIteration):
        raise _UnusableError(NO_KEY) from None
    if block.headers or not isinstance(found, _KEYS[block.label]) or (block.label == _PKCS8 and not is_pkcs8):
        raise _UnusableError(NO_KEY)
    if _encoded(found.public_key()) != _encoded(certified):
        raise _UnusableError("the private key in tls.key does not belong to the certificate in tls.crt.")
    return write(block.label, der.whole)


def _encoded(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
