"""`headgate version`: show the versions of Headgate, Python and Envoy."""

from __future__ import annotations

import platform
import subprocess

import typer

from headgate import __version__
from headgate.envoy.binary import EnvoyNotFound, find_envoy


def command() -> None:
    """Show the versions of Headgate, Python and the Envoy that `headgate run` would start."""
    typer.echo(f"headgate {__version__}")
    typer.echo(f"python   {platform.python_version()}")
    typer.echo(f"envoy    {_envoy_version()}")


def _envoy_version() -> str:
    try:
        binary = find_envoy()
        # "…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
        output = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        return f"{output.split('/')[-4]} ({binary})"
    except EnvoyNotFound as error:
        return f"none: {error}"
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        return f"unknown: {error}"
