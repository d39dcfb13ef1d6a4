"""`headgate translate`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from headgate.commands.options import Files, Output, OutputFormat, parse_gateway
from headgate.errors import UserError


class Section(StrEnum):
    """The types of resources, as `headgate.plain.SECTIONS` names them."""

    LISTENERS = "listeners"
    ROUTES = "routes"
    SCOPED_ROUTES = "scoped_routes"
    CLUSTERS = "clusters"
    ENDPOINTS = "endpoints"
    SECRETS = "secrets"


class To(StrEnum):
    """What objects are translated to."""

    XDS = "xds"
    IR = "ir"
    STATUS = "status"


def command(
    files: Files,
    to: Annotated[To, typer.Option(help="Envoy's configuration, the form in between, or statuses.")] = To.XDS,
    type_: Annotated[Section | None, typer.Option("--type", help="With xds: only resources of this type.")] = None,
    gateway: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", parser=parse_gateway, help="With xds or ir: only of this Gateway."),
    ] = None,
    output: OutputFormat = Output.YAML,
) -> None:
    """Shows what becomes of objects, without running anything. Private keys are not shown.

    **Examples**

        headgate translate -f config/
        headgate translate -f config/ --type routes --gateway default/web
        kubectl get gateways,httproutes,services,endpointslices -A -o yaml |
            headgate translate -f - --to status
    """
    from headgate.ir import Ir
    from headgate.translate import load, select, statuses, translate, xds

    folder = load(files)
    for problem in folder.diagnostics:
        typer.echo(str(problem), err=True)
    shown: Any
    if to is To.IR:
        ir = Ir(folder.objects)
        shown = {each: ir.of(each) for each in select(ir.gateways, gateway)}
    else:
        translator = translate(folder)
        shown = statuses(translator) if to is To.STATUS else xds(translator, gateway, type_ and type_.value)
    output.write(shown)
    if any(problem.severity == "error" for problem in folder.diagnostics):
        raise UserError("what has an error above is not translated")
