"""`headgate waf`: the web application firewall, a service that proxies ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headgate.commands.options import HowToLog, WhatToLog, parse_address
from headgate.observability.logging import LogFormat, LogLevel, configure
from headgate.process.address import Address

DEFAULT_ADDRESS, DEFAULT_HTTP = Address("127.0.0.1", 18081), Address("127.0.0.1", 18082)


def command(
    address: Annotated[
        Address,
        typer.Option(
            "--address",
            parser=parse_address,
            envvar="HEADGATE_WAF_ADDRESS",
            metavar="HOST:PORT",
            help="Where proxies ask.",
        ),
    ] = DEFAULT_ADDRESS,
    http_address: Annotated[
        Address,
        typer.Option(
            "--http-address",
            parser=parse_address,
            envvar="HEADGATE_WAF_HTTP_ADDRESS",
            metavar="HOST:PORT",
            help="Where /healthz, /readyz and /metrics are.",
        ),
    ] = DEFAULT_HTTP,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            envvar="HEADGATE_WAF_RULES",
            metavar="DIR",
            help="The folder of the OWASP Core Rule Set, if it is not where the image or Debian's package has it.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            min=1,
            max=64,
            envvar="HEADGATE_WAF_PROCESSES",
            help="How many processes inspect requests; each uses one core and 60 MiB, and 30 MiB for each profile.",
        ),
    ] = 2,
    audit_data: Annotated[
        bool,
        typer.Option(
            "--audit-data",
            envvar="HEADGATE_WAF_AUDIT_DATA",
            help="Have queries, and what rules have found in requests, in the audit log: these may be secrets.",
        ),
    ] = False,
    end_with_input: Annotated[
        bool, typer.Option("--end-with-input", hidden=True, help="End when standard input does.")
    ] = False,
    log_format: HowToLog = LogFormat.AUTO,
    log_level: WhatToLog = LogLevel.INFO,
) -> None:
    """Inspect requests for attacks, with libmodsecurity and the OWASP Core Rule Set, for proxies that ask.

    **Example:**

        headgate waf --rules coreruleset-4.25.0/ --address 0.0.0.0:18081

    `headgate run` starts this by itself, and in a cluster it is deployed where a policy needs it.
    It needs the extra `waf`: `pip install 'headgate[waf]'`. What is inspected, and how
    strictly, proxies say with each request.

    Requests that rules match are reported on standard output, a line of JSON each.
    """
    from headgate.waf.service import WafSettings, run

    configure(log_format, log_level)
    run(WafSettings(address, http_address, rules, processes, audit_data, end_with_input))
