"""`headgate certs`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from headgate.commands.options import parse_gateway
from headgate.errors import UserError
from headgate.security.authority import KeyPair, issue_proxy, issue_server, make_authority

DEFAULT_NAMES = ["localhost", "127.0.0.1", "::1"]


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it does not exist.")],
    name: Annotated[
        list[str], typer.Option("--name", metavar="NAME", help="A DNS name or IP address of the server; repeatable.")
    ] = DEFAULT_NAMES,
    gateway: Annotated[
        list[str] | None,
        typer.Option("--gateway", metavar="NS/NAME", help="A Gateway whose proxies get a certificate; repeatable."),
    ] = None,
) -> None:
    """Makes an authority and certificates for TLS between Headgate and your Envoys.

    **Examples**

        headgate certs tls/
        headgate certs tls/ --name headgate.example.com --gateway default/web

    Writes ca.crt and ca.key (kept and used again if they are there), server.crt and server.key, and for each --gateway
    NAMESPACE.NAME.crt and .key. Run it again to renew: a running Headgate takes the new files without a restart.
    """
    gateways = [parse_gateway(each) for each in gateway or ()]
    now = datetime.now(UTC)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        authority = _kept(folder, "ca") or _write(folder, "ca", make_authority(now))
        _write(folder, "server", issue_server(authority, name, now))
        for each in gateways:
            _write(folder, each.replace("/", "."), issue_proxy(authority, each, now))
    except (OSError, ValueError) as error:
        raise UserError(f"certificates for {folder}: {error}") from None


def _kept(folder: Path, name: str) -> KeyPair | None:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if certificate.exists() and key.exists():
        typer.echo(f"using {certificate}")
        return KeyPair(certificate.read_bytes(), key.read_bytes())
    return None


def _write(folder: Path, name: str, pair: KeyPair) -> KeyPair:
    """Writes a pair, each file at once as a whole, the key for its owner only."""
    for suffix, content, mode in (("key", pair.key, 0o600), ("crt", pair.certificate, 0o644)):
        path = folder / f"{name}.{suffix}"
        partial = folder / f".{name}.{suffix}.new"
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        partial.replace(path)
    typer.echo(f"wrote {folder / name}.crt and .key, valid until {pair.expires:%Y-%m-%d}")
    return pair
