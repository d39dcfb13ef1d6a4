"""helm and kustomize, where they are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "headgate"
BASE = ROOT / "deploy" / "kustomize" / "base"


def helm() -> str:
    """The helm in the PATH; without one the test is skipped."""
    found = shutil.which("helm")
    if found is None:
        pytest.skip("there is no helm in the PATH (go install helm.sh/helm/v3/cmd/helm@latest)")
    return found


def render(*arguments: str, release: str = "headgate") -> list[dict[str, Any]]:
    """What the chart renders.

    Raises:
        ValueError: helm refuses; the text says why.
    """
    command = [helm(), "template", release, str(CHART), "--namespace", "headgate-system", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return documents(done.stdout)


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """What kustomize, by itself or that of kubectl, builds of a folder; without either the test is skipped."""
    alone, within = shutil.which("kustomize"), shutil.which("kubectl")
    if alone is None and within is None:
        pytest.skip("there is neither kustomize nor kubectl in the PATH")
    command = [alone, "build"] if alone else [str(within), "kustomize"]
    done = subprocess.run([*command, str(folder)], check=True, capture_output=True, text=True)
    return documents(done.stdout)


def documents(text: str) -> list[dict[str, Any]]:
    """The objects in a stream of YAML."""
    return [each for each in yaml.safe_load_all(text) if each]


def key(found: dict[str, Any]) -> tuple[str, str, str]:
    """The identity of an object."""
    return found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"]
