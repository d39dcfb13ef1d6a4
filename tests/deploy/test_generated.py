"""Generated manifests: committed files agree with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.definitions import definition, own_kinds
from deploy.generate import base, definitions, example, rules
from deploy.rbac import Rule, cluster_rules, namespaced_rules, own_rules
from tests.deploy.examples import EXAMPLES, Example, document, label
from tests.deploy.tools import ROOT, helm
from translator.registry import KINDS, REGISTRY


def test_what_is_committed_is_what_is_generated() -> None:
    """After a change of models or features, `make manifests` has been run."""
    wanted = {**definitions(), **rules()}
    stale = [str(path.relative_to(ROOT)) for path, text in wanted.items() if path.read_text() != text]
    assert stale == [], "run `make manifests`"
    of_the_example = example()
    assert [path for path, text in of_the_example.items() if path.read_text() != text] == [], "run `make manifests`"
    folders = {path.parent for path in wanted}
    assert {each for folder in folders for each in folder.glob("*.yaml")} == set(wanted)


def test_the_kustomize_base_is_what_the_chart_renders() -> None:
    """The two cannot differ."""
    for path, text in base(helm()).items():
        assert path.read_text() == text, "run `make manifests`"


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
def test_models_judge_the_examples(example: Example) -> None:
    """The model takes what is right, and names the field of what is wrong; tests/e2e asks the API server the same."""
    problems = [str(each) for each in KINDS.parse(document(example)).problems]
    assert bool(problems) == bool(example.wrong), problems
    assert not example.wrong or any(example.wrong in each for each in problems)


def _schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    nested = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for each in nested:
        if isinstance(each, dict):
            yield from _schemas(each)


@pytest.mark.parametrize("kind", own_kinds(), ids=lambda each: each.kind)
def test_schemas_are_structural_and_bounded(kind: Any) -> None:
    """Each level has a type and only words that a structural schema knows; each list and string of ours has a limit."""
    (version,) = definition(kind)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    for each in _schemas(schema):
        assert "type" in each or "x-kubernetes-int-or-string" in each
        assert not {"$ref", "anyOf", "title", "patternProperties", "const"} & each.keys()
        assert each.get("type") != "array" or "maxItems" in each
    assert version["subresources"] == {"status": {}}


def test_parameters_have_no_defaults() -> None:
    """Parameters are merged over others, where a default that the API server fills in would count as asked for."""
    (found,) = (definition(each) for each in own_kinds() if each.kind == "GatewayParameters")
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert not any("default" in each for each in _schemas(schema))
    assert "By default Deployment." in schema["properties"]["spec"]["properties"]["kind"]["description"]


def test_a_default_is_filled_in() -> None:
    """What is merged with nothing has its defaults in the definition."""
    (found,) = (definition(each) for each in own_kinds() if each.kind == "DirectResponse")
    body = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["body"]
    assert body == {"type": "string", "default": "", "maxLength": 4096}


def _granted(found: tuple[Rule, ...], verb: str) -> set[tuple[str, str]]:
    return {(group, each) for rule in found if verb in rule.verbs for group in rule.groups for each in rule.resources}


def test_every_kind_that_is_read_may_be_read() -> None:
    """Kinds in namespaces by one role, the others by the other; and statuses of those that have one are written.

    What is in each role beyond that, test_rights_e2e.py compares with what Headgate asks of an API server.
    """
    for found, namespaced in ((cluster_rules(), False), (namespaced_rules(), True)):
        kinds = [each for each in KINDS.values() if each.namespaced is namespaced]
        for verb in ("list", "watch"):
            assert {(each.group, each.plural) for each in kinds} <= _granted(found, verb)
        told = {(each.group, f"{each.plural}/status") for each in kinds if each in REGISTRY.with_status}
        assert told == {each for each in _granted(found, "patch") if each[1].endswith("/status")}


def test_no_more_is_granted() -> None:
    """No wildcard, no secrets but one to write, nothing of RBAC itself, and a reason for every rule."""
    every = (*cluster_rules(), *namespaced_rules(), *own_rules())
    for rule in every:
        assert rule.reason.endswith(".")
        assert "*" not in (*rule.groups, *rule.resources, *rule.verbs)
        assert "rbac.authorization.k8s.io" not in rule.groups
    for verb in ("update", "patch", "delete", "create"):
        assert ("", "secrets") not in _granted((*cluster_rules(), *namespaced_rules()), verb)
    # The Leases of replicas have names that are not known before; all else of Headgate's own is named.
    unnamed = [each for each in own_rules() if not each.names and each.verbs != ("create",)]
    assert [(each.resources, each.verbs) for each in unnamed] == [(("leases",), ("list", "watch", "patch", "delete"))]
    text = next(iter(rules().values()))
    assert yaml.safe_load(text)[0].keys() == {"apiGroups", "resources", "verbs"}


def test_the_quickstart_is_valid() -> None:
    """The objects of the quickstart that Headgate reads are as it takes them, without a warning."""
    found = list(yaml.safe_load_all((ROOT / "deploy" / "kind" / "quickstart.yaml").read_text()))
    problems = [each for raw in found if raw["kind"] != "Deployment" for each in KINDS.parse(raw).problems]
    assert problems == []
    assert len(found) == 7


def test_the_gateway_api_is_of_one_version() -> None:
    """What users are told to install is what the conformance suite belongs to."""
    (told,) = re.findall(r"/(v[\d.]+)/standard-install", (ROOT / "deploy" / "README.md").read_text())
    assert f"gateway_api={told}\n" in (ROOT / "deploy" / "kind" / "up").read_text()
    assert f"sigs.k8s.io/gateway-api {told} " in (ROOT / "tests" / "conformance" / "go.mod").read_text()


def test_the_image_is_made_of_what_there_is() -> None:
    """Each file that the Dockerfile copies is there, and is not kept from the builder."""
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    allowed = {each[1:] for each in (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().split() if each[0] == "!"}
    copied = [
        word
        for line in text.splitlines()
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert set(copied) == allowed
    assert all((ROOT / each).exists() for each in copied)
