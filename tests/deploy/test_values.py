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
    """Yield the paths of all values, and of the fields of objects with our own fields; all are in the schema."""
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
    """values.yaml, its schema and `VALUES` have the same values."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert sorted(leaves(values, schema)) == sorted(each.path for each in VALUES)


def test_values_in_the_readme_exist() -> None:
    """The values in the README exist."""
    text = (CHART.parents[1] / "README.md").read_text()
    named = {each for words in re.findall(r"--set (\S+)", text) for each in re.findall(r"(?:^|,)([\w.]+)=", words)}
    assert len(named) > 5
    assert named <= {each.path for each in VALUES}


@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES, ids=label)
def test_a_value_changes_the_expected_objects(value: Value) -> None:
    """Another value changes exactly the expected kinds of objects."""
    words = ["--set", value.besides] if value.besides else []
    before = {key(each): each for each in render()}
    after = {key(each): each for each in render(*words, "--set-json", f"{value.path}={json.dumps(value.other)}")}
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {kind for kind, _, _ in changed} == value.changes


@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES, ids=label)
def test_an_invalid_value_is_rejected(value: Value) -> None:
    """An invalid value is rejected with its name."""
    with pytest.raises(ValueError, match="/?".join(value.path.split("."))):
        render("--set-json", f"{value.path}={json.dumps(value.wrong)}")


@pytest.mark.slow
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
def test_mistakes_have_a_way_out(values: str, message: str) -> None:
    """Misspelt and incompatible values have a message with the way out."""
    with pytest.raises(ValueError, match=message):
        render("--set", values)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "good"), [("1.9.3", False), ("1.29.14", False), ("1.30.0", True), ("1.100.0", True)]
)
def test_an_old_kubernetes_is_rejected(version: str, good: bool) -> None:
    """A Kubernetes version without ValidatingAdmissionPolicies, or with less of CEL, is rejected as too old."""
    if good:
        assert render("--kube-version", version)
    else:
        with pytest.raises(ValueError, match=f"Kubernetes v{version} is too old"):
            render("--kube-version", version)
