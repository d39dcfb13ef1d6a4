"""The build hook: `proto/` is generated before anything is packed or installed, editable installs included."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtoBuildHook(BuildHookInterface[Any]):
    """Runs `build_proto.py` in a process of its own, for descriptors are registered once per process."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Brings `proto/` up to date; a failure's message goes to the builder's standard error and ends the build."""
        subprocess.run([sys.executable, str(Path(self.root) / "build_proto.py")], check=True)
