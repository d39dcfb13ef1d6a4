"""`headgate certs`: issue certificates for mutual TLS between Headgate and Envoys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from headgate.commands.options import parse_gateway
from headgate.process.errors import UserError, reason

DEFAULT_NAMES = ["localhost", "127.0.0.1", "::1"]


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The directory for the files; created if missing.")],
    name: Annotated[
        list[str], typer.Option("--name", metavar="NAME", help="A DNS name or IP address of the server; repeatable.")
    ] = DEFAULT_NAMES,
    gateway: Annotated[
        list[str] | None,
        typer.Option("--gateway", metavar="NS/NAME", help="A Gateway whose proxies get a certificate; repeatable."),
    ] = None,
) -> None:
    """Make an authority and certificates for TLS between Headgate and your Envoys.

    **Examples**

        headgate certs tls/ --gateway default/web
        headgate run config/ --xds-tls tls/
        headgate certs tls/ --name headgate.example.com --gateway default/web

    Writes ca.crt and ca.key (existing ones are reused), server.crt and server.key, and for each --gateway
    NAMESPACE.NAME.crt and .key. Envoys that `headgate run` starts need none. Where ca.key is available, `headgate run`
    renews certificates in time; elsewhere run this again. Headgate and Envoys reload files without a restart.
    """
    from headgate.security.issue import issue

    gateways = [parse_gateway(each) for each in gateway or ()]
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder} is no folder; name another one for the certificates, or remove it")
    try:
        for line in issue(folder, name, gateways):
            typer.echo(line)
    except OSError as error:
        raise UserError(f"certificates for {folder}: {reason(error)}; correct that, or name another folder") from None
    except ValueError as error:
        raise UserError(f"certificates for {folder}: {error}") from None
