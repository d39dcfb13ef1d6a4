"""Extensions of installed packages: the example is installed as a user would, and found by its entry point."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from translator import installed
from translator.errors import ExtensionError
from translator.installed import installed_extensions

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "extension"
CONDITIONS = {"Accepted", "ResolvedRefs", "Attached", "Programmed"}
ENVIRONMENT = {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the example installed into it."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*command, "--no-build-isolation", "--target", str(folder), str(EXAMPLE)], check=True)
    return folder


def headgate(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Headgate with what is installed in a folder."""
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "headgate", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path}
    )


def translated(site: Path, to: str) -> Any:
    """Return what the example's objects become."""
    result = headgate(site, "translate", "--to", to, "-o", "json", "-f", str(EXAMPLE / "config"))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_an_installed_extension_is_found(site: Path) -> None:
    """Its kind is read, its policies are merged and served, and their status tells of each Gateway."""
    xds = json.dumps(translated(site, "xds"))
    assert xds.count('"Back at 6 o\'clock."') == 1
    assert '"retry-after"' in xds
    statuses = {
        each["metadata"]["name"]: each["status"]["ancestors"]
        for each in translated(site, "status")
        if each["kind"] == "MaintenancePolicy"
    }
    assert statuses.keys() == {"tonight", "not-the-status-page"}
    for (ancestor,) in statuses.values():
        assert ancestor["ancestorRef"]["name"] == "web"
        assert {each["type"] for each in ancestor["conditions"] if each["status"] == "True"} == CONDITIONS
        assert len(ancestor["conditions"]) == len(CONDITIONS)
    validated = headgate(site, "validate", "-f", str(EXAMPLE / "config"))
    assert (validated.returncode, validated.stderr) == (0, ""), validated.stdout


def test_without_it_its_objects_are_left_out(tmp_path: Path) -> None:
    """Nothing of the example is built in: its kind is somebody else's then."""
    result = headgate(tmp_path, "validate", "-f", str(EXAMPLE / "config"))
    assert "'MaintenancePolicy' is not a kind that Headgate reads" in result.stdout + result.stderr


def distribution(folder: Path, name: str, value: str) -> None:
    """Lay an installed package without code, which has an entry point."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[headgate.extensions]\n{name} = {value}\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            "no_such_module:EXTENSION",
            "the extension broken of the package broken cannot be loaded: ModuleNotFoundError",
        ),
        ("json:dumps", "the extension broken of the package broken is a function, not an Extension"),
    ],
)
def test_an_extension_that_cannot_be_used_ends_the_command(tmp_path: Path, value: str, text: str) -> None:
    """The error names the extension and its package, without a traceback; a part of it does not go on without it."""
    distribution(tmp_path, "broken", value)
    result = headgate(tmp_path, "validate", "-f", str(EXAMPLE / "config"))
    assert result.returncode == 1
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_a_kind_that_is_there_already_ends_the_command(tmp_path: Path, site: Path) -> None:
    """Two extensions that bring kinds of one name cannot be told apart."""
    module = "from headgate_maintenance import *\n\nclass Other(MaintenancePolicy):\n    group = 'other.example.com'\n"
    module += "\nOTHER = Extension('other', objects=(Other,))\n"
    (tmp_path / "other.py").write_text(module)
    distribution(tmp_path, "another", "other:OTHER")
    result = headgate(tmp_path, "validate", "-f", str(EXAMPLE / "config"))
    assert "cannot be loaded" in result.stderr  # without the example
    path = os.pathsep.join((str(tmp_path), str(site)))
    result = headgate(Path(path), "validate", "-f", str(EXAMPLE / "config"))
    assert result.returncode == 1
    assert "there are two kinds MaintenancePolicy" in result.stderr


def test_extensions_come_in_the_order_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what is installed first makes no difference."""
    value = "translator.extensions.cors:EXTENSION"
    found = [EntryPoint(name, value, installed.GROUP) for name in ("b", "a")]
    monkeypatch.setattr(installed, "entry_points", lambda group: EntryPoints(found).select(group=group))
    assert [package for package, _ in installed_extensions()] == ["translator", "translator"]
    monkeypatch.setattr(installed, "entry_points", lambda group: [EntryPoint("a", "json:dumps", group)])
    with pytest.raises(ExtensionError, match="the extension a is a function"):
        list(installed_extensions())


def test_the_example_imports_only_what_is_stable() -> None:
    """What docs/extensions.md says is the interface of extensions is enough for one."""
    stable = (EXAMPLE.parents[1] / "docs" / "extensions.md").read_text().partition("## Stability")[2]
    names = tuple(re.findall(r"`([a-z_.]+)`", stable))
    code = (EXAMPLE / "headgate_maintenance" / "__init__.py").read_text()
    imported = re.findall(r"^from ((?:translator|xds|headgate\w*)\S*) import", code, re.MULTILINE)
    assert len(imported) > 5
    assert [each for each in imported if not f"{each}.".startswith(tuple(f"{name}." for name in names))] == []
