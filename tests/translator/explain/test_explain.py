"""Explanations name the listener, route, policies and backend of a request, and why it is not served."""

from __future__ import annotations

import pytest

from tests.translator.explain.worlds import GATEWAY, SHOP, explained, one, policy, route, translated
from translator.explain.explain import explain
from translator.explain.request import parse_request
from translator.explain.result import Explanation, HeaderEdit, NearMiss, PolicyField

ROUTED = GATEWAY + route(f"[{SHOP}]")


def why(found: Explanation) -> str:
    """Return the one reason why a request is not served."""
    assert not found.served
    (reason,) = found.problems
    return reason


def test_a_served_request_is_followed_to_its_endpoints() -> None:
    """Each step is named: listener, filter chain, virtual host, rule and match, cluster, endpoints."""
    found = one(ROUTED, "http://example.com/a/../b?c")
    assert found.served
    assert found.listeners == ("listener http of Gateway default/web (HTTP)",)
    assert (found.listener, found.filter_chain, found.virtual_host) == ("port-80", "port-80", "*")
    assert found.path == "/b?c"
    (outcome,) = found.outcomes
    assert outcome.rule is not None
    assert (outcome.rule.route, outcome.rule.rule, outcome.rule.match) == ("HTTPRoute default/shop", "0", "0")
    assert outcome.rule.listeners == ("listener http of Gateway default/web",)
    assert outcome.conditions == ("path /*",)
    assert [each.name for each in outcome.filters][-1] == "envoy.filters.http.router"
    (destination,) = outcome.destinations
    assert destination.backend == "default/shop:80"
    assert destination.endpoints == ("10.0.0.1:8080", "10.0.0.2:8080")
    assert (destination.host, destination.path, destination.changes) == ("example.com", "/b?c", ())


def test_endpoints_of_providers() -> None:
    """Of a provider of AI those endpoints are told that a request can go to, without those at which attempts fail."""
    backend = "{group: gateway.headgate.dev, kind: Backend, name: ai}"
    provider = """---
apiVersion: gateway.headgate.dev/v1alpha1
kind: Backend
metadata: {name: ai}
spec: {ai: {providers: [{name: own, custom: {}, host: 10.0.0.9}]}}
"""
    found = one(GATEWAY + route(f"[{{backendRefs: [{backend}]}}]") + provider, "http://example.com/v1/chat/completions")
    assert [each.endpoints for outcome in found.outcomes for each in outcome.destinations] == [("10.0.0.9:443",)]


def test_changes_on_the_way_are_told() -> None:
    """Rewrites, headers in both directions, mirrors, timeouts and retries are those of the rule."""
    rules = """
    - timeouts: {request: 5s}
      retry: {codes: [503], attempts: 3, backoff: 100ms}
      filters:
      - {type: URLRewrite, urlRewrite: {hostname: in.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: 100%}], remove: [x-b]}}
      - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-c, value: d}]}}
      - {type: RequestMirror, requestMirror: {backendRef: {name: empty, port: 80}, percent: 10}}
      matches: [{path: {value: /v1}}]
      backendRefs: [{name: shop, port: 80}]"""
    (outcome,) = one(GATEWAY + route(rules), "http://example.com/v1/x?y", "GET", "x-b: 1").outcomes
    (destination,) = outcome.destinations
    assert (destination.host, destination.path) == ("in.test", "/v2/x?y")
    assert destination.changes == (HeaderEdit("remove", "x-b"), HeaderEdit("set", "x-a", "100%%"))
    assert dict(destination.headers)["x-a"] == "100%"
    assert "x-b" not in dict(destination.headers)
    assert destination.response_changes == (HeaderEdit("add", "x-c", "d"),)
    ((mirror, share),) = outcome.mirrors
    assert mirror.startswith("default/empty:80/")
    assert share == 0.1
    assert outcome.timeout == 5
    assert outcome.retries is not None
    assert (outcome.retries.attempts, outcome.retries.statuses) == (3, (503,))
    assert outcome.retries.backoff is not None


def test_a_redirect_and_a_response_are_told() -> None:
    """What the gateway answers itself is served, whatever status a user asks for."""
    answer = """
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: DirectResponse
metadata: {name: gone}
spec: {status: 503, body: later}"""
    rules = """
    - matches: [{path: {value: /old}}]
      filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]
    - filters: [{type: ExtensionRef, extensionRef: {group: gateway.headgate.dev, kind: DirectResponse, name: gone}}]"""
    world = GATEWAY + route(rules) + answer
    found = one(world, "http://example.com/old/x?y")
    assert found.served
    assert (found.outcomes[0].status, found.outcomes[0].location) == (301, "https://example.com/old/x?y")
    found = one(world, "http://example.com/new")
    assert found.served
    assert (found.outcomes[0].status, found.outcomes[0].body) == (503, "later")
    found = one(world, "http://example.com/a%2Fb")
    assert found.served
    assert (found.outcomes[0].status, found.outcomes[0].location) == (307, "/a/b")


def test_shares_of_the_requests_are_told() -> None:
    """Of a weighted split each backend has its share; one that cannot be used has the reason."""
    rules = """
    - backendRefs: [{name: shop, port: 80, weight: 3}, {name: nobody, port: 80}]"""
    found = one(GATEWAY + route(rules))
    (outcome,) = found.outcomes
    assert [each.share for each in outcome.destinations] == [0.75, 0.25]
    assert [each.status for each in outcome.destinations] == [0, 500]
    assert why(found).startswith("25% of requests: a backend of the rule cannot be used, so its share gets 500: spec.")
    assert "spec.rules[0].backendRefs[1]: Service default/nobody" in why(found)


def test_groups_are_told_in_their_order() -> None:
    """Of a Backend of groups the first member with endpoints is the destination; retries name those that follow."""
    groups = """
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: Backend
metadata: {name: groups}
spec:
  priorityGroups:
  - backendRefs: [{name: empty, port: 80}, {name: shop, port: 80, weight: 3}]
  - backendRefs: [{name: shop, port: 80}]
"""
    rules = "[{backendRefs: [{group: gateway.headgate.dev, kind: Backend, name: groups}]}]"
    (outcome,) = one(GATEWAY + route(rules) + groups).outcomes
    assert [(each.backend, each.share) for each in outcome.destinations] == [
        ("default/shop:80", 0.25),
        ("default/shop:80", 0.75),
    ]
    assert outcome.destinations[0].endpoints == ("10.0.0.1:8080", "10.0.0.2:8080")
    assert outcome.retries is not None
    assert outcome.retries.then == ("default/shop:80",)


def test_shares_that_are_routes_of_their_own_are_told() -> None:
    """Where a backend needs a route of its own, its share is an outcome of its own."""
    rewrite = "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /x}}}"
    rules = f"""
    - backendRefs: [{{name: shop, port: 80, filters: [{rewrite}]}}, {{name: shop, port: 80, weight: 3}}]"""
    found = one(GATEWAY + route(rules), "http://example.com/y")
    assert [each.share for each in found.outcomes] == [0.25, 0.75]
    assert [each.destinations[0].path for each in found.outcomes] == ["/x", "/y"]


@pytest.mark.parametrize(
    ("rules", "status", "reason"),
    [
        ("[{backendRefs: [{name: empty, port: 80}]}]", 503, "default/empty:80 has no ready endpoint"),
        (
            "[{filters: [{type: ExtensionRef, extensionRef: {group: gateway.headgate.dev, kind: DirectResponse, "
            "name: gone}}]}]",
            500,
            "spec.rules[0].filters[0].extensionRef: DirectResponse default/gone does not exist; create it or correct "
            "the reference.",
        ),
        (
            "[{backendRefs: [{name: nobody, port: 80}]}]",
            500,
            "The rule has no backend that could answer. spec.rules[0].backendRefs[0]: Service default/nobody does not "
            "exist; create it or correct the reference.",
        ),
        (
            "[{matches: [{method: POST}], backendRefs: [{name: shop, port: 80}]}]",
            404,
            "no route for the host * matches GET /; nearest is HTTPRoute/default/shop/rule/0/match/0, but the method "
            "is GET, not POST",
        ),
        (
            "[{matches: [{path: {value: /a}}], backendRefs: [{name: shop, port: 80}]}]",
            404,
            "no route for the host * matches GET /",
        ),
    ],
)
def test_what_is_not_served_has_a_status_and_a_reason(rules: str, status: int, reason: str) -> None:
    """The reason is that of the object, its field, and the way out, as its own status says it."""
    found = one(GATEWAY + route(rules))
    (outcome,) = found.outcomes
    told = outcome.status or outcome.destinations[0].status
    assert (told, why(found)) == (status, reason)


def test_a_listener_without_routes_answers_404() -> None:
    """Nothing is attached, so nothing matches."""
    assert why(one(GATEWAY)) == "no route is attached for the host example.com"


def test_an_unknown_host_has_the_nearest_name() -> None:
    """A host that no listener serves is 404, with what is served."""
    world = GATEWAY.replace("protocol: HTTP}", "protocol: HTTP, hostname: shop.example.com}") + route(f"[{SHOP}]")
    found = one(world, "http://shpo.example.com/")
    assert found.outcomes[0].status == 404
    assert why(found) == (
        "no listener serves the host shpo.example.com (did you mean shop.example.com?); served are shop.example.com"
    )


def test_refused_requests_have_a_reason() -> None:
    """What Envoy refuses before it looks for routes is told."""
    assert why(one(ROUTED, "http://example.com/", "GET", "x_y: 1")).endswith("in the name of a header are refused: x_y")
    assert "character" in why(one(ROUTED, "http://example.com/%00"))
    assert why(one(ROUTED, "http://example.com/", "GET", "connection: Upgrade", "upgrade: foo")) == (
        "upgrades to foo are not enabled"
    )
    assert one(ROUTED, "http://example.com/", "GET", "connection: upgrade", "upgrade: WebSocket").served


def test_a_near_miss_is_named() -> None:
    """A rule that would have come first, but for a header, is named with what is missing."""
    rules = f"""
    - {{matches: [{{headers: [{{name: x-v, value: "2"}}]}}], backendRefs: [{{name: shop, port: 80}}]}}
    - {SHOP}"""
    (outcome,) = one(GATEWAY + route(rules)).outcomes
    assert outcome.near_misses == (NearMiss("HTTPRoute/default/shop/rule/0/match/0", "there is no header x-v"),)


def test_near_misses_are_few() -> None:
    """Of many near misses the first five are told."""
    rules = "".join(
        f"\n    - {{matches: [{{headers: [{{name: x-{number}, value: a}}]}}], backendRefs: [{{name: shop, port: 80}}]}}"
        for number in range(9)
    )
    (outcome,) = one(GATEWAY + route(f"{rules}\n    - {SHOP}")).outcomes
    assert len(outcome.near_misses) == 5


def test_hosts_are_few() -> None:
    """Of many hosts that are served the first ten are named."""
    listeners = ", ".join(
        f"{{name: l{number}, port: 80, protocol: HTTP, hostname: h{number:02}.test}}" for number in range(12)
    )
    world = GATEWAY.replace("[{name: http, port: 80, protocol: HTTP}]", f"[{listeners}]")
    assert "h09.test, …" in why(one(world, "http://example.com/"))


def test_a_port_without_a_listener_has_a_reason() -> None:
    """The ports that are served are named, and what keeps a listener of the port from being served."""
    assert why(one(ROUTED, "http://example.com:81/")) == "Gateway default/web serves no port 81; it serves 80"
    broken = GATEWAY.replace("protocol: HTTP}", "protocol: HTTP}, {name: https, port: 443, protocol: HTTPS}")
    assert "listener https of Gateway default/web: tls: a listener of protocol HTTPS needs" in why(
        one(broken, "https://example.com/")
    )


def test_the_scheme_is_that_of_the_listener() -> None:
    """TLS to a listener without TLS fails."""
    assert why(one(ROUTED, "https://example.com:80/")) == "port 80 does not speak TLS: use http"


def test_gateways_that_serve_the_request_come_alone() -> None:
    """Of several Gateways on a port those that serve it are meant, else all; a name chooses one."""
    other = GATEWAY.split("---", maxsplit=1)[0].replace("name: web", "name: other")
    own = "gatewayClassName: headgate\n  addresses: [{value: 127.0.0."
    other = other.replace("gatewayClassName: headgate", f"{own}2}}]")
    world = f"{ROUTED.replace('gatewayClassName: headgate', f'{own}1}}]', 1)}\n---{other}"
    assert [each.gateway for each in explained(world, "http://example.com/")] == ["default/web"]
    (found,) = explained(world, "http://example.com/", gateway="default/other")
    assert not found.served
    both = explained(world, "http://example.com/%00")
    assert [each.gateway for each in both] == ["default/other", "default/web"]
    assert explained(world, "http://example.com/", gateway="default/no") == ()


def test_effective_fields_have_their_policies() -> None:
    """Each leaf is told with the policy that it comes from, and the level; what the rule says itself with the route."""
    world = (
        ROUTED
        + policy("wide", "kind: Gateway, name: web", "cors: {allowOrigins: ['https://a.test'], maxAge: 7}")
        + policy("near", "kind: HTTPRoute, name: shop", "cors: {allowOrigins: ['https://b.test']}")
    )
    (outcome,) = one(world).outcomes
    assert outcome.rule is not None
    assert sorted(outcome.rule.policies) == [
        PolicyField("cors.allowOrigins", ["https://b.test"], "TrafficPolicy default/near", "route"),
        PolicyField("cors.maxAge", 7, "TrafficPolicy default/wide", "gateway"),
    ]


def test_an_enforced_field_is_said_to_be() -> None:
    """What a Gateway enforces wins over the route's policy, and says so."""
    world = (
        ROUTED
        + policy("wide", "kind: Gateway, name: web", "enforced: true\n  cors: {allowOrigins: ['https://a.test']}")
        + policy("near", "kind: HTTPRoute, name: shop", "cors: {allowOrigins: ['https://b.test'], maxAge: 7}")
    )
    (outcome,) = one(world).outcomes
    assert outcome.rule is not None
    assert (
        PolicyField("cors.allowOrigins", ["https://a.test"], "TrafficPolicy default/wide", "gateway, enforced")
        in outcome.rule.policies
    )


def test_a_rule_s_own_filter_hides_the_policy() -> None:
    """A CORS filter of the rule wins, so that no field of the policy is effective."""
    cors = "{type: CORS, cors: {allowOrigins: ['https://c.test']}}"
    world = (
        GATEWAY
        + route(f"[{{filters: [{cors}], backendRefs: [{{name: shop, port: 80}}]}}]")
        + policy("near", "kind: HTTPRoute, name: shop", "cors: {allowOrigins: ['https://b.test']}")
    )
    (outcome,) = one(world).outcomes
    assert outcome.rule is not None
    assert outcome.rule.policies == ()


def test_a_preflight_is_answered() -> None:
    """A preflight from an origin that the policy names gets its answer from the gateway."""
    cors = "{type: CORS, cors: {allowOrigins: ['https://a.test']}}"
    world = GATEWAY + route(f"[{{filters: [{cors}], backendRefs: [{{name: shop, port: 80}}]}}]")
    headers = ["origin: https://a.test", "access-control-request-method: GET"]
    (found,) = explained(world, "http://example.com/", "OPTIONS", headers)
    assert found.served
    assert [each.status for each in found.outcomes] == [200]


def test_connections_are_followed_too() -> None:
    """A TCP listener forwards bytes: its backends and their shares are told."""
    world = (
        GATEWAY.replace("protocol: HTTP}", "protocol: TCP}")
        + """
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: db}
spec:
  parentRefs: [{name: web}]
  rules: [{backendRefs: [{name: shop, port: 80}, {name: empty, port: 80}]}]"""
    )
    found = one(world)
    (outcome,) = found.outcomes
    assert [(each.backend, each.share) for each in outcome.destinations] == [
        ("default/shop:80", 0.5),
        ("default/empty:80", 0.5),
    ]
    assert outcome.rule is not None
    assert outcome.rule.route == "TCPRoute default/db"
    assert why(found) == "50% of requests: default/empty:80 has no ready endpoint: the connection is closed"


def test_an_explanation_leaves_nothing_behind() -> None:
    """What it evaluates beside what is served is forgotten with the next evaluation, and changes no output."""
    translator = translated(
        ROUTED + policy("p", "kind: Gateway, name: web", "cors: {allowOrigins: ['https://a.test']}")
    )
    memos = translator.memos
    request = parse_request("GET", "http://example.com/")
    assert explain(translator.reader, translator.snapshots, request)[0].served
    changes = translator.evaluate()
    assert (translator.memos, changes.snapshots, changes.statuses) == (memos, {}, {})
