"""The units `rbac` and `acl`: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors, valid
from translator.objects.headgate.accesslists import MOST_LISTS
from translator.objects.headgate.authorization import MOST_CIDRS, MOST_EXPRESSIONS, MOST_RULES, MOST_VALUES
from translator.objects.headgate.trafficpolicy import TrafficPolicy

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
GET = {"action": "Allow", "operation": {"methods": ["GET"]}}
HERE = {"action": "Allow", "cidrs": ["10.0.0.0/8"]}


def policy(**units: Any) -> dict[str, Any]:
    """Return a TrafficPolicy."""
    spec = {"targetRefs": [GATEWAY], **units}
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": "a"},
        "spec": spec,
    }


def rule(**fields: Any) -> dict[str, Any]:
    """Return rules with one, which allows."""
    return {"rules": [{"action": "Allow", **fields}]}


BOTH = "must not have both policy and rules: remove one of them"
CIDR = "must be an address, or a range of addresses, like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({"rbac": {}}, "rbac: must have exactly one of policy, rules and disable: name rules, or disable"),
        ({"rbac": {"rules": []}}, "rbac.rules: must have at least 1 item: add one"),
        ({"rbac": {"policy": {"matchExpressions": ["true"]}, "action": "Allow", "rules": [GET]}}, f"rbac: {BOTH}"),
        (
            {"rbac": {"policy": {"matchExpressions": ["true"]}}},
            "rbac.action: must be set together with policy: add what is missing, or remove it",
        ),
        (
            {"rbac": {"policy": {"matchExpressions": ["true"]}, "action": "Deny", "defaultAction": "Deny"}},
            "rbac.defaultAction: must not be set without rules: remove it; beside policy, action decides",
        ),
        (
            {"rbac": rule()},
            "rbac.rules[0]: must have at least one of operation, principal and cel; what no rule matches, "
            "defaultAction decides",
        ),
        ({"rbac": rule(operation={})}, "rbac.rules[0].operation: must have at least one of methods, path, hosts"),
        (
            {"rbac": {"rules": [{"name": "a", **GET}, {"name": "a", **GET}]}},
            "rbac.rules[1].name: is the name of an earlier rule: choose another",
        ),
        (
            {"rbac": rule(operation={"path": {"exact": "/a?b"}})},
            "rbac.rules[0].operation.path.exact: is compared with the path only: leave out the query",
        ),
        (
            {"rbac": rule(principal={"jwt": {"provider": "a", "claims": [{"values": ["b"]}]}})},
            "rbac.rules[0].principal.jwt.claims[0]: must have exactly one of name and path",
        ),
        (
            {"rbac": rule(cel="request.headers.all(x, true)")},
            "rbac.rules[0].cel: line 1, column 20: Envoy evaluates no comprehensions (all, exists, exists_one, filter, "
            "map): use 'in', or matches with a regular expression, or several conditions with && and ||",
        ),
        ({"acl": {}}, "acl: must have defaultAction, or disable"),
        (
            {"acl": {"disable": {}, "defaultAction": "Deny"}},
            "acl.disable: must not be set together with defaultAction: remove one of them",
        ),
        (
            {"acl": {"defaultAction": "Deny", "rules": [HERE, {"action": "Deny", "cidrs": ["10.1.2.3/8"]}]}},
            "acl.rules[1].cidrs[0]: 10.0.0.0/8 is in an earlier rule already: remove it from one of them",
        ),
        (
            {"acl": {"defaultAction": "Deny", "denyResponse": {"statusCode": 200}}},
            "acl.denyResponse.statusCode: must be at least 400",
        ),
        (
            {"acl": {"defaultAction": "Deny", "denyResponse": {"blockedByHeaderName": "Content-Length"}}},
            "acl.denyResponse.blockedByHeaderName: must not be changed: it frames messages, is of one connection, or "
            "is Host, which hostRewrite changes; remove it",
        ),
    ],
)
def test_refused(units: dict[str, Any], expected: str) -> None:
    """What means nothing, or two things, is refused at its field, with what to do about it."""
    assert errors(policy(**units)) == [f"spec.{expected}"]


@pytest.mark.parametrize(
    "wrong",
    ["1" * 65, "10.0.0.0/33", "10.0.0", "::1/129", "fe80::1%eth0", "10.0.0.1/255.0.0.0", "a", "", 7, " 10.0.0.1"],
)
def test_what_is_no_range_of_addresses(wrong: object) -> None:
    """A mask, a scope and the like are no part of a range."""
    found = errors(policy(acl={"defaultAction": "Allow", "rules": [{"action": "Deny", "cidrs": [wrong]}]}))
    assert found == [f"spec.acl.rules[0].cidrs[0]: {CIDR}"]


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
    ],
)
def test_ranges_of_addresses(written: str, held: str) -> None:
    """A range is held as the proxy sees its clients: an address of IPv4 in one of IPv6 as that of IPv4."""
    found = valid(
        TrafficPolicy, policy(acl={"defaultAction": "Deny", "rules": [{"action": "Allow", "cidrs": [written]}]})
    )
    assert found.spec.acl is not None
    assert found.spec.acl.rules_ is not None
    assert found.spec.acl.rules_[0].cidrs == (held,)


@pytest.mark.parametrize(
    ("path", "most", "made"),
    [
        ("rbac.rules", MOST_RULES, lambda number: {"rbac": {"rules": [GET] * number}}),
        (
            "rbac.policy.matchExpressions",
            MOST_EXPRESSIONS,
            lambda number: {"rbac": {"policy": {"matchExpressions": ["true"] * number}, "action": "Deny"}},
        ),
        (
            "rbac.rules[0].principal.clientCIDRs",
            MOST_CIDRS,
            lambda number: {"rbac": rule(principal={"clientCIDRs": ["10.0.0.0/8"] * number})},
        ),
        (
            "rbac.rules[0].principal.headers[0].values",
            MOST_VALUES,
            lambda number: {"rbac": rule(principal={"headers": [{"name": "a", "values": ["b"] * number}]})},
        ),
        (
            "acl.rules",
            MOST_LISTS,
            lambda number: {
                "acl": {
                    "defaultAction": "Deny",
                    "rules": [{"action": "Allow", "cidrs": [f"10.0.0.{each}"]} for each in range(number)],
                }
            },
        ),
    ],
)
def test_the_most(path: str, most: int, made: Any) -> None:
    """A list may have so many items, and not one more."""
    assert errors(policy(**made(most))) == []
    assert errors(policy(**made(most + 1))) == [f"spec.{path}: must have at most {most} items: remove some"]


def test_a_costly_expression_in_cel() -> None:
    """A regular expression for which Envoy would refuse all routes of the port is refused in CEL."""
    assert errors(policy(rbac=rule(cel=f"request.path.matches('{'a' * 96}')"))) == []
    (found,) = errors(policy(rbac=rule(cel=f"request.path.matches('{'a' * 97}')")))
    assert "has a size of 101, and 100 is the most in CEL; split it" in found
