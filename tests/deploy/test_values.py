"""Values of the Helm chart: each has an effect, and is validated before installation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.deploy.tools import CHART, key, render
from tests.deploy.values import VALUES, Value


def leaves(values: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the places of all values, those of objects with fields of ours one by one; all are in the schema."""
    assert set(values) == set(schema["properties"]) - {"global"}
    assert schema["additionalProperties"] is False
    for name, value in values.items():
        inner = schema["properties"][name]
        if value and "properties" in inner:
            yield from leaves(value, inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def label(value: Value) -> str:
    """Return a name for a test."""
    return value.path


def test_every_value_is_known() -> None:
    """values.yaml, its schema and the list here name the same values."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert sorted(leaves(values, schema)) == sorted(each.path for each in VALUES)


def test_values_that_the_readme_names_are_known() -> None:
    """What it has users set is there to be set."""
    text = (CHART.parents[1] / "README.md").read_text()
    named = {each for words in re.findall(r"--set (\S+)", text) for each in re.findall(r"(?:^|,)([\w.]+)=", words)}
    assert len(named) > 5
    assert named <= {each.path for each in VALUES}


@pytest.mark.parametrize("value", VALUES, ids=label)
def test_a_value_changes_what_it_is_for(value: Value) -> None:
    """With another value exactly the objects that it is for are rendered otherwise."""
    words = ["--set", value.besides] if value.besides else []
    before = {key(each): each for each in render()}
    after = {key(each): each for each in render(*words, "--set-json", f"{value.path}={json.dumps(value.other)}")}
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {kind for kind, _, _ in changed} == value.changes


@pytest.mark.parametrize("value", VALUES, ids=label)
def test_a_wrong_value_is_refused(value: Value) -> None:
    """What a value cannot be is refused with its name."""
    with pytest.raises(ValueError, match="/?".join(value.path.split("."))):
        render("--set-json", f"{value.path}={json.dumps(value.wrong)}")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("replica=3", "'replica' not allowed"),
        ("image.tagg=v9", "'tagg' not allowed"),
        ("controllerName=nobody", "controllerName: .nobody. is not of the form DOMAIN/PATH"),
        ("gatewayClass.parametersRef.name=p", "'namespace' required"),
        ("watch.namespaces={a},watch.namespaceLabels=b", "by name or by labels, not by both"),
        ("serviceAccount.create=false", "serviceAccount.name: is required"),
    ],
)
def test_mistakes_are_told(values: str, message: str) -> None:
    """What is misspelled or does not go together is told in words that say what to do."""
    with pytest.raises(ValueError, match=message):
        render("--set", values)


@pytest.mark.parametrize(
    ("version", "good"), [("1.9.3", False), ("1.29.14", False), ("1.30.0", True), ("1.100.0", True)]
)
def test_an_old_kubernetes_is_refused(version: str, good: bool) -> None:
    """What has no ValidatingAdmissionPolicies, nor all of CEL, is told that it is too old."""
    if good:
        assert render("--kube-version", version)
    else:
        with pytest.raises(ValueError, match=f"Kubernetes v{version} is too old"):
            render("--kube-version", version)
