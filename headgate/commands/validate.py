"""`headgate validate`: report the problems in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.commands.options import (
    DEFAULT_SCOPED_HOSTNAMES,
    NO_NAMESPACES,
    AccessLogFolder,
    AllowHttpIssuers,
    AllowLua,
    EnvoyPath,
    Files,
    GcpMetadataServer,
    LocalBackends,
    PolicyNamespaces,
    RateLimitService,
    ScopedHostnames,
    WithPolicyAffected,
)
from headgate.envoy.binary import EnvoyNotFound, find_envoy
from headgate.process.errors import UserError
from headgate.process.memory import loading

if TYPE_CHECKING:
    from watchers.diagnostics import Diagnostic


def command(
    files: Files,
    envoy_path: EnvoyPath = None,
    allow_warnings: Annotated[
        bool, typer.Option("--allow-warnings", help="Exit with status 0 if there are only warnings (unknown fields).")
    ] = False,
    policy_namespaces: PolicyNamespaces = NO_NAMESPACES,
    policy_affected: WithPolicyAffected = False,
    allow_http_issuers: AllowHttpIssuers = False,
    allow_lua: AllowLua = False,
    local_backends: LocalBackends = False,
    scoped_hostnames: ScopedHostnames = DEFAULT_SCOPED_HOSTNAMES,
    access_log_folder: AccessLogFolder = "",
    gcp_metadata_server: GcpMetadataServer = None,
    rate_limit_service: RateLimitService = None,
) -> None:
    """Report the problems in files, with file and line, then those that Envoy's own validation finds.

    The exit status is 1 if there are problems. An unknown field is one: Headgate ignores it.

    **Examples**

    ```
    headgate validate -f config/
    headgate validate -f routes.yaml -f gateway.yaml
    ```
    """
    with loading():
        from headgate.offline.translate import file_settings, load, translate
        from headgate.offline.validate import envoy_errors, problems

    folder = load(files)
    if not folder.objects and not folder.diagnostics:
        raise UserError(f"there is no object in {', '.join(files)}: Headgate reads *.yaml, *.yml and *.json there")
    settings = file_settings(
        policy_namespaces,
        policy_affected,
        allow_http_issuers,
        allow_lua,
        rate_limit_service,
        local_backends,
        scoped_hostnames,
        access_log_folder,
        gcp_metadata_server,
    )
    translator = translate(folder, settings)
    found = _print(problems(folder, translator))
    envoy = _envoy(envoy_path)
    if envoy is not None:
        found += _print(envoy_errors(folder, translator, envoy))
    if any(each.severity == "error" or not allow_warnings for each in found):
        raise typer.Exit(1)
    count = len(folder.objects)
    typer.echo(f"{count} {'object is' if count == 1 else 'objects are'} valid")


def _print(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Print diagnostics as they are found, and return them."""
    printed = []
    for each in found:
        typer.echo(str(each))
        printed.append(each)
    return printed


def _envoy(path: Path | None) -> Path | None:
    try:
        return find_envoy(path)
    except EnvoyNotFound as error:
        if path is not None:
            raise
        typer.echo(f"note: not validated by Envoy itself: {error}", err=True)
        return None
