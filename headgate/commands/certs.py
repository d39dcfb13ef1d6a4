"""`headgate certs`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from headgate.commands.options import parse_gateway
from headgate.errors import UserError
from headgate.security.authority import KeyPair, issue_proxy, issue_server, make_authority
from headgate.security.folder import AUTHORITY, SERVER, proxy_name, read_pair, write_pair

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

        headgate certs tls/ --gateway default/web
        headgate run config/ --xds-tls tls/
        headgate certs tls/ --name headgate.example.com --gateway default/web

    Writes ca.crt and ca.key (kept and used again if they are there), server.crt and server.key, and for each --gateway
    NAMESPACE.NAME.crt and .key; `headgate run` makes those of its own Envoys by itself. Run it again to renew: a
    running Headgate takes the new files without a restart.
    """
    gateways = [parse_gateway(each) for each in gateway or ()]
    now = datetime.now(UTC)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        authority = _authority(folder, now)
        _write(folder, SERVER, issue_server(authority, name, now))
        for each in gateways:
            _write(folder, proxy_name(each), issue_proxy(authority, each, now))
    except (OSError, ValueError) as error:
        raise UserError(f"certificates for {folder}: {error}") from None


def _authority(folder: Path, now: datetime) -> KeyPair:
    """The authority that is there, or a new one."""
    found = read_pair(folder, AUTHORITY)
    if found is not None:
        typer.echo(f"using {folder / AUTHORITY}.crt")
        return found
    made = make_authority(now)
    _write(folder, AUTHORITY, made)
    return made


def _write(folder: Path, name: str, pair: KeyPair) -> None:
    write_pair(folder, name, pair)
    typer.echo(f"wrote {folder / name}.crt and .key, valid until {pair.expires:%Y-%m-%d}")
