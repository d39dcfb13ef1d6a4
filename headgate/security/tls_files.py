"""TLS of the xDS port, from files that may be replaced at any time."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import structlog

from headgate.process.errors import UserError, reason

log = structlog.stdlib.get_logger("headgate.security")

#: Seconds after which unusable files are read again, even unchanged: the cause may be elsewhere.
RETRY_SECONDS = 1.0

#: The names of the secrets that a proxy reads from SDS files.
IDENTITY, TRUST = "proxy", "authority"

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a server's certificate.

    Attributes:
        certificate: the certificate chain, PEM.
        key: the private key, PEM.
        client_ca: the authorities of required client certificates, PEM; None requires none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def _paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path is not None)

    def stamp(self) -> Stamp:
        """Return a stamp that changes when a file is replaced.

        Raises:
            OSError: the status of one cannot be read.
        """
        return tuple(
            (found.st_ino, found.st_size, found.st_mtime_ns) for found in (each.stat() for each in self._paths)
        )

    def load(self) -> grpc.ServerCertificateConfiguration:
        """Read the files.

        Raises:
            OSError: one cannot be read.
            ValueError: certificate and key do not match, or are not PEM.
        """
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key)
        except ssl.SSLError as error:
            raise ValueError(f"the files are not a certificate and its key: {error.reason or error}") from None
        try:
            if self.client_ca is not None:
                ssl.create_default_context(cafile=str(self.client_ca))
        except ssl.SSLError as error:
            text = f"{self.client_ca}, which checks clients, holds no certificate: {error.reason or error}"
            raise ValueError(text) from None
        authorities = self.client_ca.read_bytes() if self.client_ca is not None else None
        return grpc.ssl_server_certificate_configuration(
            [(self.key.read_bytes(), self.certificate.read_bytes())], root_certificates=authorities
        )


@dataclass(frozen=True, slots=True)
class ProxyTls:
    """The files of a proxy's TLS connection.

    Attributes:
        authority: the certificate of the authority that it trusts, PEM.
        certificate: its own certificate, PEM.
        key: that certificate's private key, PEM.
    """

    authority: Path
    certificate: Path
    key: Path

    @property
    def identity(self) -> Path:
        """The SDS file of Envoy's certificate, which Envoy rereads when the certificate is replaced."""
        return self.certificate.with_suffix(".sds.json")

    @property
    def trust(self) -> Path:
        """The SDS file of the authority, which Envoy rereads when the authority is replaced."""
        return self.authority.with_suffix(".sds.json")

    @property
    def discovery(self) -> dict[Path, dict[str, Any]]:
        """The content of these two files, as data (``service.discovery.v3.DiscoveryResponse``)."""
        watched = {"watched_directory": {"path": str(self.certificate.parent)}}
        pair = {"certificate_chain": {"filename": str(self.certificate)}, "private_key": {"filename": str(self.key)}}
        certificate = {"name": IDENTITY, "tls_certificate": {**pair, **watched}}
        trusted = {"trusted_ca": {"filename": str(self.authority)}, **watched}
        authority = {"name": TRUST, "validation_context": trusted}
        return {self.identity: _response(certificate), self.trust: _response(authority)}


def _response(secret: dict[str, Any]) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    return {"resources": [{"@type": kind, **secret}]}


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files: each handshake uses the current ones, or the last valid ones.

    Raises:
        UserError: the files are unusable at the start.
    """
    try:
        stamp, first = files.stamp(), files.load()
    except NotADirectoryError:
        folder = files.certificate.parent
        raise UserError(f"TLS for xDS: {folder} is no folder; name one that `headgate certs` made") from None
    except FileNotFoundError as error:
        folder = files.certificate.parent
        raise UserError(f"TLS for xDS: there is no {error.filename}; `headgate certs {folder}` makes it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"TLS for xDS: {files.certificate}, {files.key}: {reason(error)}") from None
    follow: Any = _follow(files, stamp)  # the stubs lack None, which means no change
    return grpc.dynamic_ssl_server_credentials(first, follow, files.client_ca is not None)


def _follow(files: TlsFiles, seen: Stamp) -> Callable[[], grpc.ServerCertificateConfiguration | None]:
    failure = ""
    tried = -RETRY_SECONDS

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Return the new configuration, or None to keep the current one; never raise, since gRPC calls it."""
        nonlocal seen, failure, tried
        now = time.monotonic()
        try:
            stamp = files.stamp()
            if stamp == seen or (failure and now - tried < RETRY_SECONDS):
                return None
            tried = now
            loaded = files.load()
        except (OSError, ValueError) as error:
            if failure != str(error):  # log it once, not at each handshake
                log.warning("The new TLS files cannot be used; the previous ones stay in use", error=str(error))
            failure = str(error)
            return None
        seen, failure = stamp, ""
        log.info("New TLS files are in use", certificate=str(files.certificate))
        return loaded

    return fetch
