"""Generated manifests: committed files agree with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
import re2
import yaml
from pydantic import Field

from deploy.definitions import definition, own_kinds
from deploy.generate import base, definitions, documents, example, rules
from deploy.rbac import Rule, cluster_rules, namespaced_rules, own_rules
from deploy.schema import structural
from tests.deploy.example import Example, document, label
from tests.deploy.examples import EXAMPLES
from tests.deploy.tools import ROOT, helm
from translator.objects.gateway_api.filters import HTTPCORSFilter
from translator.objects.schema.base import Fields, unique
from translator.registry import KINDS, REGISTRY


def test_committed_manifests_are_up_to_date() -> None:
    """`make manifests` has been run after the last change of models or extensions."""
    wanted = {**definitions(), **rules()}
    pages = documents()
    assert [path for path, text in pages.items() if path.read_text() != text] == [], "run `make manifests`"
    stale = [str(path.relative_to(ROOT)) for path, text in wanted.items() if path.read_text() != text]
    assert stale == [], "run `make manifests`"
    of_the_example = example()
    assert [path for path, text in of_the_example.items() if path.read_text() != text] == [], "run `make manifests`"
    folders = {path.parent for path in wanted}
    assert {each for folder in folders for each in folder.glob("*.yaml")} == set(wanted)


def test_the_kustomize_base_is_up_to_date() -> None:
    """The kustomize base is the output of the chart with default values."""
    for path, text in base(helm()).items():
        assert path.read_text() == text, "run `make manifests`"


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
def test_models_accept_the_valid_examples(example: Example) -> None:
    """The model accepts valid examples, and names the field of invalid ones, like the API server in the e2e tests."""
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
    """Each level has a type and only keywords of structural schemas; lists have limits, and keys that items do have."""
    (version,) = definition(kind)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    for each in _schemas(schema):
        assert "type" in each or "x-kubernetes-int-or-string" in each
        assert not {"$ref", "anyOf", "title", "patternProperties", "const"} & each.keys()
        assert each.get("type") != "array" or "maxItems" in each
        if "pattern" in each:
            re2.compile(each["pattern"])  # Go's expressions have the same limits
        for key in each.get("x-kubernetes-list-map-keys", ()):
            assert key in each["items"].get("required", ()) or "default" in each["items"]["properties"][key]
    assert version["subresources"] == {"status": {}}


def test_parameters_have_no_defaults() -> None:
    """Parameters have no defaults in the definition, which would override the parameters that they are merged over."""
    (found,) = (definition(each) for each in own_kinds() if each.kind == "GatewayParameters")
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert not any("default" in each for each in _schemas(schema))
    assert "By default Deployment." in schema["properties"]["spec"]["properties"]["kind"]["description"]


def test_every_field_of_parameters_is_described() -> None:
    """`kubectl explain` has a description for every field of GatewayParameters that Headgate knows."""
    (found,) = (definition(each) for each in own_kinds() if each.kind == "GatewayParameters")
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields = {name: each for one in _schemas(schema) for name, each in one.get("properties", {}).items()}
    assert [name for name, each in fields.items() if not each.get("description")] == []


def test_rules_name_the_field() -> None:
    """A rule for one field is at that field, or has its path, so that the API server's error names it."""
    (found,) = (definition(each) for each in own_kinds() if each.kind == "TrafficPolicy")
    spec = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert all(each.get("fieldPath") for each in spec["x-kubernetes-validations"])
    cors = spec["properties"]["cors"]["properties"]
    alone = {"rule": "!('*' in self && self.size() > 1)", "message": "* stands for all: remove it, or all others"}
    ruled = {name for name, each in cors.items() if each.get("x-kubernetes-validations") == [alone]}
    assert ruled == {"allowOrigins", "allowMethods", "allowHeaders"}


RESERVED = (
    "as break const continue else false for function if import in let loop namespace null package return"
    " true var void while"
)
"""The words that CEL reserves: the API server has fields of these names escaped, as ``__namespace__``."""


def _rules(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (each["rule"] for each in schema.get("x-kubernetes-validations", ()))
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _rules(each)


def test_rules_select_no_reserved_word() -> None:
    """No rule names a field by a word that CEL reserves: its estimated cost would have no bound."""
    found = [rule for each in own_kinds() for rule in _rules(definition(each)["spec"])]
    assert found
    assert [rule for rule in found if re.search(rf"\.\??({'|'.join(RESERVED.split())})\b(?!\()", rule)] == []


NAMES = Annotated[tuple[Annotated[str, Field(max_length=9)], ...], Field(max_length=4), unique(None, "twice")]


class Optional(Fields):
    """Fields that need not be set."""

    names: NAMES | None = None
    """Names."""
    unit: Literal["Second"] | None = None
    """The unit."""


def test_what_annotates_an_optional_type_counts() -> None:
    """A list that may be missing has each of its items once, and a word that may be missing is one of its choices."""
    found = structural(Optional, defaults=False)["properties"]
    assert (found["names"]["x-kubernetes-list-type"], found["names"]["maxItems"]) == ("set", 4)
    assert found["unit"]["enum"] == ["Second"]


def test_definitions_have_defaults() -> None:
    """Kinds that are not merged have defaults in the definition, others say them in descriptions only."""
    for defaults, expected in ((True, 5), (False, None)):
        found = structural(HTTPCORSFilter, defaults)["properties"]["maxAge"]
        assert found.get("default") == expected
        assert "By default 5." in found["description"] or defaults


def _granted(found: tuple[Rule, ...], verb: str) -> set[tuple[str, str]]:
    return {(group, each) for rule in found if verb in rule.verbs for group in rule.groups for each in rule.resources}


def test_every_kind_can_be_read() -> None:
    """One role has the namespaced kinds, the other one the others; statuses may be patched.

    test_rights_e2e.py compares the other permissions of each role with Headgate's requests.
    """
    for found, namespaced in ((cluster_rules(), False), (namespaced_rules(), True)):
        kinds = [each for each in KINDS.values() if each.namespaced is namespaced]
        for verb in ("list", "watch"):
            assert {(each.group, each.plural) for each in kinds} <= _granted(found, verb)
        expected = {(each.group, f"{each.plural}/status") for each in kinds if each in REGISTRY.with_status}
        assert expected == {each for each in _granted(found, "patch") if each[1].endswith("/status")}


def test_no_more_is_granted() -> None:
    """No rule has a wildcard or RBAC itself, one Secret may be written, and every rule has a reason."""
    every = (*cluster_rules(), *namespaced_rules(), *own_rules())
    for rule in every:
        assert rule.reason.endswith(".")
        assert "*" not in (*rule.groups, *rule.resources, *rule.verbs)
        assert "rbac.authorization.k8s.io" not in rule.groups
    for verb in ("update", "patch", "delete", "create"):
        assert ("", "secrets") not in _granted((*cluster_rules(), *namespaced_rules()), verb)
    # The names of replicas' Leases are not known in advance; all other rules have resourceNames.
    unnamed = [each for each in own_rules() if not each.names and each.verbs != ("create",)]
    assert [(each.resources, each.verbs) for each in unnamed] == [(("leases",), ("list", "watch", "patch", "delete"))]
    text = next(iter(rules().values()))
    assert yaml.safe_load(text)[0].keys() == {"apiGroups", "resources", "verbs"}


def test_the_quickstart_is_valid() -> None:
    """The objects of the quickstart have no problems, not even warnings."""
    found = list(yaml.safe_load_all((ROOT / "deploy" / "kind" / "quickstart.yaml").read_text()))
    problems = [each for raw in found if raw["kind"] != "Deployment" for each in KINDS.parse(raw).problems]
    assert problems == []
    assert len(found) == 7


def test_the_gateway_api_is_of_one_version() -> None:
    """The installation, the quickstart and the conformance suite use the same version of the Gateway API."""
    (version,) = re.findall(r"/(v[\d.]+)/standard-install", (ROOT / "deploy" / "README.md").read_text())
    assert f"gateway_api={version}\n" in (ROOT / "deploy" / "kind" / "up").read_text()
    assert f"sigs.k8s.io/gateway-api {version} " in (ROOT / "tests" / "conformance" / "go.mod").read_text()


def test_files_of_the_image_exist() -> None:
    """Each file that the Dockerfile copies exists, and is not ignored by the builder."""
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
