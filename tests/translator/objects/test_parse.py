"""Parsing of documents into objects, or into problems that say what to do."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translator.objects.written import errors, raw, valid, warnings
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.kubernetes.core import ConfigMap, Namespace
from translator.objects.parse import MOST_PROBLEMS
from translator.objects.schema.unknown_fields import Plan, plan
from translator.refs import Ref
from translator.registry import KINDS

CONFIG_MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}"
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: web, labels: {app: shop}}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /cart}}]
    backendRefs: [{name: cart, port: 80}]
"""


def test_registry() -> None:
    """Every kind that is read is known by its name, and says where an API server has it."""
    found = {(m.group, m.versions[0], m.plural): m.namespaced for m in KINDS.values()}
    assert len(found) == len(KINDS)
    assert (
        found.items()
        >= {
            ("gateway.networking.k8s.io", "v1", "gatewayclasses"): False,
            ("gateway.networking.k8s.io", "v1", "gateways"): True,
            ("gateway.networking.k8s.io", "v1", "httproutes"): True,
            ("gateway.networking.k8s.io", "v1", "referencegrants"): True,
            ("gateway.headgate.dev", "v1alpha1", "directresponses"): True,
            ("", "v1", "namespaces"): False,
            ("", "v1", "services"): True,
            ("discovery.k8s.io", "v1", "endpointslices"): True,
            ("", "v1", "secrets"): True,
            ("", "v1", "configmaps"): True,
            ("gateway.headgate.dev", "v1alpha1", "gatewayparameters"): True,
            ("apps", "v1", "deployments"): True,
            ("apps", "v1", "daemonsets"): True,
            ("", "v1", "pods"): True,
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions"): False,
        }.items()
    )
    assert all(kind == model.kind for kind, model in KINDS.items())


@pytest.mark.parametrize("kind", ["GatewayClass", "Gateway", "HTTPRoute", "ReferenceGrant"])
def test_both_versions_are_served(kind: str) -> None:
    """The kinds that Gateway API serves as v1 and as v1beta1 are read as both."""
    assert KINDS[kind].versions == ("v1", "v1beta1")


def test_versions_give_the_same_value() -> None:
    """An object is the same value whichever version it is written in."""
    older = raw(ROUTE) | {"apiVersion": "gateway.networking.k8s.io/v1beta1"}
    assert valid(HTTPRoute, ROUTE) == valid(HTTPRoute, older)


def test_ref() -> None:
    """An object's name among all is its kind, its namespace and its name."""
    assert valid(HTTPRoute, ROUTE).ref == Ref("HTTPRoute", "web", "shop")


def test_default_namespace() -> None:
    """A namespaced object that names no namespace is in the namespace "default"."""
    assert valid(ConfigMap, CONFIG_MAP).ref == Ref("ConfigMap", "default", "settings")


def test_namespace_of_cluster_scoped_kind() -> None:
    """The namespace of an object that lives in none is dropped, and warned of."""
    document = "{apiVersion: v1, kind: Namespace, metadata: {name: web, namespace: web}}"
    parsed = KINDS.parse(raw(document))
    assert isinstance(parsed.object, Namespace)
    assert parsed.object.ref == Ref("Namespace", "", "web")
    assert warnings(document) == [
        "metadata.namespace: has no effect, because a Namespace is in no namespace: remove it"
    ]


def test_kinds_that_are_not_supported_yet() -> None:
    """A kind of the Gateway API that this version does not know is no mistake of whoever wrote it."""
    parsed = KINDS.parse(
        {"apiVersion": "gateway.networking.x-k8s.io/v1alpha1", "kind": "XMesh", "metadata": {"name": "web"}}
    )
    assert [(each.severity, str(each)) for each in parsed.problems] == [
        ("warning", "kind: XMesh is not supported by this version of Headgate: it is left out")
    ]


def test_kinds_of_others() -> None:
    """An object that others read, such as the StatefulSet behind a Service, is left out with a warning only."""
    parsed = KINDS.parse({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"}})
    assert parsed.object is None
    assert [(each.severity, str(each)) for each in parsed.problems] == [
        ("warning", "kind: 'StatefulSet' is not a kind that Headgate reads: it is left out")
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "must be a Kubernetes object, with apiVersion, kind and metadata"),
        ("text", "must be a Kubernetes object, with apiVersion, kind and metadata"),
        (None, "must be a Kubernetes object, with apiVersion, kind and metadata"),
        ({}, "kind: is required: it is one of GatewayClass, Gateway, ListenerSet, HTTPRoute,"),
        ({"kind": "HTTPRoute"}, "apiVersion: is required: gateway.networking.k8s.io/v1 or gateway.networking.k8s.io/"),
        ({"kind": "Service"}, "apiVersion: is required: v1"),
        ({"apiVersion": "v1", "kind": "httproutes"}, "kind: 'httproutes' is not a kind that is read here; did you m"),
        (
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Mesh"},
            "kind: 'Mesh' is not a kind that is read here; the kinds are Gatew",
        ),
        (
            {"apiVersion": "gateway.networking.k8s.io/v1alpha2", "kind": "Gateway"},
            "apiVersion: must be gateway.networking.k8s.io/v1 or gateway.networking.k8s.io/v1beta1 for a Gateway, not",
        ),
        ({"apiVersion": "networking.istio.io/v1", "kind": "Gateway"}, "apiVersion: must be gateway.networking.k8s.io"),
        ({"apiVersion": 1, "kind": ["Gateway"]}, "kind: is required"),
    ],
)
def test_what_it_is(document: Any, expected: str) -> None:
    """A document that does not say what it is gets one error that says what it can be."""
    parsed = KINDS.parse(document)
    assert parsed.object is None
    assert len(parsed.problems) == 1
    assert str(parsed.problems[0]).startswith(expected)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("{}", "metadata.name: is required: add it"),
        ("{name: ''}", "metadata.name: must not be empty"),
        ("{name: Big}", "metadata.name: may hold lower-case letters, digits, '-' and '.', and starts and ends with"),
        (f"{{name: {'a' * 254}}}", "metadata.name: must be at most 253 characters long: shorten it"),
        ("{name: a, namespace: a.b}", "metadata.namespace: may hold lower-case letters, digits and '-', and starts"),
        ("{name: 7}", "metadata.name: must be a string, not a number: put it in quotes"),
        ("{name: a, labels: {app: true}}", "metadata.labels.app: must be a string, not true or false: put it in quo"),
        ("{name: a, labels: {'a b': c}}", "metadata.labels.a b: the name must be a name of up to 63 letters"),
        ("{name: a, labels: {app: a b}}", "metadata.labels.app: may hold letters, digits, '-', '_' and '.', and st"),
        ("{name: a, annotations: [x]}", "metadata.annotations: must be an object of names and values, not a list"),
        ("{name: a, creationTimestamp: now}", "metadata.creationTimestamp: must be a time with its zone, like 2026"),
        ("[]", "metadata: must be an object with fields, not a list"),
    ],
)
def test_metadata(metadata: str, expected: str) -> None:
    """Metadata that the API server would refuse is refused, at its place and with what to do."""
    found = errors(f"{{apiVersion: v1, kind: ConfigMap, metadata: {metadata}}}")
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_names_that_are_labels() -> None:
    """Services and namespaces are part of DNS names, so that theirs hold no dots and up to 63 characters."""
    for kind in ("Service", "Namespace"):
        spec = ", spec: {ports: [{port: 80}]}" if kind == "Service" else ""
        for name in ("a.b", "a" * 64):
            found = errors(f"{{apiVersion: v1, kind: {kind}, metadata: {{name: {name}}}{spec}}}")
            assert len(found) == 1
            assert found[0].startswith("metadata.name: ")


def test_several_errors() -> None:
    """All that is wrong is told at once, each at its own place."""
    document = raw(ROUTE)
    document["spec"]["rules"][0] = {
        "matches": [{"path": {"type": "prefix", "value": 7}}],
        "backendRefs": [{"port": "http"}],
    }
    assert errors(document) == [
        "spec.rules[0].matches[0].path.type: must be Exact, PathPrefix or RegularExpression, not 'prefix'; "
        "did you mean PathPrefix?",
        "spec.rules[0].matches[0].path.value: must be a string, not a number: put it in quotes",
        "spec.rules[0].backendRefs[0].name: is required: add it",
        "spec.rules[0].backendRefs[0].port: must be a whole number, not a string",
    ]


def test_paths() -> None:
    """A problem's path leads to its place in the document as it was written."""
    document = raw(ROUTE)
    document["spec"]["rules"][0]["backendRefs"][0]["port"] = 70000
    assert [problem.path for problem in KINDS.parse(document).problems] == [
        ("spec", "rules", 0, "backendRefs", 0, "port")
    ]


@pytest.mark.parametrize("value", ["'80'", "80.0", "true", "[80]"])
def test_numbers_are_not_guessed(value: str) -> None:
    """What only looks like a number is not one, as for the API server."""
    found = errors(ROUTE.replace("port: 80", f"port: {value}"))
    assert len(found) == 1
    assert found[0].startswith("spec.rules[0].backendRefs[0].port: must be a")


def test_unknown_fields_warn() -> None:
    """Fields that are unknown, at any depth, have no effect and are warned of, with the name perhaps meant."""
    document = raw(ROUTE)
    document["status"] = {"parents": [{"anything": 1}]}
    document["metadata"]["resourceVersion"] = "7"
    document["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    document["metadata"]["label"] = {}
    document["spec"]["rules"][0]["backendrefs"] = []
    document["spec"]["rules"][0]["matches"][0]["path"]["regex"] = True
    document["specs"] = None
    assert isinstance(KINDS.parse(document).object, HTTPRoute)
    assert warnings(document) == [
        "metadata.label: is not a field that is known here; did you mean labels?",
        "spec.rules[0].matches[0].path.regex: is not a field that is known here; it has no effect: remove it",
        "spec.rules[0].backendrefs: is not a field that is known here; did you mean backendRefs?",
        "specs: is not a field that is known here; did you mean spec?",
    ]


def test_attribute_names_are_no_field_names() -> None:
    """The names that attributes have in Python are not accepted for the API's own."""
    parsed = KINDS.parse(raw(ROUTE.replace("parentRefs", "parent_refs")))
    assert isinstance(parsed.object, HTTPRoute)
    assert parsed.object.spec.parent_refs == ()
    assert [problem.severity for problem in parsed.problems] == ["warning"]


def test_null_is_absent() -> None:
    """A field that is null is as if it were not there, as for the API server."""
    document = raw(ROUTE)
    document["metadata"]["labels"] = None
    document["spec"]["hostnames"] = None
    document["spec"]["rules"][0]["matches"][0] |= {"headers": None, "method": None}
    document["spec"]["rules"][0]["backendRefs"][0] |= {"weight": None, "namespace": None, "filters": None}
    expected = raw(ROUTE)
    del expected["metadata"]["labels"]
    assert valid(HTTPRoute, document) == valid(HTTPRoute, expected)


def test_null_does_not_hide_errors() -> None:
    """What is required is not there where it is null."""
    assert errors(ROUTE.replace("name: cart, ", "name: null, weight: null, ")) == [
        "spec.rules[0].backendRefs[0].name: is required: add it"
    ]


def test_parsing_changes_nothing() -> None:
    """The document is left as it was, and changing it later does not change the object."""
    document = raw(ROUTE)
    before = copy.deepcopy(document)
    route = valid(HTTPRoute, document)
    assert document == before
    document["metadata"]["labels"]["app"] = "other"
    document["spec"]["rules"].clear()
    assert route == valid(HTTPRoute, before)


def test_problems_are_bounded() -> None:
    """However much is wrong with an object, what is said of it stays readable."""
    document = raw(CONFIG_MAP) | {f"field{number}": None for number in range(1000)}
    document["data"] = {f"key{number}": number for number in range(1000)}
    problems = KINDS.parse(document).problems
    assert [problem.severity for problem in problems] == ["error"] * MOST_PROBLEMS + ["warning"] * MOST_PROBLEMS


def test_class_without_spec() -> None:
    """A missing part is named once, not by each field that would be in it."""
    api_version = "gateway.networking.k8s.io/v1"
    assert errors({"apiVersion": api_version, "kind": GatewayClass.kind, "metadata": {"name": "a"}}) == [
        "spec: is required: add it"
    ]


json_values = st.recursive(
    # With halves of surrogate pairs: JSON can hold them.
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


def field_names(level: Plan) -> set[str]:
    """Return the names of the fields at a level and below it."""
    return set(level).union(*(field_names(below) for below in level.values() if below))


FIELD_NAMES = sorted(set().union(*(field_names(plan(model)) for model in KINDS.values())))


@given(json_values)
def test_never_raises_on_json(document: Any) -> None:
    """Whatever JSON a document holds, parsing gives an object or an error, and never raises."""
    parsed = KINDS.parse(document)
    assert (parsed.object is None) == any(problem.severity == "error" for problem in parsed.problems)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.sampled_from(["metadata", "spec", "data", "stringData", "endpoints", "ports"]), json_values),
    st.recursive(
        json_values,
        lambda children: st.dictionaries(st.sampled_from(FIELD_NAMES), children | st.lists(children, max_size=3)),
        max_leaves=20,
    ),
)
def test_never_raises_on_a_known_kind(kind: str, fields: dict[str, Any], spec: Any) -> None:
    """A document of a known kind with anything in its fields is an object or has an error, and never raises."""
    model = KINDS[kind]
    api_version = f"{model.group}/{model.versions[0]}".lstrip("/")
    parsed = KINDS.parse({"metadata": {"name": "a"}, "spec": spec, **fields, "apiVersion": api_version, "kind": kind})
    assert (parsed.object is None) == any(problem.severity == "error" for problem in parsed.problems)
    assert all(isinstance(str(problem), str) for problem in parsed.problems)


@pytest.mark.parametrize(("kind", "field"), [("Secret", "stringData"), ("ConfigMap", "data")])
def test_half_a_character(kind: str, field: str) -> None:
    """Half of a surrogate pair, which JSON can hold and UTF-8 cannot, is an error and not a crash."""
    document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, field: {"key": "\ud800"}}
    assert errors(document) == [f"{field}.key: must be valid Unicode"]
    assert KINDS.parse({"apiVersion": "v1", "kind": "\ud800", "\ud800": "\ud800"}).object is None


@pytest.mark.parametrize("kind", ["ServiceAccount", "Endpoints", "ServiceMonitor", "HTTPRouteFilter", "PodTemplate"])
def test_a_kind_of_others_is_no_slip_of_the_pen(kind: str) -> None:
    """A kind that others read is left out with a warning, though its name begins like one that is read."""
    parsed = KINDS.parse({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}})
    (problem,) = parsed.problems
    assert (parsed.object, problem.severity) == (None, "warning")


@pytest.mark.parametrize(
    ("kind", "meant"), [("Gatway", "Gateway"), ("httproute", "HTTPRoute"), ("Services", "Service")]
)
def test_a_misspelt_kind_is_an_error(kind: str, meant: str) -> None:
    """A kind that is spelt much like one that is read is an error that says which one."""
    (problem,) = KINDS.parse({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}}).problems
    assert problem.severity == "error"
    assert f"did you mean {meant}?" in problem.message


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"tcpKeepalive": {}}, "spec.tcpKeepalive: is not a field that is known here; it belongs into spec.default"),
        (
            {"default": {"maxHeadersCount": 5}},
            "spec.default.maxHeadersCount: is not a field that is known here; "
            "it belongs into spec.default.httpSettings",
        ),
        (
            {"acceptHttp10": True},
            "spec.acceptHttp10: is not a field that is known here; it belongs into spec.default.httpSettings",
        ),
        (
            {"default": {"httpSettings": {"tcpKeepalive": {}}}},
            "spec.default.httpSettings.tcpKeepalive: is not a field that is known here; it belongs into spec.default",
        ),
        (
            {"default": {"enableProxyProtocol": True}},
            "spec.default.enableProxyProtocol: is not a field that is known here; write proxyProtocol: {} for it",
        ),
        ({"headers": {}}, "spec.headers: is not a field that is known here; it has no effect: remove it"),
    ],
)
def test_fields_of_other_places(spec: dict[str, Any], expected: str) -> None:
    """A field at the wrong level, or with another gateway's name, is told with where or how to write it."""
    document = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "ListenerPolicy",
        "metadata": {"name": "clients"},
        "spec": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}], **spec},
    }
    assert warnings(document) == [expected]


@pytest.mark.parametrize("group", ["gateway.headgate.dev", "gateway.envoyproxy.io"])
def test_kinds_of_other_gateways(group: str) -> None:
    """A kind of another gateway is told with what is there in its place, not with one that is like it by name."""
    parsed = KINDS.parse({"apiVersion": f"{group}/v1alpha1", "kind": "BackendTrafficPolicy", "metadata": {"name": "a"}})
    (problem,) = parsed.problems
    assert "BackendConfigPolicy" in problem.message
    assert problem.severity == ("error" if group == "gateway.headgate.dev" else "warning")
