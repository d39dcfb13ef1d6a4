"""`headgate validate`: report the problems in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.commands.options import (
    EnvoyPath,
    Files,
    RateLimitService,
)
from headgate.commands.translation import DEFAULT_OPTIONS, TranslationOptions, with_translation_options
from headgate.envoy.binary import EnvoyNotFound, find_envoy
from headgate.process.errors import UserError
from headgate.process.memory import loading

if TYPE_CHECKING:
    from watchers.diagnostics import Diagnostic


@with_translation_options
def command(
    files: Files,
    envoy_path: EnvoyPath = None,
    allow_warnings: Annotated[
        bool, typer.Option("--allow-warnings", help="Exit with status 0 if there are only warnings (unknown fields).")
    ] = False,
    options: TranslationOptions = DEFAULT_OPTIONS,
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
    translator = translate(folder, options.applied(file_settings(rate_limit_service)))
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
