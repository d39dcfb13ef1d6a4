"""`headgate translate`: translate objects without running anything."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.commands.options import (
    NO_AUDIENCES,
    Context,
    ControllerName,
    ExternalNames,
    GcpAudiences,
    Kubeconfig,
    OptionalFiles,
    Output,
    OutputFormat,
    RateLimitService,
    parse_gateway,
)
from headgate.commands.translation import DEFAULT_OPTIONS, TranslationOptions, with_translation_options
from headgate.process.errors import UserError
from headgate.process.memory import loading
from translator.api_group import CONTROLLER_NAME

if TYPE_CHECKING:
    from watchers.diagnostics import Diagnostic


class Section(StrEnum):
    """The types of resources, with the names of `headgate.reporting.proto_json.SECTIONS`."""

    LISTENERS = "listeners"
    ROUTES = "routes"
    SCOPED_ROUTES = "scoped_routes"
    CLUSTERS = "clusters"
    ENDPOINTS = "endpoints"
    SECRETS = "secrets"
    EXTENSION_CONFIGS = "extension_configs"


class To(StrEnum):
    """The form of the output."""

    XDS = "xds"
    IR = "ir"
    STATUS = "status"


@with_translation_options
def command(
    files: OptionalFiles = None,
    to: Annotated[To, typer.Option(help="Envoy's configuration, intermediate representation, or statuses.")] = To.XDS,
    type_: Annotated[Section | None, typer.Option("--type", help="With xds: only resources of this type.")] = None,
    gateway: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", parser=parse_gateway, help="With xds or ir: only of this Gateway."),
    ] = None,
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
    output: OutputFormat = Output.YAML,
) -> None:
    """Translate objects to Envoy's configuration, without running anything. Private keys are not shown.

    **Examples**

    ```
    headgate translate -f config/
    headgate translate -f config/ --type routes --gateway default/web
    headgate translate --context kind-dev --gateway default/web
    kubectl get gateways,httproutes,services,endpointslices -A -o yaml |
        headgate translate -f - --to status
    ```
    """
    with loading():
        from headgate.offline.ir_dump import Ir
        from headgate.offline.translate import file_settings, load, select, statuses, translate, xds
        from headgate.offline.validate import conditions
        from translator.inputs import in_cluster
        from watchers.files.source import related

    of_cluster = bool(cluster or kubeconfig or context)
    if of_cluster == bool(files):
        raise typer.BadParameter("choose what to translate: files with -f, or a cluster with --cluster or --context")
    if of_cluster:
        from headgate.cluster.reader import load as load_cluster
        from watchers.kubernetes.kubeconfig import Target

        folder = load_cluster(Target(kubeconfig, context))
        settings = in_cluster(controller_name, external_names=external_names, gcp_audiences=gcp_audiences, offline=True)
    else:
        folder = load(files or ())
        settings = file_settings(rate_limit_service)
    settings = options.applied(settings)
    wrong = _print(folder.diagnostics)
    if not of_cluster:
        _print(related(folder))
    shown: Any
    if to is To.IR:
        ir = Ir(folder.edits, settings)
        shown = {each: ir.of(each) for each in select(ir.gateways, gateway)}
    else:
        translator = translate(folder, settings)
        if to is To.XDS:
            wrong = _print(conditions(folder, translator)) or wrong
        shown = statuses(translator) if to is To.STATUS else xds(translator, gateway, type_ and type_.value)
    output.write(shown)
    if wrong:
        raise UserError("objects with an error above are not translated as they are written")


def _print(problems: Iterable[Diagnostic]) -> bool:
    """Print diagnostics to standard error; return whether there are errors among them."""
    wrong = False
    for each in problems:
        typer.echo(str(each), err=True)
        wrong = wrong or each.severity == "error"
    return wrong
