"""Validation of a snapshot by Envoy itself."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

from headgate.envoy.static import static_bootstrap
from headgate.process.errors import UserError
from headgate.reporting.proto_json import resources
from xds import Snapshot

#: Timeout of Envoy, in seconds.
DEADLINE = 120

#: Lines of Envoy's output that are not about the rejected configuration.
_PREFIX = re.compile(r"^\[[^]]*\]\[\d+\]\[(?P<level>\w+)\]\[\w+\] (?:\[[^]]*\] )?")


def envoy_error(envoy: Path, snapshot: Snapshot) -> str | None:
    """Validate a snapshot with Envoy (`--mode validate`), including regular expressions and certificates.

    Args:
        envoy: the binary.
        snapshot: the snapshot, which need not be complete.

    Returns:
        Envoy's error message; None if Envoy accepts it.

    Raises:
        UserError: it takes longer than `DEADLINE`.
    """
    bootstrap = static_bootstrap(resources(snapshot, redacted=False))
    # It contains private keys: only the owner can read it, and it is deleted soon.
    with tempfile.TemporaryDirectory(prefix="headgate-validate-") as directory:
        file = Path(directory) / "bootstrap.json"
        file.write_text(json.dumps(bootstrap), encoding="utf-8")
        command = [str(envoy), "--mode", "validate", "--log-level", "error", "--config-path", str(file)]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
        except subprocess.TimeoutExpired:
            raise UserError(
                f"Envoy ({envoy}) has validated a Gateway's configuration for {DEADLINE} s without coming to an end: "
                "validate fewer files at once, or on a machine that is less busy"
            ) from None
    if result.returncode == 0:
        return None
    lines = [_PREFIX.sub("", line) for line in result.stderr.splitlines()]
    unique = dict.fromkeys(line.replace(f"error initializing configuration '{file}': ", "") for line in lines)
    return "\n".join(each for each in unique if each) or f"exit status {result.returncode}"
