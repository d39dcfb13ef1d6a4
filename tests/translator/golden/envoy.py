"""What the real Envoy says to the resources of many cases at once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headgate.envoy.static import static_bootstrap
from headgate.plain import resources
from tests.translator.golden.case import Case

Sections = dict[str, list[dict[str, Any]]]
SECTIONS = ("listeners", "routes", "clusters", "secrets")


def refusal(envoy: Path, folder: Path, cases: Iterable[Case]) -> str:
    """Has `envoy --mode validate` look at everything that the cases make, in one process; "" if it takes it."""
    merged: Sections = {}
    for number, case in enumerate(cases):
        for section, found in _resources(case, number).items():
            merged.setdefault(section, []).extend(found)
    config = folder / "bootstrap.json"
    config.write_text(json.dumps(static_bootstrap(merged)))
    command = [envoy, "--mode", "validate", "--disable-hot-restart", "--log-level", "error", "--config-path", config]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
    return done.stderr if done.returncode else ""


def _resources(case: Case, number: int) -> Sections:
    """A case's resources under names of their own, and at an address of their own."""
    found: Sections = {}
    snapshots = case.translate(addresses=(f"127.1.{number >> 8}.{number & 255}",)).snapshots
    for gateway, snapshot in snapshots.items():
        plain = resources(snapshot, redacted=False)
        named = {each["name"] for section in SECTIONS for each in plain.get(section, ())}
        renamed = _renamed(plain, {each: f"{number}/{gateway.name}/{each}" for each in named})
        for section, each in renamed.items():
            found.setdefault(section, []).extend(each)
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) else value
