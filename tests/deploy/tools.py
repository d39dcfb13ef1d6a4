"""The paths of helm and kustomize."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.generate import tool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "headgate"
BASE = ROOT / "deploy" / "kustomize" / "base"


def helm() -> str:
    """Return the path of helm; skip the test if there is none."""
    return _needed("helm")


def _needed(name: str) -> str:
    found = tool(name)
    if found is None:
        pytest.skip(f"there is no {name}: `make tools` builds it")
    return found


def render(*arguments: str, release: str = "headgate") -> list[dict[str, Any]]:
    """Return the objects that the chart renders.

    Raises:
        ValueError: helm fails; the text is its error.
    """
    command = [helm(), "template", release, str(CHART), "--namespace", "headgate-system", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return documents(done.stdout)


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """Return the objects that kustomize builds from a folder."""
    done = subprocess.run([_needed("kustomize"), "build", str(folder)], check=True, capture_output=True, text=True)
    return documents(done.stdout)


def documents(text: str) -> list[dict[str, Any]]:
    """Return the objects in a stream of YAML."""
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def key(found: dict[str, Any]) -> tuple[str, str, str]:
    """Return the identity of an object."""
    return found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"]
