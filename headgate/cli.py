"""The command line: one module of `headgate.commands` per command."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from headgate.commands import bootstrap, certs, controller, explain, run, status, translate, validate, version, waf
from headgate.process.errors import UserError
from translator.errors import ExtensionError


class Commands(TyperGroup):
    """The command group, which shows a user's mistake as one message instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit status 1 and the message on standard error for an error that a user can fix."""
        try:
            return super().invoke(ctx)
        except (UserError, ExtensionError) as error:
            typer.secho("Error: ", err=True, fg="red", bold=True, nl=False)
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="headgate",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Run Envoy from Kubernetes Gateway API objects.

    **Start here:** put a Gateway, an HTTPRoute and a Service into a folder, and

        headgate run FOLDER

    serves them with a real Envoy; edit the files and see the change.
    `headgate COMMAND --help` shows examples.
    """,
)


def _show_version(asked: bool) -> None:
    if asked:
        version.command()
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the versions and exit.")
    ] = False,
) -> None:
    pass


app.command("run")(run.command)
app.command("controller")(controller.command)
app.command("translate")(translate.command)
app.command("validate")(validate.command)
app.command("status")(status.command)
app.command("explain")(explain.command)
app.command("bootstrap")(bootstrap.command)
app.command("certs")(certs.command)
app.command("waf")(waf.command)
app.command("version")(version.command)


def main() -> None:
    """Run the program `headgate`; without arguments it shows its help."""
    app(sys.argv[1:] or ["--help"])
