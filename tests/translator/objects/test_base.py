"""The base of all objects: identity, equality, age, and selection by labels."""

import pytest
from pydantic import ValidationError

from tests.translator.objects.written import errors, raw, valid
from translator.objects.kubernetes.core import ConfigMap, Namespace
from translator.objects.kubernetes.selector import LabelSelector
from translator.refs import Ref

CONFIG_MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {a: b}}, data: {a: b}}"


def test_refs_as_people_write_them() -> None:
    """A reference reads as kind, namespace and name, or kind and name for an object of the cluster."""
    assert str(Ref("HTTPRoute", "web", "shop")) == "HTTPRoute web/shop"
    assert str(Ref("GatewayClass", "", "headgate")) == "GatewayClass headgate"


def test_equal_by_value() -> None:
    """Two readings of one document are equal, and of documents that differ in what is read are not."""
    assert valid(ConfigMap, CONFIG_MAP) == valid(ConfigMap, CONFIG_MAP)
    assert valid(ConfigMap, CONFIG_MAP) != valid(ConfigMap, CONFIG_MAP.replace("a: b", "a: c"))
    assert valid(ConfigMap, CONFIG_MAP) != "ConfigMap default/settings"


def test_bookkeeping_is_no_change() -> None:
    """What the API server keeps for itself takes no part in equality."""
    document = raw(CONFIG_MAP)
    document["metadata"] |= {"resourceVersion": "8", "managedFields": [{"time": "2026-01-01T00:00:00Z"}]}
    assert valid(ConfigMap, document) == valid(ConfigMap, CONFIG_MAP)


def test_frozen() -> None:
    """Nothing of an object can be assigned."""
    with pytest.raises(ValidationError):
        valid(ConfigMap, CONFIG_MAP).metadata.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.75Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
    ],
)
def test_age(written: str, held: str) -> None:
    """Times are held in UTC and whole seconds, whatever their zone, so that their order is that of time."""
    document = raw(CONFIG_MAP)
    document["metadata"]["creationTimestamp"] = written
    assert valid(ConfigMap, document).creation_time == held


def test_no_age() -> None:
    """An object of a file mostly says no time, and comes before all that do."""
    assert valid(ConfigMap, CONFIG_MAP).creation_time == ""


@pytest.mark.parametrize("time", ["2026-01-31", "2026-01-31T12:00:00", "0001-01-01T00:00:00+05:00", "soon"])
def test_bad_age(time: str) -> None:
    """A time without a zone, or none at all, is refused."""
    document = raw(CONFIG_MAP)
    document["metadata"]["creationTimestamp"] = time
    assert errors(document) == ["metadata.creationTimestamp: must be a time with its zone, like 2026-01-31T12:00:00Z"]


def test_namespaces_carry_their_name() -> None:
    """A namespace has the label with its name that the API server gives it, so that selectors can name it."""
    namespace = valid(Namespace, "{apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {tier: front}}}")
    assert namespace.metadata.labels == {"tier": "front", "kubernetes.io/metadata.name": "web"}


SELECTIONS = [
    ("{}", True),
    ("{matchLabels: {tier: front}}", True),
    ("{matchLabels: {tier: back}}", False),
    ("{matchLabels: {other: front}}", False),
    ("{matchExpressions: [{key: tier, operator: In, values: [back, front]}]}", True),
    ("{matchExpressions: [{key: other, operator: In, values: [front]}]}", False),
    ("{matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}", False),
    ("{matchExpressions: [{key: other, operator: NotIn, values: [front]}]}", True),
    ("{matchExpressions: [{key: tier, operator: Exists}]}", True),
    ("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", False),
    ("{matchExpressions: [{key: other, operator: DoesNotExist}]}", True),
    ("{matchLabels: {tier: front}, matchExpressions: [{key: other, operator: Exists}]}", False),
]


@pytest.mark.parametrize(("selector", "selected"), SELECTIONS)
def test_selection(selector: str, selected: bool) -> None:
    """A selector selects the objects that have all its labels and fulfil all its expressions."""
    read = LabelSelector.model_validate(raw(selector))
    assert read.violation() is None
    assert read.matches({"tier": "front"}) is selected


@pytest.mark.parametrize(
    ("expression", "violation"),
    [
        ("{key: tier, operator: in, values: [a]}", "operator 'in' of label tier must be In, NotIn, Exists or DoesNot"),
        ("{key: tier, operator: NotIn}", "operator NotIn of label tier needs values"),
        ("{key: tier, operator: Exists, values: [a]}", "operator Exists of label tier takes no values"),
    ],
)
def test_bad_selection(expression: str, violation: str) -> None:
    """A selector that the API server takes and nobody can evaluate selects nothing, and says why."""
    read = LabelSelector.model_validate(raw(f"{{matchExpressions: [{expression}]}}"))
    assert (read.violation() or "").startswith(violation)
    assert not read.matches({"tier": "front"})
    assert not read.matches({})
