"""The field `tls` of a ListenerPolicy: how TLS is spoken to clients."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.headgate.tlsparameters import CipherSuite, Curve, SignatureAlgorithm, TlsVersion
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import PRINTABLE, Boolean

ClientCipherSuite = Literal[CipherSuite, "DES-CBC3-SHA"]
"""A cipher suite that Envoy takes from clients: one more than it has for backends."""

Alpn = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE)]

_AGAIN: Final = "is in the list already: remove it"
_ORDER: Final = "must not be lower than minVersion: raise it, or lower minVersion"
_NO_CIPHERS: Final = "has no effect where minVersion is 1.3, which has suites of its own: remove it"
_PARAMETERS: Final = "TlsParameters"


class SessionResumption(Fields):
    """Which ways clients have to take up a former session, which saves a part of the handshake.

    Neither is there where clients have to present certificates: of a session that is taken up the proxy would not know
    whether its certificate was validated.
    """

    stateless: Annotated[
        Boolean | None, Doc(envoy="DownstreamTlsContext.disable_stateless_session_resumption", default="true")
    ] = None
    """By tickets, which clients keep and the proxy encrypts."""
    stateful: Annotated[
        Boolean | None, Doc(envoy="DownstreamTlsContext.disable_stateful_session_resumption", default="true")
    ] = None
    """By what each proxy remembers of sessions up to TLS 1.2."""


class ClientTls(CheckedFields):
    """How TLS is spoken to clients, by listeners that terminate it."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.minVersion) || !has(self.maxVersion) || self.minVersion <= self.maxVersion", _ORDER, "maxVersion"
        ),
        CelRule(
            "!has(self.cipherSuites) || !has(self.minVersion) || self.minVersion != '1.3'", _NO_CIPHERS, "cipherSuites"
        ),
    )

    min_version: Annotated[TlsVersion | None, Doc(envoy=f"{_PARAMETERS}.tls_minimum_protocol_version")] = None
    """The lowest version. By default 1.2; 1.0 and 1.1 also need `cipherSuites` with one that ends in `-SHA`."""
    max_version: Annotated[TlsVersion | None, Doc(envoy=f"{_PARAMETERS}.tls_maximum_protocol_version")] = None
    """The highest version. By default 1.3. HTTP/3 needs 1.3: with a lower one it is not served."""
    cipher_suites: Annotated[
        tuple[ClientCipherSuite, ...] | None,
        Field(min_length=1, max_length=32),
        unique(None, _AGAIN),
        Doc(envoy=f"{_PARAMETERS}.cipher_suites"),
    ] = None
    """The suites for versions below 1.3, the preferred ones first. By default those with ECDHE and AES-GCM or
    ChaCha20."""
    ecdh_curves: Annotated[
        tuple[Curve, ...] | None,
        Field(min_length=1, max_length=8),
        unique(None, _AGAIN),
        Doc(envoy=f"{_PARAMETERS}.ecdh_curves"),
    ] = None
    """The groups for the exchange of keys, the preferred ones first. By default those that Envoy has as safe."""
    signature_algorithms: Annotated[
        tuple[SignatureAlgorithm, ...] | None,
        Field(min_length=1, max_length=16),
        unique(None, _AGAIN),
        Doc(envoy=f"{_PARAMETERS}.signature_algorithms"),
    ] = None
    """The algorithms of signatures, the preferred ones first. By default those that Envoy has as safe."""
    alpn_protocols: Annotated[
        tuple[Alpn, ...] | None,
        Field(max_length=8),
        unique(None, _AGAIN),
        Doc(envoy="CommonTlsContext.alpn_protocols"),
    ] = None
    """The protocols that clients may ask for (ALPN), the preferred ones first; `[]` for none. By default h2 and
    http/1.1, and none where connections are forwarded."""
    session_resumption: SessionResumption | None = None
    """Which ways clients have to take up a former session."""
    fingerprints: Annotated[
        tuple[Literal["JA3", "JA4"], ...] | None,
        Field(max_length=2),
        unique(None, _AGAIN),
        Doc(envoy="TlsInspector.enable_ja3_fingerprinting, enable_ja4_fingerprinting"),
    ] = None
    """Which fingerprints are made of how clients begin a handshake: `%TLS_JA3_FINGERPRINT%` and `%TLS_JA4_FINGERPRINT%`
    in access logs and in values of headers. Of HTTP/3 there are none. By default none."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of versions in the wrong order, and of suites that no version has."""
        if self.min_version and self.max_version and self.min_version > self.max_version:
            yield FieldViolation(("maxVersion",), _ORDER)
        if self.cipher_suites is not None and self.min_version == "1.3":
            yield FieldViolation(("cipherSuites",), _NO_CIPHERS)
