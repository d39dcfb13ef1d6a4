"""Versions and algorithms of TLS, by the names that BoringSSL has for them: Envoy refuses what has another one."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, unique
from translator.objects.schema.documentation import Doc

_AGAIN: Final = "is in the list already: remove it"
_PARAMETERS: Final = "TlsParameters"

TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]
CipherSuite = Literal[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
]
Curve = Literal["X25519MLKEM768", "X25519", "P-256", "P-384", "P-521", "MLKEM1024"]
SignatureAlgorithm = Literal[
    "ecdsa_secp256r1_sha256",
    "ecdsa_secp384r1_sha384",
    "ecdsa_secp521r1_sha512",
    "ed25519",
    "rsa_pss_rsae_sha256",
    "rsa_pss_rsae_sha384",
    "rsa_pss_rsae_sha512",
    "rsa_pkcs1_sha256",
    "rsa_pkcs1_sha384",
    "rsa_pkcs1_sha512",
    "ecdsa_sha1",
    "rsa_pkcs1_sha1",
]
CipherSuites = Annotated[tuple[CipherSuite, ...], Field(min_length=1, max_length=16), unique(None, _AGAIN)]
Curves = Annotated[tuple[Curve, ...], Field(min_length=1, max_length=6), unique(None, _AGAIN)]
SignatureAlgorithms = Annotated[
    tuple[SignatureAlgorithm, ...], Field(min_length=1, max_length=12), unique(None, _AGAIN)
]

LOWEST: Final[TlsVersion] = "1.2"
"""The lowest version, where nobody says another one."""
HIGHEST: Final[TlsVersion] = "1.3"
"""The highest version that there is."""
_ORDERED: Final = CelRule(
    f"(has(self.minVersion) ? self.minVersion : '{LOWEST}') <= (has(self.maxVersion) ? self.maxVersion : '{HIGHEST}')",
    f"must not be less than minVersion, which is {LOWEST} by default: raise it, or lower minVersion",
    "maxVersion",
)
_BELOW: Final = CelRule(
    f"!has(self.cipherSuites) || !has(self.minVersion) || self.minVersion != '{HIGHEST}'",
    f"has no effect where minVersion is {HIGHEST}, whose cipher suites cannot be chosen: remove it",
    "cipherSuites",
)


class TlsVersionsAndAlgorithms(CheckedFields):
    """The versions and algorithms of TLS."""

    rules: ClassVar[tuple[CelRule, ...]] = (_ORDERED, _BELOW)

    min_version: Annotated[TlsVersion | None, Doc(envoy=f"{_PARAMETERS}.tls_minimum_protocol_version")] = None
    """The lowest version, as a string: '1.2'. By default '1.2'."""
    max_version: Annotated[TlsVersion | None, Doc(envoy=f"{_PARAMETERS}.tls_maximum_protocol_version")] = None
    """The highest version. By default '1.3'."""
    cipher_suites: Annotated[CipherSuites | None, Doc(envoy=f"{_PARAMETERS}.cipher_suites")] = None
    """The cipher suites of versions below 1.3, the preferred ones first. By default those of Envoy, which all have
    forward secrecy and authenticated encryption."""
    ecdh_curves: Annotated[Curves | None, Doc(envoy=f"{_PARAMETERS}.ecdh_curves")] = None
    """The curves of the key exchange, the preferred ones first. By default those of Envoy."""
    signature_algorithms: Annotated[SignatureAlgorithms | None, Doc(envoy=f"{_PARAMETERS}.signature_algorithms")] = None
    """The algorithms by which the other side may sign, the preferred ones first. By default those of Envoy."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of versions in the wrong order, and of cipher suites that no version uses."""
        if (self.min_version or LOWEST) > (self.max_version or HIGHEST):
            yield FieldViolation(("maxVersion",), _ORDERED.message)
        if self.cipher_suites and self.min_version == HIGHEST:
            yield FieldViolation(("cipherSuites",), _BELOW.message)
