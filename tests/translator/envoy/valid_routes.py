"""Random routes, odd ones above all, that the custom resource definitions accept."""

from functools import partial
from typing import Any, TypeGuard

from hypothesis import strategies as st

from translator.objects.gateway_api.route import Route
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS

Json = dict[str, Any]
Strategy = st.SearchStrategy[Any]

TOKENS = st.text("aZ0!#$%&'*+-.^_`|~", min_size=1, max_size=4)
VALUES = st.text([chr(each) for each in range(0x21, 0x7F)], min_size=1, max_size=6)
ANYTHING = st.text('ab/:%?#&[] "\\\t\n\0é.*+$^|~', max_size=5)
EXPRESSIONS = st.sampled_from(
    ["", "/.*", "(a|b)*", "[0-9]{1,1000}", "^$", "(?i)x", r"\p{Greek}", r"\Q[\E", "(?=a)", "("],
)
NAMES = TOKENS | st.sampled_from(
    ["Host", "content-length", "Transfer-Encoding", "connection", "x-envoy-retry-on", "set-cookie", "te", "upgrade"]
)
PATHS = st.lists(
    st.lists(
        st.sampled_from([*"aZ0-._~!$&'()*+,;=:@", "%20", "%25", "%C3%A9", "%3F", "%5C", "%41"]), min_size=1, max_size=3
    ),
    max_size=3,
).map(lambda parts: "/" + "/".join("".join(part) for part in parts))
DURATIONS = st.sampled_from(["0s", "1ms", "10s", "1h30m", "99999h"])
BACKEND = {"name": "a", "port": 80}


def optional(**fields: Strategy) -> Strategy:
    """Return a map with some of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def headers(names: Strategy = NAMES) -> Strategy:
    """Return what a header modifier holds."""
    pair = st.fixed_dictionaries({"name": names, "value": VALUES | st.sampled_from(["%REQ(x)%", "100%", "a b"])})
    removed = names | ANYTHING | st.sampled_from([":path", ":authority"])
    return optional(set=few(pair), add=few(pair), remove=few(removed))


def few(elements: Strategy) -> Strategy:
    """Return a list of at most one element, which no other can contradict."""
    return st.lists(elements, max_size=1)


def path_modifiers() -> Strategy:
    """Full paths and prefixes, any text."""
    text = ANYTHING | PATHS
    return st.builds(lambda new: {"type": "ReplaceFullPath", "replaceFullPath": new}, text) | st.builds(
        lambda new: {"type": "ReplacePrefixMatch", "replacePrefixMatch": new}, text
    )


def filters() -> Strategy:
    """One filter of any type that is supported."""
    hosts = st.sampled_from(["a.com", "0b.c"])
    redirect = optional(
        hostname=hosts,
        path=path_modifiers(),
        port=st.sampled_from([1, 80, 443]),
        scheme=st.sampled_from(["http", "https"]),
        statusCode=st.sampled_from([301, 302, 303, 307, 308]),
    )
    cors = optional(
        allowOrigins=few(
            st.sampled_from(["*", "https://*", "http://*.a.com:8080", "https://*.*.com", "http://1.2.3.4:1"])
        ),
        allowMethods=few(st.sampled_from(["*", "GET"])),
        allowHeaders=few(TOKENS),
        exposeHeaders=few(TOKENS),
        allowCredentials=st.booleans(),
        maxAge=st.sampled_from([1, 2**31 - 1]),
    )
    share: st.SearchStrategy[Json] = st.sampled_from(
        [{}, {"percent": 0}, {"percent": 100}, {"fraction": {"numerator": 1, "denominator": 2**31 - 1}}]
    )
    members: dict[str, tuple[str, Strategy]] = {
        "RequestHeaderModifier": ("requestHeaderModifier", headers()),
        "ResponseHeaderModifier": ("responseHeaderModifier", headers()),
        "RequestRedirect": ("requestRedirect", redirect),
        "URLRewrite": ("urlRewrite", optional(hostname=hosts, path=path_modifiers())),
        "CORS": ("cors", cors),
        "RequestMirror": ("requestMirror", share.map(lambda part: {"backendRef": BACKEND, **part})),
    }
    return st.one_of(
        *(
            st.builds(lambda value, t=type_, m=member: {"type": t, m: value}, found)
            for type_, (member, found) in members.items()
        )
    )


def compared(names: Strategy, values: Strategy) -> Strategy:
    """Headers or query parameters to match, exactly or by expression."""
    exact = st.fixed_dictionaries({"name": names, "value": values})
    expression = st.fixed_dictionaries({"name": names, "value": EXPRESSIONS.filter(bool)})
    return few(exact | expression.map(lambda found: {**found, "type": "RegularExpression"}))


def matches() -> Strategy:
    """One match."""
    path = st.fixed_dictionaries({"type": st.sampled_from(["Exact", "PathPrefix"]), "value": PATHS}) | EXPRESSIONS.map(
        lambda found: {"type": "RegularExpression", "value": found}
    )
    method = st.sampled_from(["GET", "CONNECT", "OPTIONS"])
    parameters = compared(TOKENS, ANYTHING.filter(bool))
    return optional(path=path, headers=compared(NAMES, VALUES), queryParams=parameters, method=method)


def rules() -> Strategy:
    """One rule."""
    backend = st.builds(
        lambda weight, changes: {**BACKEND, "weight": weight, "filters": changes},
        st.sampled_from([0, 1, 1_000_000]),
        few(headers().map(lambda found: {"type": "RequestHeaderModifier", "requestHeaderModifier": found})),
    )
    timeouts = optional(request=DURATIONS) | optional(backendRequest=DURATIONS)
    retry = optional(codes=few(st.integers(400, 599)), attempts=st.sampled_from([0, 2**31 - 1]), backoff=DURATIONS)
    return optional(
        matches=st.lists(matches(), max_size=2),
        filters=st.lists(filters(), max_size=2),
        backendRefs=st.lists(backend, max_size=2),
        timeouts=timeouts,
        retry=retry,
    )


def grpc_rules() -> Strategy:
    """One rule of a GRPCRoute."""
    names = st.sampled_from(["a", "a.B", ".a.B", "_1"])
    exact = st.fixed_dictionaries({"service": names}) | st.fixed_dictionaries({"method": st.sampled_from(["A", "_1"])})
    expression = st.fixed_dictionaries({"type": st.just("RegularExpression"), "service": EXPRESSIONS | ANYTHING})
    both = st.builds(lambda found, method: {**found, "method": method}, expression, EXPRESSIONS | ANYTHING)
    match = optional(method=exact | expression | both, headers=compared(NAMES, VALUES))
    own = filters().filter(lambda found: found["type"] not in ("RequestRedirect", "URLRewrite", "CORS"))
    return optional(
        matches=st.lists(match, max_size=2),
        filters=st.lists(own, max_size=2),
        backendRefs=st.lists(
            st.builds(lambda weight: {**BACKEND, "weight": weight}, st.sampled_from([0, 1])), max_size=2
        ),
    )


def _object(kind: str, rule: Json) -> KubernetesObject | None:
    metadata = {"name": "route"}
    spec = {"parentRefs": [{"name": "web"}], "rules": [rule]}
    raw = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
    return KINDS.parse(raw).object


def _is_route(found: KubernetesObject | None) -> TypeGuard[Route]:
    return isinstance(found, Route)


def routes() -> st.SearchStrategy[Route]:
    """Return a valid HTTPRoute or GRPCRoute of one rule, in the namespace `default`, that refers to the Service `a`."""
    http = rules().map(partial(_object, "HTTPRoute"))
    return (http | http | http | grpc_rules().map(partial(_object, "GRPCRoute"))).filter(_is_route)
