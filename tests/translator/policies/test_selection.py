"""Targets of policies in other namespaces, selected by labels, and policies that filters name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.world import Raw, edit, manifest, removal
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.translator import Translator
from xds import ROUTE, Reference

API, OURS = "gateway.networking.k8s.io", "gateway.headgate.dev"
WEB = Ref("Gateway", "infra", "web")
OFFLINE = Settings(offline=True)
RED: Raw = {"matchLabels": {"team": "red"}}


def web(name: str = "web", namespace: str = "infra") -> Raw:
    """Return a Gateway for routes of all namespaces."""
    listener = {"name": "http", "port": 10080, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    spec = {"gatewayClassName": "headgate", "listeners": [listener]}
    return manifest(f"{API}/v1", "Gateway", name, namespace, spec=spec)


def route(
    name: str,
    namespace: str = "shop",
    labels: Raw | None = None,
    *filters: Raw,
    parents: list[Raw] | None = None,
    **backend: Any,
) -> Raw:
    """Return a route of its own path, with two rules, of which the second has a name."""
    backends = [{"name": "a", "port": 80, **backend}]
    rules: list[Raw] = [
        {"matches": [{"path": {"value": f"/{name}"}}], "backendRefs": backends},
        {"name": "named", "matches": [{"path": {"value": f"/{name}-named"}}], "backendRefs": backends},
    ]
    if filters:
        rules[0]["filters"] = list(filters)
    spec = {"parentRefs": [{"name": "web", "namespace": "infra"}] if parents is None else parents, "rules": rules}
    made = manifest(f"{API}/v1", "HTTPRoute", name, namespace, spec=spec)
    made["metadata"]["labels"] = labels or {}
    return made


def policy(name: str, namespace: str = "shop", created: str = "2026-01-01T00:00:00Z", **spec: Any) -> Raw:
    """Return a policy whose origin is its name, unless it says otherwise."""
    spec.setdefault("cors", {"allowOrigins": [f"https://{name}.test"]})
    made = manifest(f"{OURS}/v1alpha1", "TrafficPolicy", name, namespace, spec=spec)
    made["metadata"]["creationTimestamp"] = created
    return made


def selector(fields: Raw | None = None, kind: str = "HTTPRoute") -> list[Raw]:
    """Return targetSelectors with one selector, by default of the label of the red team."""
    return [{"group": API, "kind": kind, **(RED if fields is None else fields)}]


def ref(kind: str, name: str, **fields: str) -> Raw:
    """Return a targetRef."""
    return {"group": API, "kind": kind, "name": name, **fields}


def grant(namespace: str, name: str | None = None, origin: str = "infra", kind: str = "HTTPRoute") -> Raw:
    """Return a ReferenceGrant from policies of a namespace to routes of another."""
    to = {"group": API, "kind": kind, **({"name": name} if name else {})}
    from_ = {"group": OURS, "kind": "TrafficPolicy", "namespace": origin}
    return manifest(f"{API}/v1beta1", "ReferenceGrant", "g", namespace, spec={"from": [from_], "to": [to]})


def serving(*raws: Raw, settings: Settings = OFFLINE) -> Translator:
    """Return a translator with a Gateway, a Service in two namespaces, and these objects."""
    made = Translator(settings)
    services = [manifest("v1", "Service", "a", each, spec={"ports": [{"port": 80}]}) for each in ("shop", "bank")]
    made.edit(map(edit, (web(), *services, *raws)))
    assert made.evaluate().failures == []
    return made


def origins(translator: Translator) -> dict[str, str]:
    """Return the origin that a path's CORS policy allows, for those that have one; "500" where a path answers so."""
    resource = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert resource is not None
    found: dict[str, str] = {}
    for host in RouteConfiguration.FromString(resource.body).virtual_hosts:
        for each in host.routes:
            allowed = [match.string_match.safe_regex.regex for match in each.match.headers if match.name == "origin"]
            path = each.match.path_separated_prefix
            if each.direct_response.status == 500:
                found[path] = "500"
            if allowed and ".test" in allowed[0]:
                found[path] = allowed[0].removeprefix("https\\:\\/\\/").removeprefix("https://").partition("\\")[0]
    return {path: name.rpartition("/")[2] for path, name in found.items()}


def test_a_selector_selects_by_labels() -> None:
    """A policy is effective at the routes of its namespace that have the labels, and follows these labels."""
    one, other = route("one", labels={"team": "red", "tier": "2"}), route("other", labels={"team": "blue"})
    far = route("far", "bank", {"team": "red"})
    translator = serving(one, other, far, policy("p", targetSelectors=selector()))
    assert origins(translator) == {"/one": "p", "/one-named": "p"}
    one["metadata"]["labels"], other["metadata"]["labels"] = {}, {"team": "red"}
    translator.edit([edit(one), edit(other)])
    assert translator.evaluate().failures == []
    assert origins(translator) == {"/other": "p", "/other-named": "p"}
    translator.edit([removal(policy("p"))])
    assert translator.evaluate().failures == []
    assert origins(translator) == {}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ({"matchLabels": {"team": "red", "tier": "1"}}, {"one"}),
        ({"matchLabels": {"team": "red"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, {"two"}),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["red", "blue"]}]}, {"one", "two", "three"}),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["red"]}]}, {"three", "four"}),
        ({"matchLabels": {"team": "green"}}, set()),
    ],
)
def test_labels_and_expressions(fields: Raw, selected: set[str]) -> None:
    """All labels and all expressions of a selector have to hold."""
    labels = {"one": {"team": "red", "tier": "1"}, "two": {"team": "red"}, "three": {"team": "blue"}, "four": {}}
    routes = [route(name, labels=found) for name, found in labels.items()]
    translator = serving(*routes, policy("p", targetSelectors=selector(fields)))
    assert origins(translator).keys() == {f"/{name}{rule}" for name in selected for rule in ("", "-named")}


def test_a_section_of_what_is_selected() -> None:
    """A selector with a sectionName is for the rules of that name."""
    translator = serving(
        route("one", labels={"team": "red"}),
        policy("p", targetSelectors=selector(RED | {"sectionName": "named"})),
    )
    assert origins(translator) == {"/one-named": "p"}


def test_a_named_target_wins_over_a_selected_one() -> None:
    """At one level a policy that names its target wins over an older one that selects it; then age and name decide."""
    old, older = "2020-01-01T00:00:00Z", "2010-01-01T00:00:00Z"
    by_labels = policy("labels", created=older, targetSelectors=selector())
    first, second = (policy(name, created=old, targetRefs=[ref("HTTPRoute", "one")]) for name in ("a", "b"))
    translator = serving(route("one", labels={"team": "red"}), by_labels, second)
    assert origins(translator)["/one"] == "b"
    translator.edit([edit(first)])
    translator.evaluate()
    assert origins(translator)["/one"] == "a"
    translator.edit([removal(first), removal(second), edit(policy("zero", targetSelectors=selector()))])
    translator.evaluate()
    assert origins(translator)["/one"] == "labels"


@pytest.mark.parametrize("found", [None, "one", "other"])
def test_a_target_elsewhere_takes_a_grant(found: str | None) -> None:
    """A policy of another namespace is effective at a target once a ReferenceGrant there permits it, and no longer."""
    there = policy("p", "infra", targetRefs=[ref("HTTPRoute", "one", namespace="shop")])
    translator = serving(route("one"), route("other"), there)
    assert origins(translator) == {}
    given = grant("shop", found)
    translator.edit([edit(given)])
    assert translator.evaluate().failures == []
    expected = {} if found == "other" else {"/one": "p", "/one-named": "p"}
    assert origins(translator) == expected
    translator.edit([edit(grant("shop", origin="elsewhere"))])
    assert translator.evaluate().failures == []
    assert origins(translator) == {}


NAMESPACES: list[tuple[Raw, set[str]]] = [
    ({"from": "Same"}, set()),
    ({"from": "All"}, {"/one", "/one-named"}),
    ({"from": "Selector", "selector": {"matchLabels": {"env": "prod"}}}, {"/one", "/one-named"}),
    ({"from": "Selector", "selector": {"matchLabels": {"env": "test"}}}, set()),
]


@pytest.mark.parametrize(("namespaces", "paths"), NAMESPACES)
def test_a_selector_reaches_other_namespaces(namespaces: Raw, paths: set[str]) -> None:
    """It does where these, by their labels if need be, are what it says, and where they permit it."""
    shop = manifest("v1", "Namespace", "shop", "")
    shop["metadata"] = {"name": "shop", "labels": {"env": "prod"}}
    found = policy("p", "infra", targetSelectors=selector(RED | {"namespaces": namespaces}))
    translator = serving(
        shop,
        route("one", labels={"team": "red"}),
        route("far", "bank", {"team": "red"}),
        found,
        grant("shop"),
    )
    assert origins(translator).keys() == paths


def test_a_namespace_gets_the_labels_that_a_selector_asks_for() -> None:
    """What a selector reaches follows the labels of namespaces."""
    shop: Raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    namespaces = {"from": "Selector", "selector": {"matchLabels": {"env": "prod"}}}
    found = policy("p", "infra", targetSelectors=selector(RED | {"namespaces": namespaces}))
    translator = serving(shop, route("one", labels={"team": "red"}), found, grant("shop"))
    assert origins(translator) == {}
    shop["metadata"]["labels"] = {"env": "prod"}
    translator.edit([edit(shop)])
    translator.evaluate()
    assert origins(translator).keys() == {"/one", "/one-named"}


def test_the_operators_namespaces_need_no_grant_for_labels() -> None:
    """Policies of these namespaces select everywhere; what they name elsewhere needs a grant all the same."""
    settings = replace(OFFLINE, policy_namespaces=frozenset({"infra"}))
    everywhere = {"namespaces": {"from": "All"}}
    objects = (route("one", labels={"team": "red"}), route("two"))
    by_name = policy("n", "infra", targetRefs=[ref("HTTPRoute", "two", namespace="shop")])
    by_labels = policy("p", "infra", targetSelectors=selector(RED | everywhere))
    other = policy("q", "bank", targetSelectors=selector(RED | everywhere), created="2000-01-01T00:00:00Z")
    assert origins(serving(*objects, by_name, by_labels, other)) == {}
    assert origins(serving(*objects, by_name, by_labels, other, settings=settings)).keys() == {"/one", "/one-named"}


def test_gateways_and_listeners_may_be_selected() -> None:
    """A selector of Gateways is at their level, or with a sectionName at that of their listeners."""
    gateway = web()
    gateway["metadata"]["labels"] = {"team": "red"}
    wide = policy("wide", "infra", targetSelectors=selector(kind="Gateway"), inheritance="Merge")
    near = policy("near", "infra", targetSelectors=selector(RED | {"sectionName": "http"}, "Gateway"))
    translator = serving(gateway, route("one"), wide)
    table = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert table is not None
    assert b"wide.test" in table.body
    translator.edit([edit(near)])
    translator.evaluate()
    table = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert table is not None
    assert b"near.test" in table.body
    assert b"wide.test" not in table.body


def extension(name: str) -> Raw:
    """Return a filter that names a policy."""
    return {"type": "ExtensionRef", "extensionRef": {"group": OURS, "kind": "TrafficPolicy", "name": name}}


def test_a_filter_of_a_rule_names_a_policy() -> None:
    """A policy without targets is for the rules that name it, and wins over one that targets their route."""
    wide = policy("wide", targetRefs=[ref("HTTPRoute", "one")])
    translator = serving(route("one", "shop", None, extension("p")), policy("p"), wide)
    assert origins(translator) == {"/one": "p", "/one-named": "wide"}
    translator.edit([removal(wide), edit(route("one", "shop", None, extension("p")))])
    translator.evaluate()
    assert origins(translator) == {"/one": "p"}
    translator.edit([edit(policy("p", cors={"allowOrigins": ["https://new.test"]}))])
    translator.evaluate()
    assert origins(translator) == {"/one": "new"}


def conditions(translator: Translator, found: Ref) -> dict[str, tuple[str, str, str]]:
    """Return status, reason and message of the conditions of a route at its parent."""
    (parent,) = translator.statuses[found]["parents"]
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in parent["conditions"]}


def test_a_filter_names_a_policy_that_does_not_exist() -> None:
    """The rule answers 500 and the route says so, until the policy is there; one of another namespace is none."""
    one = Ref("HTTPRoute", "shop", "one")
    translator = serving(route("one", "shop", None, extension("p")), policy("p", "bank"))
    assert origins(translator) == {"/one": "500"}
    status, reason, text = conditions(translator, one)["ResolvedRefs"]
    assert (status, reason) == ("False", "BackendNotFound")
    missing = "TrafficPolicy shop/p does not exist; create it or correct the reference."
    assert text == f"spec.rules[0].filters[0].extensionRef: {missing}"
    translator.edit([edit(policy("p"))])
    translator.evaluate()
    assert origins(translator) == {"/one": "p"}
    assert conditions(translator, one)["ResolvedRefs"][0] == "True"


def test_a_filter_of_a_backend_names_a_policy_that_does_not_exist() -> None:
    """The share of that backend answers 500, as with any filter of a backend that is broken."""
    translator = serving(route("one", filters=[extension("p")]))
    status, reason, text = conditions(translator, Ref("HTTPRoute", "shop", "one"))["ResolvedRefs"]
    assert (status, reason) == ("False", "BackendNotFound")
    assert text.startswith("spec.rules[0].backendRefs[0].filters[0].extensionRef: TrafficPolicy shop/p does not exist")


def test_what_was_made_step_by_step_is_what_is_made_at_once() -> None:
    """A policy that comes before its targets, grants and labels has the effect of one that comes after them."""
    parts = [
        edit(route("one", labels={"team": "red"})),
        edit(grant("shop")),
        edit(policy("p", "infra", targetSelectors=selector(RED | {"namespaces": {"from": "All"}}))),
    ]
    expected = {"/one": "p", "/one-named": "p"}
    for order in ((0, 1, 2), (2, 1, 0), (2, 0, 1), (1, 2, 0)):
        translator = serving()
        for each in order:
            translator.edit([parts[each]])
            assert translator.evaluate().failures == []
        assert origins(translator) == expected
        translator.edit([Edit(parts[1].ref, None)])
        assert translator.evaluate().failures == []
        assert origins(translator) == {}
