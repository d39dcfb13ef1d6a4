"""What TrafficPolicies change of a request is told, with the policy that each effective field comes from."""

from __future__ import annotations

import pytest
import yaml

from headgate_proto.envoy.extensions.filters.http.csrf.v3.csrf_pb2 import CsrfPolicy
from tests.translator.explain.test_filters import answer
from tests.translator.explain.worlds import GATEWAY, SHOP, one, policy, route, translated
from translator.explain.explain import explain
from translator.explain.filters import Answer
from translator.explain.matches import Seen
from translator.explain.request import Header, parse_request
from translator.explain.result import HeaderEdit, PolicyField
from translator.inputs import Edit, Invalid
from translator.objects.partial import partial_object
from translator.refs import Ref

ROUTED = GATEWAY + route(f"[{SHOP}]")
ROUTE = "kind: HTTPRoute, name: shop"


def test_header_modifiers_change_requests_before_the_route_and_responses_after_it() -> None:
    """The edits are told in Envoy's order; what is removed by a match is told by name as far as it is known."""
    modifiers = """headerModifiers:
    request: {set: [{name: x-a, value: p}], removeOnMatch: [{prefix: x-b}]}
    response: {add: [{name: x-e, value: 50%}]}"""
    rules = """
    - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: x-c, value: d}]}}]
      backendRefs: [{name: shop, port: 80}]"""
    world = GATEWAY + route(rules) + policy("p", ROUTE, modifiers)
    (outcome,) = one(world, "http://example.com/", "GET", "x-a: 1", "x-bb: 2", "y: 3").outcomes
    (destination,) = outcome.destinations
    assert destination.changes == (
        HeaderEdit("remove if the name", "begins with x-b"),
        HeaderEdit("remove", "x-bb"),
        HeaderEdit("set", "x-a", "p"),
        HeaderEdit("add", "x-c", "d"),
    )
    assert destination.headers == (
        Header("y", "3"),
        Header("x-forwarded-proto", "http"),
        Header("x-a", "p"),
        Header("x-c", "d"),
    )
    assert destination.response_changes == (HeaderEdit("add", "x-e", "50%%"),)
    assert outcome.rule is not None
    assert {each.field for each in outcome.rule.policies} == {
        "headerModifiers.request.set[x-a]",
        "headerModifiers.request.add[x-c]",
        "headerModifiers.request.removeOnMatch",
        "headerModifiers.response.add[x-e]",
    }


def test_hosts_and_paths_are_rewritten_by_policies() -> None:
    """The Host and path that the backend gets are told, and the header that tells it the former Host."""
    spec = """hostRewrite: {header: X-Tenant}
  appendXForwardedHost: true
  urlRewrite: {pathRegex: {pattern: "^/v1/", substitution: /}}"""
    world = ROUTED + policy("p", ROUTE, spec)
    (outcome,) = one(world, "http://example.com/v1/a", "GET", "x-tenant: t.test", "x-forwarded-host: z").outcomes
    (destination,) = outcome.destinations
    assert (destination.host, destination.path) == ("t.test", "/a")
    assert destination.changes == (HeaderEdit("set", "x-forwarded-host", "z,example.com"),)
    (outcome,) = one(world, "http://example.com/v1/a").outcomes
    assert outcome.destinations[0].host == "example.com"
    assert outcome.destinations[0].changes == ()


def test_what_a_rule_says_itself_is_told_beside_policies() -> None:
    """Where a rule's own fields are merged with policies, each leaf has the one that it comes from."""
    spec = "headerModifiers: {request: {set: [{name: x-a, value: p}, {name: x-d, value: q}]}}"
    rules = """
    - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: own}]}}]
      backendRefs: [{name: shop, port: 80}]"""
    (outcome,) = one(GATEWAY + route(rules) + policy("p", ROUTE, spec)).outcomes
    assert outcome.rule is not None
    found = {each.field: each for each in outcome.rule.policies}
    assert found["headerModifiers.request.set[x-a]"][2:4] == ("HTTPRoute default/shop", "rule fields")
    assert found["headerModifiers.request.set[x-d]"] == PolicyField(
        "headerModifiers.request.set[x-d]", {"name": "x-d", "value": "q"}, "TrafficPolicy default/p", "route"
    )
    assert dict(outcome.destinations[0].headers)["x-a"] == "own"


def test_policies_of_single_backends_are_told() -> None:
    """A policy that a filter of a backendRef names concerns its share of the requests, and is said with it."""
    named = """
    - backendRefs:
      - {name: shop, port: 80}
      - name: shop
        port: 80
        weight: 3
        filters: [{type: ExtensionRef, extensionRef: {group: gateway.headgate.dev, kind: TrafficPolicy, name: own}}]"""
    value = "headerModifiers: {{request: {{set: [{{name: {}, value: v}}]}}}}"
    own = policy("own", "", f"{value.format('x-own')}\n  csrf: {{}}")
    own = "\n".join(line for line in own.splitlines() if "targetRefs" not in line)
    world = f"{GATEWAY}{route(named)}{policy('wide', ROUTE, value.format('x-wide'))}{own}"
    found = one(world)
    assert [each.share for each in found.outcomes] == [0.25, 0.75]
    assert [sorted(edit.name for edit in each.destinations[0].changes) for each in found.outcomes] == [
        ["x-wide"],
        ["x-own", "x-wide"],
    ]
    rule = found.outcomes[1].rule
    assert rule is not None
    assert [each.field for each in rule.policies if each.level == "backend ref"] == [
        "backendRefs[1]: csrf",
        "backendRefs[1]: headerModifiers.request.set[x-own]",
    ]
    refused = one(world, "http://example.com/", "POST")
    assert [each.status for each in refused.outcomes] == [0, 403]
    assert refused.problems == ("75% of requests: csrf asks for an Origin or Referer",)


def test_a_closed_unit_names_its_policy() -> None:
    """A unit that cannot be built refuses requests, and the reason names the policy and the unit."""
    secret = "headerModifiers: {request: {set: [{name: x-a, secretRef: {name: s, key: k}}]}}"
    found = one(ROUTED + policy("p", ROUTE, secret))
    assert [each.status for each in found.outcomes] == [500]
    assert found.problems == ("TrafficPolicy default/p: spec.headerModifiers cannot be applied.",)
    assert found.outcomes[0].rule is not None
    assert found.outcomes[0].rule.policies[0].problem


@pytest.mark.parametrize("unit", ["csrf", "extAuth", "headerModifiers", "rbac"])
def test_a_policy_that_never_was_valid_is_named(unit: str) -> None:
    """It has requests refused, and none of its fields is known."""
    translator = translated(ROUTED)
    raw = yaml.safe_load(policy("p", ROUTE, f"{unit}: 7").strip().removeprefix("---"))
    translator.edit([Edit(Ref("TrafficPolicy", "default", "p"), Invalid("it is wrong", partial_object(raw)))])
    assert not translator.evaluate().failures
    request = parse_request("GET", "http://example.com/", ())
    (found,) = explain(translator.reader, translator.snapshots, request)
    assert [each.status for each in found.outcomes] == [500]
    assert found.problems == (f"TrafficPolicy default/p is not valid: spec.{unit} cannot be applied.",)
    assert found.outcomes[0].rule is not None
    assert found.outcomes[0].rule.policies == ()


def test_requests_of_other_origins_are_refused() -> None:
    """A request that changes something needs an Origin or Referer of the same host, or one that is allowed."""
    policy_ = CsrfPolicy()
    policy_.filter_enabled.default_value.numerator = 100
    policy_.additional_origins.add(exact="a.test")

    def status(method: str, **headers: str) -> list[int]:
        sent = tuple(Header(name, value) for name, value in headers.items())
        return [each.status for each in answer(policy_, None, Seen(method, "https", "x.test", "/", sent))]

    assert status("GET", origin="https://b.test") == []
    assert status("POST", origin="https://b.test") == [403]
    assert status("POST", origin="https://a.test") == []
    assert status("POST", origin="https://x.test") == []
    assert status("POST", referer="https://x.test/a") == []
    assert status("POST", origin="null", referer="https://x.test/a") == [403]
    assert answer(policy_, None, Seen("PUT", "https", "x.test", "/", ())) == [
        Answer(403, 1, "csrf asks for an Origin or Referer")
    ]
    policy_.filter_enabled.default_value.numerator = 0
    assert status("POST", origin="https://b.test") == []


def test_policies_of_the_listener_are_told() -> None:
    """The fields of ListenerPolicies are said with the policy that each comes from, at the port of the request."""
    world = (
        ROUTED
        + """
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: ListenerPolicy
metadata: {name: all}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  default: {perConnectionBufferLimitBytes: 64Ki, httpSettings: {acceptHttp10: true}}
  perPort: [{port: 80, listener: {httpSettings: {acceptHttp10: false}}}]
"""
    )
    found = one(world, "http://example.com/", "GET")
    assert found.policies == (
        PolicyField("perConnectionBufferLimitBytes", 65536, "ListenerPolicy default/all", "gateway"),
        PolicyField("httpSettings.acceptHttp10", False, "ListenerPolicy default/all", "gateway"),
    )
