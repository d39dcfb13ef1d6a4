"""Random Gateways with routes, and random requests near what these match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.live.objects import GATEWAY, ROUTES, Manifest
from tests.translator.strategies import Raw, fields, maybe, one, some

HEADGATE = "gateway.headgate.dev/v1alpha1"
HOSTS = ("x.test", "*.x.test", "y.x.test", "*.test")
ASKED_HOSTS = (
    "x.test",
    "y.x.test",
    "y.x.test",
    "z.y.x.test",
    "a.x.test",
    "q.test",
    "other.example",
    "X.Test",
    "y.x.test:81",
)
PATHS = ("/", "/p", "/p/q", "/p/q/", "/pq", "/P")
EXPRESSIONS = ("/p.*", "/p/[a-z]+", "/(p|pq)/?", ".*q")
ENDINGS = (
    "",
    "",
    "/",
    "/q",
    "/q/r",
    "//q",
    "/./q",
    "/../pq",
    "/%71",
    "%2Fq",
    "/..;a/b",
    "?",
    "?a=1",
    "?a=2&a=1",
    "/q?b=x",
)
REGEX = "RegularExpression"


@dataclass(frozen=True)
class World:
    """Objects beside those that each test begins with; the port of the Gateway's listeners is 0."""

    objects: tuple[Manifest, ...]


@dataclass(frozen=True)
class Asked:
    """A request of a client, with a body of so many bytes."""

    method: str
    host: str
    path: str
    headers: tuple[tuple[str, str], ...]
    size: int | None = None


def _matches() -> st.SearchStrategy[Raw]:
    path = st.one_of(
        fields(type="PathPrefix", value=one(*PATHS)),
        fields(type="PathPrefix", value=one(*PATHS)),
        fields(type="Exact", value=one(*PATHS)),
        fields(type=REGEX, value=one(*EXPRESSIONS)),
    )
    headers = fields(name=one("x-a", "X-B", "host"), value=one("1", "2", "x.test"), type=one("Exact", None)) | fields(
        name=one("x-a", "x-b"), type=REGEX, value=one("[12]", "1,2", ".*")
    )
    query = fields(name=one("a", "b"), value=one("1", "x")) | fields(name=one("a"), type=REGEX, value="[0-9]*")
    return fields(
        path=maybe(path),
        method=maybe(one("GET", "POST", "OPTIONS")),
        headers=maybe(some(headers, 2, 1, by=lambda found: found["name"].lower())),
        queryParams=maybe(some(query, 1, 1)),
    )


def _changes() -> st.SearchStrategy[Raw]:
    header = fields(name=one("x-a", "x-c"), value=one("9", "50%", "a b"))
    return fields(set=some(header, 1), add=some(header, 1, by=lambda found: found["name"])).filter(
        lambda found: not {each["name"] for each in found["set"]} & {each["name"] for each in found["add"]}
    ) | fields(remove=one(["x-a"], ["X-B", "x-c"]))


def _path_change() -> st.SearchStrategy[Raw]:
    return fields(type="ReplaceFullPath", replaceFullPath=one("/new", "/")) | fields(
        type="ReplacePrefixMatch", replacePrefixMatch=one("/new", "/", "/n/", "")
    )


def _forwarding() -> st.SearchStrategy[list[Raw]]:
    request = fields(type="RequestHeaderModifier", requestHeaderModifier=_changes())
    host = fields(
        type="RequestHeaderModifier", requestHeaderModifier=one({"set": [{"name": "Host", "value": "set.test"}]})
    )
    rewrite = fields(
        type="URLRewrite", urlRewrite=fields(hostname=maybe(one("new.test")), path=maybe(_path_change()))
    ).filter(lambda found: bool(found["urlRewrite"]))
    cors = one({"type": "CORS", "cors": {"allowOrigins": ["https://a.test"]}})
    named = st.none() | st.none() | _named_policy()
    return st.tuples(st.none() | request | host, st.none() | rewrite, st.none() | st.none() | cors, named).map(
        lambda found: [each for each in found if each is not None]
    )


def _answering() -> st.SearchStrategy[list[Raw]]:
    redirect = fields(
        scheme=maybe(one("https", "http")),
        hostname=maybe(one("to.test")),
        port=maybe(one(80, 443, 8443)),
        path=maybe(_path_change()),
        statusCode=maybe(one(301, 302, 303, 307, 308)),
    )
    extension = {"group": "gateway.headgate.dev", "kind": "DirectResponse"}
    return st.one_of(
        fields(type="RequestRedirect", requestRedirect=redirect).map(lambda found: [found]),
        fields(type="ExtensionRef", extensionRef=fields(name=one("teapot", "missing"), **extension)).map(
            lambda found: [found]
        ),
    )


def _named_policy() -> st.SearchStrategy[Raw]:
    reference = {"group": HEADGATE.partition("/")[0], "kind": "TrafficPolicy", "name": "named"}
    return st.just({"type": "ExtensionRef", "extensionRef": reference})


def _backends() -> st.SearchStrategy[list[Raw]]:
    changes = fields(type="RequestHeaderModifier", requestHeaderModifier=_changes())
    named = one("alpha", "alpha", "beta", "gamma", "empty", "nobody")
    filters = maybe(some(changes | _named_policy(), 1))
    backend = fields(name=named, port=80, weight=maybe(one(0, 1, 3)), filters=filters)
    return some(backend, 2, 1, by=lambda found: found["name"])


def _with_legal_prefixes(rule: Raw) -> Raw:
    """Return a rule whose prefix is replaced only where it matches one prefix (Gateway API, `HTTPPathModifier`)."""
    replaced = "ReplacePrefixMatch" in repr(rule["filters"])
    if not replaced:
        return rule
    (first, *_) = rule["matches"] or [{}]
    path = first.get("path", {})
    prefix = path if path.get("type") == "PathPrefix" else {"type": "PathPrefix", "value": "/p"}
    return {**rule, "matches": [{**first, "path": prefix}]}


def _rule(mark: str, name: str) -> st.SearchStrategy[Raw]:
    marking = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-rule", "value": mark}]}}

    def marked(filters: list[Raw]) -> list[Raw]:
        return [marking, *filters]

    matches = some(_matches(), 2)
    forwarding = fields(name=name, matches=matches, filters=_forwarding().map(marked), backendRefs=_backends())
    answering = fields(name=name, matches=matches, filters=_answering().map(marked))
    return (forwarding | forwarding | answering).map(_with_legal_prefixes)


def _route(name: str) -> st.SearchStrategy[Raw]:
    rules = st.integers(1, 3).flatmap(
        lambda count: st.tuples(*(_rule(f"{name}/{place}", f"n{place}") for place in range(count)))
    )
    spec = fields(
        parentRefs=st.just([{"name": GATEWAY}]),
        hostnames=one([], [], [], ["*.test"], ["x.test"], ["y.x.test", "*.x.test"]),
        rules=rules.map(list),
    )
    return fields(apiVersion=ROUTES, kind="HTTPRoute", metadata={"name": name}, spec=spec)


def _gateways() -> st.SearchStrategy[Raw]:
    hostnames = one((None,), (None,), (None,), (None, "*.x.test"), ("*.x.test", "y.x.test"), ("x.test",))

    def made(names: tuple[str | None, ...]) -> Raw:
        listeners: list[dict[str, Any]] = [
            {"name": f"l{place}", "protocol": "HTTP", "port": 0, **({"hostname": each} if each else {})}
            for place, each in enumerate(names)
        ]
        spec = {"gatewayClassName": "headgate", "listeners": listeners}
        return {"apiVersion": ROUTES, "kind": "Gateway", "metadata": {"name": GATEWAY}, "spec": spec}

    return hostnames.map(made)


def _operations() -> st.SearchStrategy[Raw]:
    header = fields(name=one("x-a", "x-c", "x-d"), value=one("p", "100%"))
    computed = fields(name=one("x-a", "x-c"), value=one("%REQ(x-b)%", "%REQ(X-A)%"), format=True)
    matches = one({"prefix": "x-b"}, {"suffix": "A"}, {"regex": "x-[bc]"}, {"contains": "-a"}, {"exact": "X-c"})
    lists = fields(
        set=maybe(some(header | computed, 1)),
        add=maybe(some(header, 1)),
        addIfAbsent=maybe(some(header, 1)),
        remove=maybe(one(["x-a"], ["x-b"])),
        removeOnMatch=maybe(some(matches, 1)),
    )
    return lists.filter(_in_one_way)


def _in_one_way(found: Raw) -> bool:
    names = [each["name"] for way in ("set", "add", "addIfAbsent") for each in found.get(way, ())]
    names += found.get("remove", [])
    return bool(found) and len(set(names)) == len(names)


def _response_operations() -> st.SearchStrategy[Raw]:
    return fields(set=maybe(some(fields(name=one("x-e", "x-f"), value="q"), 1)), remove=maybe(one(["x-rule"], ["x-g"])))


def _csrf() -> st.SearchStrategy[Raw]:
    origins = one([{"exact": "a.test"}], [{"regex": "[ab].test"}])
    return st.just({"disable": {}}) | fields(additionalOrigins=maybe(origins), percentageEnabled=maybe(one(0, 50)))


def _faults() -> st.SearchStrategy[Raw]:
    share = maybe(one(0, 30))
    abort = fields(httpStatus=one(503, 599), percentage=share) | fields(grpcStatus=one(0, 5, 14), percentage=share)
    headers = one([{"name": "x-a", "exact": "1"}], [{"name": "x-b", "regex": "[12]"}], [{"name": "x-b", "prefix": "1"}])
    return st.just({"disable": {}}) | fields(abort=abort, headers=maybe(headers))


def _policy(name: str) -> st.SearchStrategy[Raw]:
    group = {"group": ROUTES.partition("/")[0]}
    route = fields(kind="HTTPRoute", name=one("r1", "r2"), sectionName=maybe(one("n0", "n1")), **group)
    gateway = fields(kind="Gateway", name=GATEWAY, sectionName=maybe(one("l0")), **group)
    host = one(
        {"literal": "policy.test"},
        {"header": "x-a"},
        {"pathRegex": {"pattern": "^/([a-z]+).*$", "substitution": "\\1.test"}},
        {"disable": {}},
    )
    path = one(
        {"pathRegex": {"pattern": "q", "substitution": "Q"}}, {"pathRegex": {"pattern": "^/", "substitution": "/v/"}}
    )
    modifiers = fields(request=maybe(_operations()), response=maybe(_response_operations()))
    common = {
        "headerModifiers": maybe(modifiers),
        "hostRewrite": maybe(host),
        "appendXForwardedHost": maybe(one(True, False)),
        "csrf": maybe(_csrf()),
        "faultInjection": st.none() | st.none() | _faults(),
        "buffer": maybe(one({"maxRequestSize": 20}, {"maxRequestSize": "1k"}, {"disable": {}})),
        "timeouts": maybe(one({"request": "9s"}, {"request": "9s", "backendRequest": "8s"}, {"streamIdle": "7s"})),
        "retry": maybe(one({"retryOn": ["gateway-error"], "attempts": 1}, {"retryOn": ["5xx"], "statusCodes": [500]})),
    }
    of_route = fields(targetRefs=route.map(lambda found: [found]), urlRewrite=maybe(path), **common)
    of_gateway = fields(targetRefs=gateway.map(lambda found: [found]), enforced=maybe(one(True)), **common)
    return fields(apiVersion=HEADGATE, kind="TrafficPolicy", metadata={"name": name}, spec=of_route | of_gateway)


def _policy_for_filters() -> st.SearchStrategy[Raw]:
    modifiers = fields(request=_operations(), response=maybe(_response_operations()))
    spec = fields(headerModifiers=modifiers, csrf=maybe(_csrf()), buffer=maybe(one({"maxRequestSize": 30})))
    return fields(apiVersion=HEADGATE, kind="TrafficPolicy", metadata={"name": "named"}, spec=spec)


def worlds() -> st.SearchStrategy[World]:
    """Return Gateways with up to three routes, which overlap and fail in many ways, and policies for them."""
    routes = st.tuples(_route("r1"), *(st.none() | _route(name) for name in ("r2", "r3")))
    targeting = (st.none() | _policy(name) for name in ("p1", "p2", "p3"))
    policies = st.tuples(_policy_for_filters(), *targeting)
    return st.tuples(_gateways(), routes, policies).map(
        lambda found: World((found[0], *(each for each in (*found[1], *found[2]) if each is not None)))
    )


def requests() -> st.SearchStrategy[Asked]:
    """Return requests near what the routes match."""
    preflight = (("Origin", "https://a.test"), ("Access-Control-Request-Method", "GET"))
    foreign = (("Origin", "https://b.test"), ("Access-Control-Request-Method", "POST"))
    plain: list[tuple[tuple[str, str], ...]] = [
        (),
        (),
        (("x-a", "1"),),
        (("X-A", "2"), ("x-b", "1")),
        (("x-a", "1"), ("x-a", "2")),
        (("x_c", "1"),),
    ]
    origins = (("Origin", "https://a.test"),), (("Origin", "null"), ("Referer", "http://x.test/a")), foreign[:1]
    plain += [*origins, (("Referer", "https://b.test:81/?q"),)]
    paths = st.builds(lambda path, ending: path.rstrip("/") + ending or "/", one(*PATHS), one(*ENDINGS)).map(
        lambda path: path if path.startswith("/") else f"/{path}"
    )
    normal = st.builds(Asked, one("GET", "GET", "GET", "POST", "PUT"), one(*ASKED_HOSTS), paths, one(*plain))
    sizes = one("POST", "PUT"), one(*ASKED_HOSTS), paths, one(*plain), one(0, 20, 21, 40_000)
    options = st.builds(Asked, one("OPTIONS"), one(*ASKED_HOSTS), paths, one(preflight, foreign, ()))
    return normal | normal | normal | options | st.builds(Asked, *sizes)
