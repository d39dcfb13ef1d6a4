"""The harness of the golden cases: which files it accepts, and which differences it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.translator.golden.case import HERE, Case

STEPS = HERE / "steps" / "endpoint_moves.yaml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a copy of a case of four steps."""
    copy = tmp_path / STEPS.name
    copy.write_text(STEPS.read_text())
    return copy


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text that a file holds once."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def differing(path: Path) -> list[int]:
    """Return the numbers of the steps whose outputs are not those that a case expects."""
    case = Case.read(path)
    return [
        number
        for number, (actual, expected) in enumerate(zip(case.actual(), case.expected, strict=True), 1)
        if actual != expected
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{address: 10.0.0.9, port_value: 8080}", "{address: 10.0.0.8, port_value: 8080}"),
        ("xds: {}", "xds: {default/web: {}}"),
        ("{endpoints: 1, is_empty: 1}", "{endpoints: 2, is_empty: 1}"),
        ("changes: {}", "changes: {default/web: {endpoints: {'default/a:80': removed}}}"),
    ],
)
def test_a_wrong_step_differs(path: Path, old: str, new: str) -> None:
    """A step whose expected output is wrong differs, and no other step does."""
    assert differing(path) == []
    replace(path, old, new)
    assert differing(path) == [2 if "10.0.0.8" in new else 4]


def test_a_missing_output_differs(path: Path) -> None:
    """A step without an expected output differs."""
    path.write_text(path.read_text().rpartition("\n# Output\n")[0])
    assert differing(path) == [4]


def test_an_edit_builds_on_the_step_before(path: Path) -> None:
    """A change of one step's objects changes that step's output and those of the steps that follow from it."""
    replace(path, "endpoints: [{addresses: [10.0.0.9]}]", "endpoints: [{addresses: [10.0.0.1]}]")
    assert differing(path) == [2]
    replace(path, "# Delete: [EndpointSlice default/a]", "# Delete: [EndpointSlice default/b]")
    assert differing(path) == [2, 4]


def test_rewriting(path: Path) -> None:
    """Rewriting a case makes each step's output the actual one, and leaves a right file as it is, byte for byte."""
    replace(path, "{address: 10.0.0.9, port_value: 8080}", "{address: 10.0.0.8, port_value: 8080}")
    replace(path, "executions: {endpoints: 1, is_empty: 1}", "executions: {}")
    Case.read(path).rewrite()
    assert path.read_bytes() == STEPS.read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# Step 3: ", "# Step 5: ", "number the steps"),
        ("# Step 2: the Pod of Service a has another address.", "# Step 2:", "begin with a comment"),
        ("# Delete: [EndpointSlice default/a]", "# Keep: {xds: }", "step 4 takes Delete, Requested, SyncStatus"),
        ("# Delete: [EndpointSlice default/a]", "# Delete: [EndpointSlice default/d]", "no EndpointSlice default/d"),
        (
            "rules: [{backendRefs: [{name: a, port: 80}, {name: b, port: 80}]}]",
            "rules: 7",
            "HTTPRoute default/route: spec",
        ),
        ("endpoints: [{addresses: [10.0.0.9]}]", "endpoints: []\nunknown: 1", "EndpointSlice default/a: unknown"),
    ],
)
def test_mistakes(path: Path, old: str, new: str, message: str) -> None:
    """A mistake in a case fails with a message that names it."""
    replace(path, old, new)
    with pytest.raises(AssertionError, match=message):
        Case.read(path).actual()
