"""HTTPRoute: its defaults, and the rules that the custom resource definition has for it."""

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.gateway_api.httproute import HTTPRoute


def route(spec: str) -> dict[str, Any]:
    """Return a route with a spec."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop"},
        "spec": raw(spec),
    }


def rule(text: str) -> dict[str, Any]:
    """Return a route with one rule."""
    return route(f"{{rules: [{text}]}}")


def test_no_rules() -> None:
    """A route without rules has one, which matches every path and has no backend."""
    spec = valid(HTTPRoute, route("{}")).spec
    assert spec == valid(HTTPRoute, route("{rules: [{matches: [{path: {type: PathPrefix, value: /}}]}]}")).spec
    assert spec.rules[0].backend_refs == ()


def test_defaults() -> None:
    """What is not written has the values that the API server gives it."""
    spec = valid(HTTPRoute, route("{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: a, port: 80}]}]}")).spec
    parent, (only,) = spec.parent_refs[0], spec.rules
    assert (parent.group, parent.kind, parent.namespace) == ("gateway.networking.k8s.io", "Gateway", None)
    assert (only.matches[0].path.type, only.matches[0].path.value) == ("PathPrefix", "/")
    backend = only.backend_refs[0]
    assert (backend.group, backend.kind, backend.weight) == ("", "Service", 1)


def test_defaults_of_matches() -> None:
    """A match without a path matches every path; headers and parameters are compared exactly."""
    (only,) = valid(
        HTTPRoute, rule("{matches: [{headers: [{name: a, value: b}], queryParams: [{name: c, value: d}]}]}")
    ).spec.rules
    (match,) = only.matches
    assert (match.path.type, match.path.value) == ("PathPrefix", "/")
    assert (match.headers[0].type, match.query_params[0].type) == ("Exact", "Exact")


def test_defaults_of_filters() -> None:
    """A redirect is temporary (302) unless it says otherwise, and a CORS answer is kept for five seconds."""
    (only,) = valid(
        HTTPRoute, rule("{filters: [{type: RequestRedirect, requestRedirect: {}}, {type: CORS, cors: {}}]}")
    ).spec.rules
    redirect, cors = only.filters[0].request_redirect, only.filters[1].cors
    assert redirect is not None
    assert redirect.status_code == 302
    assert cors is not None
    assert (cors.max_age, cors.allow_credentials) == (5, False)


@pytest.mark.parametrize(
    ("written", "held"),
    [("10s", 10_000), ("500ms", 500), ("1h30m", 5_400_000), ("0s", 0), ("1m1m", 120_000), ("99999h", 359_996_400_000)],
)
def test_durations(written: str, held: int) -> None:
    """A duration of GEP-2257 is held in milliseconds."""
    timeouts = valid(HTTPRoute, rule(f"{{timeouts: {{request: {written}}}}}")).spec.rules[0].timeouts
    assert timeouts is not None
    assert timeouts.request == held


@pytest.mark.parametrize("written", ["10", "1.5s", "-1s", "1us", "100000s", "1h1h1h1h1h", "''", "10S", "7"])
def test_bad_durations(written: str) -> None:
    """What is no duration of GEP-2257 is refused, with what one looks like."""
    found = errors(rule(f"{{timeouts: {{request: {written}}}}}"))
    assert len(found) == 1
    assert found[0].startswith("spec.rules[0].timeouts.request: must be a duration, like 10s, 500ms or 1h30m")


@pytest.mark.parametrize("path", ["/", "/cart", "/a%20b", "/a.b/..c", "/~!$&'()*+,;=:@"])
@pytest.mark.parametrize("kind", ["Exact", "PathPrefix"])
def test_paths(kind: str, path: str) -> None:
    """A path that is absolute and in its normal form can be matched."""
    document = rule("{matches: [{path: {}}]}")
    document["spec"]["rules"][0]["matches"][0]["path"] = {"type": kind, "value": path}
    assert valid(HTTPRoute, document).spec.rules[0].matches[0].path.value == path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cart", "must start with '/'"),
        ("/a//b", "must not contain '//', which no normalised path does"),
        ("/a/./b", "must not contain '/./', which no normalised path does"),
        ("/a/../b", "must not contain '/../', which no normalised path does"),
        ("/a%2fb", "must not contain '%2f', which no normalised path does"),
        ("/a%2Fb", "must not contain '%2F', which no normalised path does"),
        ("/a#b", "must not contain '#', which no normalised path does"),
        ("/a/..", "must not end with '/..', which no normalised path does"),
        ("/a/.", "must not end with '/.', which no normalised path does"),
        ("/a b", "may hold only the characters of a URL path: write others in the form %20"),
        ("/a%zz", "may hold only the characters of a URL path: write others in the form %20"),
        ("/a\n", "may hold only the characters of a URL path: write others in the form %20"),
        ("/" + "a" * 1024, "must be at most 1024 characters long: shorten it"),
    ],
)
def test_bad_paths(path: str, expected: str) -> None:
    """A path that no request can have is refused, unless it is a regular expression."""
    document = rule("{matches: [{path: {}}]}")
    written = document["spec"]["rules"][0]["matches"][0]
    written["path"] = {"type": "Exact", "value": path}
    assert errors(document) == [f"spec.rules[0].matches[0].path.value: {expected}"]
    written["path"]["type"] = "RegularExpression"
    assert bool(errors(document)) == (len(path) > 1024)


BACKEND = "backendRefs: [{name: a, port: 80}]"
PREFIX = "path: {type: ReplacePrefixMatch, replacePrefixMatch: /}"
MODIFIER = "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}"
RULES = {
    "redirect with backends": (
        f"{{filters: [{{type: RequestRedirect, requestRedirect: {{}}}}], {BACKEND}}}",
        "filters[0].requestRedirect: cannot go with backendRefs, as no request gets there: remove one of them",
    ),
    "redirect with rewrite": (
        "{filters: [{type: URLRewrite, urlRewrite: {}}, {type: RequestRedirect, requestRedirect: {}}]}",
        "filters[0]: a URLRewrite filter cannot go with a RequestRedirect filter: remove one of them",
    ),
    "repeated filter": (
        f"{{filters: [{MODIFIER}, {MODIFIER}]}}",
        "filters[1]: a RequestHeaderModifier filter can be there once only: merge it with the earlier one",
    ),
    "member of another type": (
        "{filters: [{type: CORS, cors: {}, urlRewrite: {}}]}",
        "filters[0].urlRewrite: must not be set when type is CORS: remove it, or set type to URLRewrite",
    ),
    "no member": (
        "{filters: [{type: ExtensionRef}]}",
        "filters[0].extensionRef: is required when type is ExtensionRef: add it, or change the type",
    ),
    "prefix of an exact match": (
        "{matches: [{path: {type: Exact, value: /a}}], "
        f"filters: [{{type: URLRewrite, urlRewrite: {{{PREFIX}}}}}]}}",
        "filters[0].urlRewrite.path.type: ReplacePrefixMatch needs a rule with exactly one match, whose path is a "
        "PathPrefix: split it",
    ),
    "prefix of several matches": (
        f"{{matches: [{{}}, {{}}], filters: [{{type: RequestRedirect, requestRedirect: {{{PREFIX}}}}}]}}",
        "filters[0].requestRedirect.path.type: ReplacePrefixMatch needs a rule with exactly one match, whose path is a "
        "PathPrefix: split it",
    ),
    "prefix of a backend": (
        "{matches: [{path: {type: Exact, value: /a}}], backendRefs: [{name: a, port: 80, filters: "
        f"[{{type: URLRewrite, urlRewrite: {{{PREFIX}}}}}]}}]}}",
        "backendRefs[0].filters[0].urlRewrite.path.type: ReplacePrefixMatch needs a rule with exactly one match, whose "
        "path is a PathPrefix: split it",
    ),
    "path modifier": (
        "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replacePrefixMatch: /}}}]}",
        "filters[0].urlRewrite.path.replaceFullPath: is required when type is ReplaceFullPath: add it",
        "filters[0].urlRewrite.path.replacePrefixMatch: must not be set when type is ReplaceFullPath: remove it, or "
        "set type to ReplacePrefixMatch",
    ),
    "status of a redirect": (
        "{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304}}]}",
        "filters[0].requestRedirect.statusCode: must be 301, 302, 303, 307 or 308",
    ),
    "percent and fraction": (
        "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, percent: 5, "
        "fraction: {numerator: 1}}}]}",
        "filters[0].requestMirror.fraction: must not be set together with percent: remove one of them",
    ),
    "more than the whole": (
        "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, "
        "fraction: {numerator: 3, denominator: 2}}}]}",
        "filters[0].requestMirror.fraction.numerator: must be at most the denominator, 2",
    ),
    "repeated header": (
        "{filters: [{type: RequestHeaderModifier, requestHeaderModifier: "
        "{add: [{name: a, value: b}, {name: c, value: d}, {name: a, value: e}]}}]}",
        "filters[0].requestHeaderModifier.add[2]: has the header name of an earlier entry: put the values into one, "
        "with commas between them",
    ),
    "header name": (
        "{matches: [{headers: [{name: 'a b', value: c}]}]}",
        "matches[0].headers[0].name: must be a header name: letters, digits and any of !#$%&'*+-.^_`|~",
    ),
    "repeated header match": (
        "{matches: [{headers: [{name: a, value: b}, {name: a, value: c}]}]}",
        "matches[0].headers[1]: has the header name of an earlier entry: a header is matched once",
    ),
    "repeated parameter match": (
        "{matches: [{queryParams: [{name: a, value: b}, {name: a, value: c}]}]}",
        "matches[0].queryParams[1]: has the parameter name of an earlier entry: a parameter is matched once",
    ),
    "method": (
        "{matches: [{method: get}]}",
        "matches[0].method: must be GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE or PATCH, not 'get'; did you "
        "mean GET?",
    ),
    "wildcard among origins": (
        "{filters: [{type: CORS, cors: {allowOrigins: ['https://a.example', '*']}}]}",
        "filters[0].cors.allowOrigins[1]: * stands for all: remove it, or all others",
    ),
    "origin with a path": (
        "{filters: [{type: CORS, cors: {allowOrigins: ['https://a.example/']}}]}",
        "filters[0].cors.allowOrigins[0]: must be * or an origin without a path, like https://shop.example.com or "
        "https://*.example.com:8443",
    ),
    "repeated method of CORS": (
        "{filters: [{type: CORS, cors: {allowMethods: [GET, GET]}}]}",
        "filters[0].cors.allowMethods[1]: is in the list already: remove it",
    ),
    "settings of another protocol": (
        "{filters: [{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: a, port: 80}, http: {}}}]}",
        "filters[0].externalAuth.grpc: is required when protocol is GRPC: add it",
        "filters[0].externalAuth.http: must not be set when protocol is GRPC: remove it",
    ),
    "longer try than all tries": (
        "{timeouts: {request: 1s, backendRequest: 1001ms}}",
        "timeouts.backendRequest: must not be longer than request: shorten it, or lengthen request",
    ),
    "Service without a port": (
        "{backendRefs: [{name: a}]}",
        "backendRefs[0].port: is required for a Service: add one of its ports, or the group and kind of what is meant",
    ),
    "XBackend with a port": (
        "{backendRefs: [{group: gateway.networking.x-k8s.io, kind: XBackend, name: a, port: 80}]}",
        "backendRefs[0].port: must not be set for an XBackend, which has its own: remove it",
    ),
    "weight": ("{backendRefs: [{name: a, port: 80, weight: -1}]}", "backendRefs[0].weight: must be at least 0"),
    "codes of retries": ("{retry: {codes: [200]}}", "retry.codes[0]: must be at least 400"),
    "permanent session": (
        "{sessionPersistence: {type: Cookie, cookie: {lifetimeType: Permanent}}}",
        "sessionPersistence.absoluteTimeout: is required when the cookie's lifetimeType is Permanent: add it",
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


def test_no_timeout_is_no_limit() -> None:
    """A timeout of a try may be longer than one of the request that is 0, and so none."""
    assert errors(rule("{timeouts: {request: 0s, backendRequest: 5s}}")) == []


PARENTS = {
    "other sections": ("[{name: a, sectionName: x}, {name: a, sectionName: y}]",),
    "other ports": ("[{name: a, port: 80}, {name: a, port: 81}]",),
    "other parents": ("[{name: a}, {name: b}, {name: a, namespace: c}, {name: a, kind: Service, group: ''}]",),
    "all and a section": (
        "[{name: a}, {name: a, sectionName: x}]",
        "spec.parentRefs[1]: names the parent of an earlier entry: give both a sectionName, or both a port",
    ),
    "a section and a port": (
        "[{name: b}, {name: a, port: 80}, {name: a, sectionName: x}]",
        "spec.parentRefs[2]: names the parent of an earlier entry: give both a sectionName, or both a port",
    ),
    "the same": (
        "[{name: a, sectionName: x}, {name: a, sectionName: x}]",
        "spec.parentRefs[1]: repeats an earlier entry: remove it, or change its sectionName or port",
    ),
}


@pytest.mark.parametrize("case", PARENTS.values(), ids=PARENTS.keys())
def test_parents(case: tuple[str, ...]) -> None:
    """Several references to one parent must tell its sections or ports apart."""
    text, *expected = case
    assert errors(route(f"{{parentRefs: {text}}}")) == expected


def test_names_of_rules() -> None:
    """No two rules of a route have the same name, while any number have none."""
    assert errors(route("{rules: [{name: a}, {}, {}, {name: b}, {name: a}]}")) == [
        "spec.rules[4].name: is the name of an earlier rule: choose another"
    ]


def test_number_of_matches() -> None:
    """A route has up to 128 matches in all its rules."""
    full: list[dict[str, Any]] = [{"matches": [{}] * 64}] * 2
    assert errors(route("{}") | {"spec": {"rules": full}}) == []
    assert errors(route("{}") | {"spec": {"rules": [*full, {}]}}) == [
        "spec.rules: have 129 matches in all, and 128 are the most: split the route"
    ]


def test_number_of_rules() -> None:
    """A route has one to 16 rules, where it has a list of them."""
    assert errors(route("{rules: []}")) == ["spec.rules: must have at least 1 item: add one"]
    many = route("{}") | {"spec": {"rules": [{}] * 17}}
    assert errors(many) == ["spec.rules: must have at most 16 items: remove some"]


@pytest.mark.parametrize("name", ["a..b", "*", "a.*.b", "Shop.example.com", "-a", "a:80", "a" * 254, ""])
def test_bad_hostnames(name: str) -> None:
    """A hostname is a lower-case DNS name, of which the first label may be a wildcard."""
    found = errors(route("{}") | {"spec": {"hostnames": [name]}})
    assert len(found) == 1
    assert found[0].startswith("spec.hostnames[0]: ")
