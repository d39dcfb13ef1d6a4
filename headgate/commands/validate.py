"""`headgate validate`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from headgate.commands.options import EnvoyPath, Files
from headgate.envoy.binary import EnvoyNotFound, find_envoy

if TYPE_CHECKING:
    from watchers.diagnostic import Diagnostic


def command(files: Files, envoy_path: EnvoyPath = None) -> None:
    """Finds what is wrong with files: by file and line, then by Envoy's own validation.

    Exit status 1 if there is an error.

    **Examples**

        headgate validate -f config/
        headgate validate -f routes.yaml -f gateway.yaml
    """
    from headgate.translate import load, translate
    from headgate.validate import problems, refusals

    folder = load(files)
    translator = translate(folder)
    errors = _tell(problems(folder, translator))
    envoy = _envoy(envoy_path)
    if envoy is not None:
        errors += _tell(refusals(folder, translator, envoy))
    if errors:
        raise typer.Exit(1)
    count = len(folder.objects)
    typer.echo(f"{count} {'object is' if count == 1 else 'objects are'} valid")


def _tell(found: Iterable[Diagnostic]) -> int:
    """Prints problems; returns how many of them are errors."""
    errors = 0
    for each in found:
        typer.echo(str(each))
        errors += each.severity == "error"
    return errors


def _envoy(path: Path | None) -> Path | None:
    try:
        return find_envoy(path)
    except EnvoyNotFound as error:
        if path is not None:
            raise
        typer.echo(f"note: not validated by Envoy itself: {error}", err=True)
        return None
