"""The root of the state directories of Headgate without a cluster."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def default_root() -> Path:
    """Return the directory for state: `HEADGATE_STATE_DIR`, else one by the XDG rules, else a private one in /tmp."""
    if named := os.environ.get("HEADGATE_STATE_DIR"):
        return Path(named).expanduser().absolute()
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        base = os.environ.get(variable)
        if base and os.access(base, os.W_OK | os.X_OK):
            return Path(base).absolute() / "headgate"
    return Path(tempfile.gettempdir()) / f"headgate-{os.getuid()}"
