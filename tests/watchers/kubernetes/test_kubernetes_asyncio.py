"""The import of kubernetes-asyncio's configuration without its other modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(code: str, path: str = "") -> str:
    """Return the output of a new process."""
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_a_later_import_of_the_library_is_complete() -> None:
    """An import of kubernetes-asyncio after Headgate gets the complete library."""
    code = (
        "import watchers.kubernetes.kubeconfig\nfrom kubernetes_asyncio import client, config\n"
        "print(client.V1Pod.__name__)"
    )
    assert run(code) == "V1Pod"


def test_an_earlier_import_of_the_library_is_shared() -> None:
    """Headgate uses the classes of an earlier import of kubernetes-asyncio."""
    code = (
        "from kubernetes_asyncio.client import Configuration\nimport watchers.kubernetes.kubernetes_asyncio as ours\n"
        "print(ours.Configuration is Configuration)"
    )
    assert run(code) == "True"


def test_another_version_of_the_library_is_imported_completely(tmp_path: Path) -> None:
    """A version whose configuration imports more of its client is imported completely."""
    root = tmp_path / "kubernetes_asyncio"
    files = {
        "__init__.py": "",
        "client/__init__.py": "from kubernetes_asyncio.client.configuration import Configuration\nclass More: ...\n",
        "client/configuration.py": "class Configuration: ...\n",
        "config/__init__.py": (
            "from kubernetes_asyncio.config import incluster_config\n"
            "from kubernetes_asyncio.client import More\n"
            "ConfigException = load_incluster_config = load_kube_config = More\n"
        ),
        "config/incluster_config.py": "from kubernetes_asyncio.client import Configuration\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    code = "import watchers.kubernetes.kubernetes_asyncio as ours\nprint(ours.load_kube_config.__name__)"
    assert run(code, str(tmp_path)) == "More"
