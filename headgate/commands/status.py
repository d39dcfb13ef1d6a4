"""`headgate status`: show conditions, Envoys and problems."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headgate.commands.options import DEFAULT_ADMIN, AdminAddress, Context, ControllerName, Kubeconfig, Output
from headgate.process.errors import UserError
from translator.api_group import CONTROLLER_NAME

MAX_WIDTH = 10_000

#: The most objects of a kind, and the most findings, that are shown on a terminal.
MOST_ROWS = 50


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAMESPACE/]NAME", help="Show all conditions of objects with this name.")
    ] = None,
    admin_address: AdminAddress = DEFAULT_ADMIN,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Read a cluster's API server; --kubeconfig and --context imply it.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    controller_name: ControllerName = CONTROLLER_NAME,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help=f"On a terminal, more than {MOST_ROWS} objects of a kind.")
    ] = False,
    output: Annotated[
        Output | None, typer.Option("--output", "-o", help="Print all fields as data instead of tables.")
    ] = None,
) -> None:
    """Show the conditions of objects and the Envoys of the running Headgate, or the conditions in a cluster.

    **Examples**

    ```
    headgate status
    headgate status default/web
    headgate status -o json
    headgate status --context kind-dev
    ```
    """
    from rich.console import Console

    from headgate.admin.client import fetch
    from headgate.reporting.findings import name_of
    from headgate.reporting.tables import Screen, details, overview

    if cluster or kubeconfig or context:
        from headgate.cluster.reader import read_statuses
        from watchers.kubernetes.kubeconfig import Target

        status: dict[str, Any] = read_statuses(Target(kubeconfig, context), controller_name)
    else:
        status = fetch(admin_address)
    objects = status["objects"]
    if name is not None:
        wanted = name if "/" in name else f"default/{name}"
        objects = [each for each in objects if name_of(each) in (name, wanted)]
        if not objects:
            raise UserError(f"there is no object named {name} that has a status; `headgate status` shows all")
    if output is not None:
        output.write({**status, "objects": objects} if name is None else objects)
        return
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        # Output for other programs is complete, without line breaks within rows.
        console = Console(width=MAX_WIDTH, soft_wrap=True, highlight=False, markup=False)
    screen = Screen(console.width, None if everything else MOST_ROWS) if console.is_terminal else None
    console.print(overview(status, screen=screen) if name is None else details(objects))
