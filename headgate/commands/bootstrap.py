"""`headgate bootstrap`."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from headgate.address import Address
from headgate.commands.options import (
    DEFAULT_XDS,
    Output,
    OutputFormat,
    XdsAddress,
    XdsTls,
    parse_gateway,
)


def command(
    gateway: Annotated[
        str,
        typer.Option(metavar="NAMESPACE/NAME", parser=parse_gateway, help="The Gateway that the Envoy is to serve."),
    ],
    xds_address: XdsAddress = DEFAULT_XDS,
    instance: Annotated[
        str, typer.Option(metavar="NAME", help="What tells this Envoy from others of the Gateway.")
    ] = platform.node(),
    xds_tls: XdsTls = None,
    output: OutputFormat = Output.YAML,
) -> None:
    """Prints the bootstrap with which an Envoy of your own connects to Headgate.

    **Example:** an Envoy of your own beside `headgate run --no-envoy FOLDER`:

        headgate bootstrap --gateway default/web > envoy.yaml
        envoy --config-path envoy.yaml --disable-hot-restart

    The Envoy's admin interface is on 127.0.0.1:19000.
    """
    from headgate.envoy.bootstrap import ADMIN_PORT, bootstrap
    from headgate.plain import to_plain
    from headgate.security.folder import proxy_files

    tls = proxy_files(xds_tls, gateway) if xds_tls else None
    message = bootstrap(gateway, instance, xds_address, Address("127.0.0.1", ADMIN_PORT), tls)
    output.write(to_plain(message))
