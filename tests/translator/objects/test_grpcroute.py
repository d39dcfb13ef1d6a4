"""GRPCRoute: its defaults, and the rules that the custom resource definition has for it."""

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid, warnings
from translator.objects.gateway_api.grpcroute import GRPCRoute
from translator.objects.gateway_api.references import backend_references
from translator.registry import KINDS, REGISTRY


def route(spec: str) -> dict[str, Any]:
    """Return a route with a spec."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": "shop"},
        "spec": raw(spec),
    }


def rule(text: str) -> dict[str, Any]:
    """Return a route with one rule."""
    return route(f"{{rules: [{text}]}}")


def test_the_kind() -> None:
    """GRPCRoutes are served as v1 only, attach to listeners of HTTP and HTTPS, and get a status."""
    assert KINDS["GRPCRoute"] is GRPCRoute
    assert (GRPCRoute.versions, GRPCRoute.plural, GRPCRoute.namespaced) == (("v1",), "grpcroutes", True)
    assert [each for each in ("HTTP", "HTTPS", "TLS") if "GRPCRoute" in REGISTRY.routes_on(each)] == ["HTTP", "HTTPS"]
    assert GRPCRoute in REGISTRY.with_status


def test_no_rules() -> None:
    """A route needs no rules, and without any has none; the list may be empty, too."""
    assert valid(GRPCRoute, route("{}")).spec.rules == ()
    assert valid(GRPCRoute, route("{rules: []}")).spec.rules == ()


def test_defaults() -> None:
    """What is not written has the values that the API server gives it."""
    spec = valid(
        GRPCRoute,
        route(
            "{parentRefs: [{name: gw}], hostnames: [a.example.com], rules: [{matches: [{method: {service: a.B}, "
            "headers: [{name: c, value: d}]}], backendRefs: [{name: a, port: 80}]}]}"
        ),
    ).spec
    parent, (only,) = spec.parent_refs[0], spec.rules
    assert (parent.group, parent.kind, parent.namespace) == ("gateway.networking.k8s.io", "Gateway", None)
    (match,) = only.matches
    assert match.method is not None
    assert (match.method.type, match.method.service, match.method.method) == ("Exact", "a.B", None)
    assert match.headers[0].type == "Exact"
    backend = only.backend_refs[0]
    assert (backend.group, backend.kind, backend.weight, backend.filters) == ("", "Service", 1, ())
    assert (only.name, only.filters, only.session_persistence) == (None, (), None)


def test_what_it_names() -> None:
    """All backends of a route are found, those of mirrors too."""
    found = valid(
        GRPCRoute,
        rule(
            "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: mirror, port: 80}}}], "
            "backendRefs: [{name: backend, port: 80}]}"
        ),
    )
    assert sorted(each.name for each in backend_references(found.spec)) == ["backend", "mirror"]
    assert valid(GRPCRoute, route("{hostnames: [a.example.com]}")).hostnames == ("a.example.com",)


@pytest.mark.parametrize("service", ["a", "A_1", "_", "shop.v1.Cart", ".shop.v1.Cart", "\u212a\u017f", "a" * 1024])
@pytest.mark.parametrize("method", ["a", "_Add1", "A" * 1024])
def test_names(service: str, method: str) -> None:
    """The names that protobuf has can be matched."""
    document = rule("{matches: [{method: {}}]}")
    document["spec"]["rules"][0]["matches"][0]["method"] = {"service": service, "method": method}
    assert errors(document) == []


SERVICE = "must be the full name of a service, like shop.cart.v1.CartService"
METHOD = "must be the name of a method, like AddItem"
LONG = "must be at most 1024 characters long: shorten it"


@pytest.mark.parametrize(
    ("member", "name", "expected"),
    [
        *(
            ("service", name, SERVICE)
            for name in ("", "a/b", "1a", "a..b", "a.", "..a", "a b", "a-b", "/a", "a\n", "é")
        ),
        *(("method", name, METHOD) for name in ("", "a/b", "1a", "a.b", "a b", "a-b", "/a", "a\n", "é")),
        ("service", "a" * 1025, LONG),
        ("method", "a" * 1025, LONG),
    ],
)
def test_bad_names(member: str, name: str, expected: str) -> None:
    """A name that no service or method can have is refused, unless it is a regular expression."""
    document = rule("{matches: [{method: {}}]}")
    written = document["spec"]["rules"][0]["matches"][0]
    written["method"] = {member: name}
    assert errors(document) == [f"spec.rules[0].matches[0].method.{member}: {expected}"]
    written["method"]["type"] = "RegularExpression"
    assert bool(errors(document)) == (len(name) > 1024)


MODIFIER = "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}"
RULES = {
    "neither service nor method": (
        "{matches: [{method: {}}]}",
        "matches[0].method: needs a service or a method: add one of them, or remove the match",
    ),
    "expressions of neither": (
        "{matches: [{method: {type: RegularExpression}}]}",
        "matches[0].method: needs a service or a method: add one of them, or remove the match",
    ),
    "type of a match": (
        "{matches: [{method: {type: Prefix, service: a}}]}",
        "matches[0].method.type: must be Exact or RegularExpression, not 'Prefix'",
    ),
    "header name": (
        "{matches: [{headers: [{name: 'a b', value: c}]}]}",
        "matches[0].headers[0].name: must be a header name: letters, digits and any of !#$%&'*+-.^_`|~",
    ),
    "empty header": (
        "{matches: [{headers: [{name: a, value: ''}]}]}",
        "matches[0].headers[0].value: must not be empty",
    ),
    "repeated header match": (
        "{matches: [{headers: [{name: a, value: b}, {name: a, value: c}]}]}",
        "matches[0].headers[1]: has the header name of an earlier entry: a header is matched once",
    ),
    "repeated filter": (
        f"{{filters: [{MODIFIER}, {MODIFIER}]}}",
        "filters[1]: a RequestHeaderModifier filter can be there once only: merge it with the earlier one",
    ),
    "repeated filter of a backend": (
        f"{{backendRefs: [{{name: a, port: 80, filters: [{MODIFIER}, {MODIFIER}]}}]}}",
        "backendRefs[0].filters[1]: a RequestHeaderModifier filter can be there once only: merge it with the earlier "
        "one",
    ),
    "filter of HTTPRoutes": (
        "{filters: [{type: URLRewrite, urlRewrite: {}}]}",
        "filters[0].type: must be ResponseHeaderModifier, RequestHeaderModifier, RequestMirror or ExtensionRef, not "
        "'URLRewrite'",
    ),
    "member of another type": (
        "{filters: [{type: ExtensionRef, extensionRef: {group: a, kind: B, name: c}, responseHeaderModifier: {}}]}",
        "filters[0].responseHeaderModifier: must not be set when type is ExtensionRef: remove it, or set type to "
        "ResponseHeaderModifier",
    ),
    "no member": (
        "{filters: [{type: RequestMirror}]}",
        "filters[0].requestMirror: is required when type is RequestMirror: add it, or change the type",
    ),
    "percent and fraction": (
        "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, percent: 5, "
        "fraction: {numerator: 1}}}]}",
        "filters[0].requestMirror.fraction: must not be set together with percent: remove one of them",
    ),
    "Service without a port": (
        "{backendRefs: [{name: a}]}",
        "backendRefs[0].port: is required for a Service: add one of its ports, or the group and kind of what is meant",
    ),
    "weight": (
        "{backendRefs: [{name: a, port: 80, weight: 1000001}]}",
        "backendRefs[0].weight: must be at most 1000000",
    ),
    "session of another type": (
        "{sessionPersistence: {type: Header, cookie: {}}}",
        "sessionPersistence.cookie: must not be set when type is Header: remove it",
        "sessionPersistence.header: is required when type is Header: add it",
    ),
}


@pytest.mark.parametrize("case", RULES.values(), ids=RULES.keys())
def test_rules(case: tuple[str, ...]) -> None:
    """A rule that the API server would refuse is refused, at the field and with what to do about it."""
    text, *expected = case
    assert errors(rule(text)) == [f"spec.rules[0].{error}" for error in expected]


def test_members_of_http_routes_are_unknown() -> None:
    """What a rule of an HTTPRoute has and one of a GRPCRoute has not is warned of."""
    assert warnings(rule("{timeouts: {request: 1s}}")) == [
        "spec.rules[0].timeouts: is not a field that is known here; it has no effect: remove it"
    ]


@pytest.mark.parametrize(
    ("field", "most"), [("matches", 64), ("filters", 16), ("backendRefs", 16), ("matches[0].headers", 16)]
)
def test_most(field: str, most: int) -> None:
    """The lists of a rule have as many items as the API server takes, and no more."""
    items: dict[str, Any] = {
        "matches": {},
        "filters": {"type": "ExtensionRef", "extensionRef": {"group": "a", "kind": "B", "name": "c"}},
        "backendRefs": {"name": "a", "port": 80},
    }
    document = rule("{matches: [{}]}")
    only = document["spec"]["rules"][0]
    for count, expected in (
        (most, []),
        (most + 1, [f"spec.rules[0].{field}: must have at most {most} items: remove some"]),
    ):
        if field in items:
            only[field] = [items[field]] * count
        else:
            only["matches"][0]["headers"] = [{"name": f"h{each}", "value": "1"} for each in range(count)]
        assert errors(document) == expected


def test_rules_together() -> None:
    """A route has up to 16 rules, with different names and 128 matches together; one without matches counts as none."""
    assert errors(route("{rules: [{name: a}, {}, {name: a}]}")) == [
        "spec.rules[2].name: is the name of an earlier rule: choose another"
    ]
    assert errors(route("{}") | {"spec": {"rules": [{}] * 17}}) == [
        "spec.rules: must have at most 16 items: remove some"
    ]
    full: list[dict[str, Any]] = [{"matches": [{}] * 64}] * 2
    assert errors(route("{}") | {"spec": {"rules": [*full, {}]}}) == []
    assert errors(route("{}") | {"spec": {"rules": [*full, {"matches": [{}]}]}}) == [
        "spec.rules: have 129 matches in all, and 128 are the most: split the route"
    ]


def test_parents_and_hostnames() -> None:
    """Parents and hostnames are checked as those of other routes."""
    assert errors(route("{parentRefs: [{name: a}, {name: a, sectionName: x}]}")) == [
        "spec.parentRefs[1]: names the parent of an earlier entry: give both a sectionName, or both a port"
    ]
    assert errors(route("{hostnames: ['*.*.com']}"))[0].startswith("spec.hostnames[0]: ")
    assert errors({**route("{}"), "apiVersion": "gateway.networking.k8s.io/v1alpha2"}) == [
        "apiVersion: must be gateway.networking.k8s.io/v1 for a GRPCRoute, not 'gateway.networking.k8s.io/v1alpha2'"
    ]
