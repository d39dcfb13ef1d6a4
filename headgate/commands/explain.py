"""`headgate explain`: show what becomes of a request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.commands.options import (
    DEFAULT_ADMIN,
    NO_AUDIENCES,
    AdminAddress,
    Context,
    ControllerName,
    ExternalNames,
    GcpAudiences,
    Kubeconfig,
    OptionalFiles,
    Output,
    RateLimitService,
    parse_gateway,
)
from headgate.commands.translation import DEFAULT_OPTIONS, TranslationOptions, with_translation_options
from headgate.process.errors import UserError
from headgate.process.memory import loading
from translator.api_group import CONTROLLER_NAME

if TYPE_CHECKING:
    from translator.inputs import Settings
    from watchers.files.store import FileStore

MAX_WIDTH = 10_000
Asked = tuple[str, str, Sequence[str], int | None]
"""A request: its method, URL and headers, and the length of its body."""


@with_translation_options
def command(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="The method of the request.", show_default=False)],
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="Its URL, with scheme and host.", show_default=False)
    ] = None,
    headers: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME: VALUE", help="A header; repeatable.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", metavar="DATA|@FILE", help="The body, or the file that has it."),
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", parser=parse_gateway, help="The Gateway that gets the request."),
    ] = None,
    files: OptionalFiles = None,
    admin_address: AdminAddress = DEFAULT_ADMIN,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Read the objects of a cluster; --kubeconfig and --context imply it.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    controller_name: ControllerName = CONTROLLER_NAME,
    external_names: ExternalNames = False,
    options: TranslationOptions = DEFAULT_OPTIONS,
    gcp_audiences: GcpAudiences = NO_AUDIENCES,
    rate_limit_service: RateLimitService = None,
    output: Annotated[
        Output | None, typer.Option("--output", "-o", help="Print all fields as data instead of tables.")
    ] = None,
) -> None:
    """Show what becomes of a request: its listener, route, policies, filters, backend, and what it is changed into.

    It asks the running Headgate, or reads files (-f) or a cluster. No request is sent. The exit status is 1 if the
    request would not be served.

    **Examples**

    ```
    headgate explain GET https://shop.example.com/cart
    headgate explain GET http://shop.example.com:8080/cart -H 'x-user: alice' -f config/
    headgate explain POST https://shop.example.com/orders -d @order.json --context kind-dev -o json
    ```
    """
    of_cluster = bool(cluster or kubeconfig or context)
    if of_cluster and files:
        raise typer.BadParameter("choose one: files with -f, or a cluster with --cluster or --context")
    if url is None:
        if "://" not in method:
            raise UserError(f"there is no URL: write `headgate explain {method.upper()} http://HOST/PATH`")
        method, url = "GET" if data is None else "POST", method
    body = None if data is None else _body(data)
    with loading():
        from translator.explain.request import model_of

    asked: Asked = (method, url, headers or (), None if body is None else len(body))
    model = model_of(body or b"")
    if of_cluster:
        with loading():
            from headgate.cluster.reader import load as load_cluster
            from translator.inputs import in_cluster
            from watchers.kubernetes.kubeconfig import Target

        settings = in_cluster(controller_name, external_names=external_names, gcp_audiences=gcp_audiences, offline=True)
        found = _offline(asked, model, gateway, load_cluster(Target(kubeconfig, context)), options.applied(settings))
    elif files:
        with loading():
            from headgate.offline.translate import file_settings, load

        found = _offline(asked, model, gateway, load(files), options.applied(file_settings(rate_limit_service)))
    else:
        found = _running(asked, model, gateway, admin_address)
    _show(found, gateway, output)
    if not found["served"]:
        raise typer.Exit(1)


def _body(data: str) -> bytes:
    """Return a body."""
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise UserError(f"-d {data}: {error.strerror}") from error


def _running(asked: Asked, model: str | None, gateway: str | None, admin_address: Any) -> dict[str, Any]:
    from headgate.admin.client import fetch_explanation

    return fetch_explanation(admin_address, *asked, gateway, model)


def _offline(
    asked: Asked,
    model: str | None,
    gateway: str | None,
    folder: FileStore,
    settings: Settings,
) -> dict[str, Any]:
    with loading():
        from headgate.offline.explain import explained

    for each in folder.diagnostics:
        typer.echo(str(each), err=True)
    return explained(folder, settings, *asked, gateway, model)


def _show(found: dict[str, Any], gateway: str | None, output: Output | None) -> None:
    if output is not None:
        output.write(found)
    else:
        from rich.console import Console

        from headgate.reporting.explanation import tables

        console = Console(highlight=False, markup=False)
        if not console.is_terminal:
            console = Console(width=MAX_WIDTH, soft_wrap=True, highlight=False, markup=False)
        console.print(tables(found))
    if len(found["gateways"]) > 1 and gateway is None:
        names = ", ".join(each["gateway"] for each in found["gateways"])
        typer.echo(f"note: the request may be meant for each of {names}; name one with --gateway", err=True)
