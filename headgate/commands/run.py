"""`headgate run`: serve the Gateways in a folder of YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headgate.commands.options import (
    DEFAULT_ADMIN,
    DEFAULT_XDS,
    AdminAddress,
    AdminHosts,
    EnvoyPath,
    HowToLog,
    RateLimitService,
    StateDir,
    WafRules,
    WhatToLog,
    XdsAddress,
    XdsTls,
    Zone,
)
from headgate.commands.translation import DEFAULT_OPTIONS, TranslationOptions, with_translation_options
from headgate.observability.logging import LogFormat, LogLevel, configure
from headgate.process.errors import UserError
from headgate.process.memory import loading


@with_translation_options
def command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of YAML, read recursively and followed; or files.")
    ],
    xds_address: XdsAddress = DEFAULT_XDS,
    xds_tls: XdsTls = None,
    xds_plain_text: Annotated[
        bool,
        typer.Option(
            "--xds-plain-text",
            envvar="HEADGATE_XDS_PLAIN_TEXT",
            help="Serve xDS, private keys included, without TLS on an --xds-address that other machines reach.",
        ),
    ] = False,
    admin_address: AdminAddress = DEFAULT_ADMIN,
    admin_host: AdminHosts = None,
    envoy_path: EnvoyPath = None,
    no_envoy: Annotated[
        bool,
        typer.Option(
            "--no-envoy", envvar="HEADGATE_NO_ENVOY", help="Run no Envoy; connect your own with `headgate bootstrap`."
        ),
    ] = False,
    options: TranslationOptions = DEFAULT_OPTIONS,
    rate_limit_service: RateLimitService = None,
    waf_rules: WafRules = None,
    zone: Zone = "",
    state_dir: StateDir = None,
    log_format: HowToLog = LogFormat.AUTO,
    log_level: WhatToLog = LogLevel.INFO,
) -> None:
    """Serve the Gateways in a folder of YAML, with an Envoy for each, and follow changes of the files.

    **Examples**

        headgate run examples/quickstart/config
        headgate run gateways/ routes/web.yaml
        headgate run config/ --xds-address 127.0.0.1:18001
        headgate run config/ --no-envoy

    Listeners bind to 127.0.0.1, or to the spec.addresses of their Gateway. `headgate status` shows the conditions of
    the objects. Ctrl-C stops Headgate and its Envoys. When Headgate is killed, its Envoys go on serving; the next
    `headgate run` with the same --xds-address takes them over.
    """
    with loading():
        from headgate.envoy.binary import find_envoy
        from headgate.process.state_root import default_root
        from headgate.standalone.run import RunSettings, run
        from translator.inputs import Settings

    configure(log_format, log_level)
    if not (xds_tls or xds_plain_text or xds_address.is_loopback):
        raise UserError(
            f"--xds-address {xds_address} can be reached from other machines, and xDS carries private keys: "
            "use TLS (headgate certs DIR, then --xds-tls DIR), or allow plain text with --xds-plain-text"
        )
    envoy = None if no_envoy else find_envoy(envoy_path)
    state, hosts = state_dir or default_root(), tuple(admin_host or ())
    run(
        RunSettings(
            *(tuple(paths), xds_address, admin_address, state, envoy, xds_tls, hosts),
            translation=options.applied(Settings(rate_limit_service=rate_limit_service, zone=zone)),
            waf_rules=waf_rules,
        )
    )
