"""Every row of docs/policies/reference.md that a policy's unit implements has a golden case and a live test."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import yaml

from deploy.reference import rows, settings_of_backends
from tests.translator.golden.case import HERE, Case
from tests.translator.values import paths
from translator.objects.headgate.backendconfigpolicy import BackendConfigPolicy
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.registry import REGISTRY

LIVE = Path(__file__).parents[2] / "live"
LEAVES = tuple(leaf.path for kind, leaf, unit in rows() if kind is TrafficPolicy and unit is not None)
OF_BACKENDS = tuple(leaf.path for kind, leaf, _ in rows() if settings_of_backends(REGISTRY.policy_of(kind.kind), leaf))

WITHOUT_LIVE = {
    "spec.httpUpgrade[].connect.terminate": "no listener of Headgate's takes CONNECT yet",
    **{leaf: "no listener has a tracing provider yet" for leaf in LEAVES if leaf.startswith("spec.tracing.")},
}
"""Fields that no live test can set, and why."""


def uncovered(covered: Callable[[str], bool]) -> set[str]:
    """Return the leaves that are not covered and should be."""
    return {each for each in LEAVES if not covered(each)}


def uncovered_of_backends(covered: Callable[[str], bool]) -> set[str]:
    """Return the leaves of BackendConfigPolicies that are not covered."""
    return {each for each in OF_BACKENDS if not covered(each)}


def golden_fields(kind: str = TrafficPolicy.kind) -> Iterator[str]:
    """Yield the paths of all fields that the policies of a kind in golden cases set."""
    for path in sorted(HERE.glob("*/*.yaml")):
        for step in Case.read(path).steps:
            text = re.sub(r"\$\{\w+\}", "x", step.input)
            for document in yaml.load_all(text, yaml.CSafeLoader):
                if document and document["kind"] == kind:
                    yield from paths(document["spec"], "spec")


def test_every_field_has_a_golden_case() -> None:
    """A golden case sets each field of each unit."""
    assert uncovered(set(golden_fields()).__contains__) == set()
    assert uncovered_of_backends(set(golden_fields(BackendConfigPolicy.kind)).__contains__) == set()


@cache
def names(path: Path) -> frozenset[str]:
    """Return the words of a module, and of those of live tests that it imports, that may be names of fields.

    These are strings, and names of arguments.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.live."):
            found |= names(LIVE / f"{(node.module or '').rpartition('.')[2]}.py")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.keyword) and node.arg is not None:
            found.add(node.arg)
    return frozenset(found)


def test_every_field_has_a_live_test() -> None:
    """A module of live tests names each field of each unit, with those around it."""
    modules = [names(path) for path in LIVE.glob("*.py")]
    assert uncovered(lambda leaf: any(words(leaf) <= module for module in modules)) == set(WITHOUT_LIVE)
    assert uncovered_of_backends(lambda leaf: any(words(leaf) <= module for module in modules)) == set()


def words(leaf: str) -> set[str]:
    """Return the names in a path below the spec."""
    return {each.removesuffix("[]") for each in leaf.split(".")[1:]}
