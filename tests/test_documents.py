"""What the documents name is there: targets, commands with their options, files and modules."""

from __future__ import annotations

import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic.alias_generators import to_snake
from typer.core import TyperGroup

from headgate.cli import app
from translator.objects.headgate.policy import AttachedPolicySpec
from translator.objects.headgate.trafficpolicy import TrafficPolicySpec

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
PACKAGES = ("headgate", "watchers", "translator", "xds", "deploy", "bench", "proto")


@pytest.fixture(params=DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Path:
    """One of the documents."""
    found: Path = request.param
    return found


def codes(document: Path) -> Iterator[str]:
    """Yield what is set as code: lines that are indented, and words in backticks."""
    text = document.read_text()
    yield from re.findall(r"^    (.+)$", text, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", text)


def test_links_lead_somewhere(document: Path) -> None:
    """Every link to a file leads to one."""
    links = re.findall(r"\]\(([^):#]+)\)", document.read_text())
    assert [each for each in links if not (document.parent / each).exists()] == []


def test_targets_are_there(document: Path) -> None:
    """Every `make` that is told of is a target that `make help` shows."""
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {line.split()[0] for line in shown.splitlines()}
    named = {found[1] for code in codes(document) if (found := re.match(r"make ([a-z0-9]+)", code))}
    assert named <= targets


def test_commands_are_there(document: Path) -> None:
    """Every `headgate` command that is told of is one, and has the options that it is told with."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for code in codes(document):
        if found := re.match(r"headgate ([a-z]+)([^#]*)", code):
            command = group.commands[found[1]]
            options = {name for each in command.params for name in each.opts}
            assert set(re.findall(r"(?<=\s)--?[a-z-]+", found[2])) <= options, code


def test_the_map_of_the_code_names_what_is_there() -> None:
    """Every module that ARCHITECTURE.md names under a package is in it; every package and folder is in the map."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    sections = re.split(r"^`([a-z]+)/` — ", text.partition("## Code map")[2].partition("## Invariants")[0], flags=re.M)
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert tuple(named) == PACKAGES
    for package, section in named.items():
        modules = {each.stem for each in (ROOT / package).rglob("*.py")} if package != "proto" else set()
        assert set(re.findall(r"`(\w+)\.py`", section)) - {"build_proto"} <= modules, package
        if package in ("headgate", "watchers", "translator", "xds"):
            folders = {each.parent.name for each in (ROOT / package).glob("*/**/__init__.py")}
            assert set(re.findall(r"`(\w+)/`", section)) == folders, package


def test_the_map_of_the_code_names_all_modules_of_the_infrastructure() -> None:
    """The entry of translator/infrastructure in ARCHITECTURE.md has each of its modules."""
    entry = (ROOT / "ARCHITECTURE.md").read_text().partition("- `infrastructure/`:")[2].partition("\n- `")[0]
    modules = {each.stem for each in (ROOT / "translator" / "infrastructure").glob("*.py")} - {"__init__"}
    assert set(re.findall(r"`(\w+)\.py`", entry)) == modules


def test_the_trips_name_what_is_there() -> None:
    """Every function, class and module on the trips of ARCHITECTURE.md is where they say."""
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## Five trips")[2].partition("## Code map")[0]
    names = re.findall(r"`((?:headgate|watchers|translator|xds)(?:\.\w+)+)`", text)
    assert len(names) > 50
    for name in names:
        assert pkgutil.resolve_name(name) is not None


def test_the_library_s_page_names_all_of_its_modules() -> None:
    """docs/xds.md says of each module of `xds` what part of the protocol it implements."""
    table = (ROOT / "docs" / "xds.md").read_text().partition("| Module |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.M)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    assert named == {each.stem for each in (ROOT / "xds").rglob("*.py")} - {"__init__"}


def test_every_decision_has_a_number_of_its_own() -> None:
    """No two architecture decision records share a number, and the title of each begins with it."""
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(each.name[:4]) for each in records] == list(range(1, len(records) + 1))
    for each in records:
        assert each.read_text().startswith(f"# {int(each.name[:4])}.")


def test_every_page_about_policies_is_listed() -> None:
    """Whoever looks for what a TrafficPolicy can do finds each page, and each field of the spec."""
    folder = ROOT / "docs" / "policies"
    listed = (folder / "README.md").read_text()
    pages = {each.name for each in folder.glob("*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", listed))
    fields = TrafficPolicySpec.model_fields.keys() - AttachedPolicySpec.model_fields.keys()
    words = re.findall(r"`(\w+)`", listed)
    named = {*words, *map(to_snake, words)}  # that of `oauth2` would be oauth_2
    assert fields - {"auto_host_rewrite"} <= named
