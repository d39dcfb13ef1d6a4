"""Certificates in a folder, as `headgate certs` makes them: the authority's, the server's, one per Gateway."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from headgate.errors import UserError
from headgate.security.authority import KeyPair, issue_proxy
from headgate.security.files import ProxyTls, TlsFiles

AUTHORITY, SERVER = "ca", "server"


def read_pair(folder: Path, name: str) -> KeyPair | None:
    """Reads a certificate and its key; None if one of them is not there.

    Raises:
        OSError: they cannot be read.
    """
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if certificate.exists() and key.exists():
        return KeyPair(certificate.read_bytes(), key.read_bytes())
    return None


def write_pair(folder: Path, name: str, pair: KeyPair) -> None:
    """Writes a certificate and its key, each file at once as a whole, the key for its owner only.

    Raises:
        OSError: they cannot be written.
    """
    for suffix, content, mode in (("key", pair.key, 0o600), ("crt", pair.certificate, 0o644)):
        path = folder / f"{name}.{suffix}"
        partial = folder / f".{name}.{suffix}.new"
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        partial.replace(path)


def proxy_name(gateway: str) -> str:
    """What the files of the proxies of the Gateway "namespace/name" are called."""
    return gateway.replace("/", ".")


def server_files(folder: Path) -> TlsFiles:
    """The server's files; clients must show a certificate of the same authority."""
    return TlsFiles(folder / f"{SERVER}.crt", folder / f"{SERVER}.key", folder / f"{AUTHORITY}.crt")


def proxy_files(folder: Path, gateway: str) -> ProxyTls:
    """The files of a Gateway's proxies; made, where the authority's key is at hand, if they are missing or due.

    Raises:
        UserError: they are missing and cannot be made.
    """
    name = proxy_name(gateway)
    now = datetime.now(UTC)
    try:
        found, authority = read_pair(folder, name), read_pair(folder, AUTHORITY)
        if authority is not None and (found is None or found.due(now)):
            write_pair(folder, name, issue_proxy(authority, gateway, now))
        elif found is None:
            raise UserError(
                f"{folder / name}.crt is missing; make it with: headgate certs {folder} --gateway {gateway}"
            )
    except (OSError, ValueError) as error:
        raise UserError(f"certificates for {gateway} in {folder}: {error}") from None
    return ProxyTls(folder / f"{AUTHORITY}.crt", folder / f"{name}.crt", folder / f"{name}.key")
