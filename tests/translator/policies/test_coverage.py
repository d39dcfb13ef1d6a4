"""Every row of docs/policies/reference.md that a policy's unit implements has a golden case and a live test."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from deploy.reference import rows
from tests.translator.golden.case import HERE, Case
from tests.translator.values import paths
from translator.objects.headgate.policy import AttachedPolicySpec


class Field(NamedTuple):
    """A field of a kind, by its path."""

    kind: str
    path: str


DEFAULT = "spec.default"
LIVE = Path(__file__).parents[2] / "live"
OF_UNITS = ("TrafficPolicy", "ListenerPolicy")
COVERED = (*OF_UNITS, "BackendConfigPolicy", "Backend")
"""The kinds whose fields are covered; of those with units, the fields that are of one."""
TARGETING = tuple(f"spec.{field.alias or name}" for name, field in AttachedPolicySpec.model_fields.items())
"""The fields that say what a policy is for."""
LEAVES = tuple(
    Field(kind.kind, leaf.path)
    for kind, leaf, unit in rows()
    if (kind.kind in COVERED and (unit or kind.kind not in OF_UNITS))
    and not leaf.path.removesuffix("[]").startswith(TARGETING)
)


def uncovered(covered: Callable[[Field], bool]) -> set[Field]:
    """Return the leaves that are not covered and should be."""
    return {each for each in LEAVES if not covered(each)}


def golden_fields() -> Iterator[Field]:
    """Yield all fields that objects of golden cases set."""
    for path in sorted(HERE.glob("*/*.yaml")):
        for step in Case.read(path).steps:
            text = re.sub(r"\$\{\w+\}", "x", step.input)
            for document in yaml.load_all(text, yaml.CSafeLoader):
                if document and document["kind"] in COVERED:
                    found = (
                        each.replace("spec.perPort[].listener.", "spec.default.")
                        for each in paths(document["spec"], "spec")
                    )
                    yield from (Field(document["kind"], each) for each in found)


def test_every_field_has_a_golden_case() -> None:
    """A golden case sets each field of each unit."""
    assert uncovered(set(golden_fields()).__contains__) == set()


@cache
def names(path: Path) -> frozenset[str]:
    """Return the words of a module, and of those of live tests that it imports, that may be names of fields.

    These are strings, and names of arguments.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.live."):
            found |= names(LIVE.joinpath(*(node.module or "").split(".")[2:]).with_suffix(".py"))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.keyword) and node.arg is not None:
            found.add(node.arg)
    return frozenset(found)


def test_every_field_has_a_live_test() -> None:
    """A module of live tests names each field of each unit, with those around it."""
    modules = [names(path) for path in LIVE.glob("*.py")]
    assert uncovered(lambda leaf: any(words(leaf) <= module for module in modules)) == set()


def words(leaf: Field) -> set[str]:
    """Return the names in a path below the spec, and below what a policy says for all ports."""
    return {each.removesuffix("[]") for each in leaf.path.removeprefix("spec.default.").split(".") if each != "spec"}
