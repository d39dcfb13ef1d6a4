"""The certificate folder of `headgate certs`: the authority's, the server's, and one certificate per Gateway."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import structlog

from headgate.process.errors import UserError, reason
from headgate.security.authority import KeyPair, issue_proxy, reissue
from headgate.security.tls_files import ProxyTls, TlsFiles

AUTHORITY, SERVER = "ca", "server"

#: Most characters of a Gateway's name in a file name, which may have 255.
MOST_CHARACTERS = 200

#: Interval of checks of certificates, in seconds; they are due weeks before they expire.
INTERVAL = 3600.0

log = structlog.stdlib.get_logger("headgate.security")


def read_pair(folder: Path, name: str) -> KeyPair | None:
    """Read a certificate and its key; None if one of them does not exist.

    Raises:
        OSError: they cannot be read.
    """
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if certificate.exists() and key.exists():
        return KeyPair(certificate.read_bytes(), key.read_bytes())
    return None


def write_pair(folder: Path, name: str, pair: KeyPair) -> None:
    """Write a certificate and its key, each file atomically, the key readable for its owner only.

    Raises:
        OSError: they cannot be written.
    """
    for suffix, content, mode in (("key", pair.key, 0o600), ("crt", pair.certificate, 0o644)):
        _write(folder / f"{name}.{suffix}", content, mode)


def _write(path: Path, content: bytes, mode: int) -> None:
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    partial.replace(path)


def proxy_name(gateway: str) -> str:
    """Return the file name, without suffix, of a Gateway's certificate, shortened if it is too long."""
    name = gateway.replace("/", ".")
    return (
        name if len(name) <= MOST_CHARACTERS else f"{name[:MOST_CHARACTERS]}.{sha256(name.encode()).hexdigest()[:12]}"
    )


def server_files(folder: Path) -> TlsFiles:
    """Return the server's files; clients must present a certificate of the same authority."""
    return TlsFiles(folder / f"{SERVER}.crt", folder / f"{SERVER}.key", folder / f"{AUTHORITY}.crt")


def proxy_files(folder: Path, gateway: str) -> ProxyTls:
    """Return the files of a Gateway's proxies; with the authority's key, issue them if they are missing or due.

    Raises:
        UserError: they are missing and cannot be issued.
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
        raise UserError(f"certificates for {gateway} in {folder}: {reason(error)}") from None
    made = ProxyTls(
        folder.absolute() / f"{AUTHORITY}.crt", folder.absolute() / f"{name}.crt", folder.absolute() / f"{name}.key"
    )
    try:
        for path, secrets in made.discovery.items():
            _write(path, json.dumps(secrets, indent=2).encode(), 0o644)
    except OSError as error:
        raise UserError(f"certificates for {gateway} in {folder}: {reason(error)}") from None
    return made


def renew(folder: Path, now: datetime) -> None:
    """Renew the certificates of a folder that are due, if the authority's key exists; log each failure.

    Headgate's server uses new files for the next connection, Envoys with a bootstrap of Headgate at once.
    """
    try:
        authority = read_pair(folder, AUTHORITY)
    except OSError as error:
        log.warning("The authority of xDS cannot be read; its certificates are not renewed", error=reason(error))
        return
    names = sorted(each.stem for each in folder.glob("*.key") if each.stem != AUTHORITY)
    for name in names if authority is not None else ():
        try:
            found = read_pair(folder, name)
            if authority is None or found is None or not found.due(now):
                continue
            if renewed := reissue(authority, found, now):
                write_pair(folder, name, renewed)
                log.info("Renewed a certificate", certificate=str(folder / f"{name}.crt"))
        except (OSError, ValueError) as error:
            log.warning("A certificate cannot be renewed", certificate=str(folder / f"{name}.crt"), error=reason(error))


async def keep_fresh(folder: Path) -> None:
    """Renew the certificates of a folder that are due, until cancelled."""
    while True:
        renew(folder, datetime.now(UTC))
        await asyncio.sleep(INTERVAL)
