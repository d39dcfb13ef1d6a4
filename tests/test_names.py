"""Names: what has been given the field's word does not come back, and a class's name is of one class."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("headgate", "watchers", "translator", "xds")
FORMER = {
    "translator/engine": """Cell SUSPECT CHECKING looks runs hub Ahead AHEAD pin unpin wanted expect Unknown
        UNSURE UNSURELY _tell _suspect _settle _settling _refile _untold _orphans again filed Why explain""",
    "translator": """Sketch UNREAD unread Delivery Rejection Concern Served Deployed Proxies Unfit ailments
        tell_proxies await_proxies is_silent is_absent Parent Origin Entry fences elsewhere untaken Site Read
        own_parts held_up RouteTable Claim""",
    "xds": """Held Remembered Unsure possibly perhaps rather Refused Refusal Rejection Refusals Suspects Pace
        Bodies Body Group Delivery slowed recollect retarget _follow _ask _forget unsettled""",
    "watchers": """Feed Troubles Mirror Objects OnDemand Fetching Selection Cluster Watched Held Observed
        SteppedDown Words Hearing Speaker Reading Folder Workers look_after rehearse _bury _fall_silent _reign
        FAREWELL_SECONDS""",
    "headgate": """Sight Trouble troubles News tell_news Standing Observed Returns Refused BESIDE offer_again stuck_for
        leftovers Plain""",
}
"""By folder the names that its identifiers, classes and modules had before they were given the field's."""


def modules(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the modules of a folder, parsed."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path, ast.parse(path.read_text())


def names(path: Path, module: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines: its own, those of functions, classes and parameters, and attributes."""
    yield path.stem
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr
            case ast.arg():
                yield node.arg


@pytest.mark.parametrize("folder", FORMER)
def test_former_names_do_not_come_back(folder: str) -> None:
    """Nothing that a folder defines has a name that was replaced there."""
    former = set(FORMER[folder].split())
    found = {(str(path.relative_to(ROOT)), name) for path, tree in modules(folder) for name in names(path, tree)}
    assert {each for each in found if each[1] in former} == set()


def test_a_class_has_a_name_of_its_own() -> None:
    """No two classes of the four packages have one name."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path, tree in modules(package):
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}
