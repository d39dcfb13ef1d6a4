"""The unit `waf` and the GatewayExtensions with it: what they take, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from translator.registry import KINDS

TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}]


def problems(kind: str, spec: dict[str, Any]) -> str:
    """Return what is wrong with an object."""
    head = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"}}
    return "\n".join(str(each) for each in KINDS.parse({**head, "spec": spec}).problems)


def policy(fields: dict[str, Any]) -> str:
    """Return what is wrong with a policy with a firewall."""
    return problems("TrafficPolicy", {"targetRefs": TARGETS, "waf": fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"disable": {}},
        {"mode": "DetectOnly", "paranoiaLevel": 4, "anomalyThreshold": 10_000, "response": True},
        {"exclusions": [{"ruleIds": [1]}, {"targets": ["ARGS:json.a-b_c.0"], "paths": ["/", "/a/b"]}]},
        {"body": {"maxBytes": "1Mi", "onOverflow": "Pass"}, "directivesRef": {"name": "own"}},
    ],
)
def test_values(fields: dict[str, Any]) -> None:
    """All fields are optional."""
    assert policy(fields) == ""


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"mode": "Off"}, "spec.waf.mode"),
        ({"paranoiaLevel": 5}, "spec.waf.paranoiaLevel"),
        ({"paranoiaLevel": "1"}, "spec.waf.paranoiaLevel"),
        ({"anomalyThreshold": 0}, "spec.waf.anomalyThreshold"),
        ({"disable": {}, "mode": "Enforce"}, "spec.waf.disable: must not be set together with"),
        ({"body": {"maxBytes": "2Mi"}}, "spec.waf.body.maxBytes: must be at most 1Mi"),
        ({"body": {"maxBytes": 0}}, "spec.waf.body.maxBytes: must be at least 1 byte"),
        ({"body": {"onOverflow": "Drop"}}, "spec.waf.body.onOverflow"),
        ({"exclusions": [{}]}, "spec.waf.exclusions[0]: must have ruleIds, targets or both"),
        ({"exclusions": [{"paths": ["/"]}]}, "spec.waf.exclusions[0]: must have ruleIds, targets or both"),
        ({"exclusions": [{"ruleIds": []}]}, "spec.waf.exclusions[0].ruleIds"),
        ({"exclusions": [{"ruleIds": ["942100"]}]}, "spec.waf.exclusions[0].ruleIds[0]"),
        ({"exclusions": [{"targets": ["ENV:PATH"]}]}, "must be a part of requests, like ARGS"),
        ({"exclusions": [{"targets": ["ARGS:a|ARGS:b"]}]}, "must be a part of requests, like ARGS"),
        ({"exclusions": [{"ruleIds": [1], "paths": ["blog"]}]}, "must be a path that begins with '/'"),
        ({"exclusions": [{"ruleIds": [1], "paths": ["/%2e"]}]}, "must be a path that begins with '/'"),
        ({"exclusions": [{"ruleIds": [1]}] * 65}, "spec.waf.exclusions"),
        ({"directivesRef": {"name": "own", "namespace": "other"}}, "spec.waf.directivesRef.namespace"),
    ],
)
def test_wrong_policies(fields: dict[str, Any], problem: str) -> None:
    """What means nothing, or could mean something else, is refused with its path."""
    assert problem in policy(fields)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"messageTimeout": "2h"}, "spec.waf.messageTimeout: must be at most 1h"),
        ({"messageTimeout": "0s"}, "spec.waf.messageTimeout"),
        ({"failOpen": "yes"}, "spec.waf.failOpen"),
        ({"grpcService": {}}, "spec.waf.grpcService.backendRef"),
    ],
)
def test_wrong_values(fields: dict[str, Any], problem: str) -> None:
    """An extension with a wrong value is refused; one without any means Headgate's own service."""
    assert problem in problems("GatewayExtension", {"waf": fields})
    assert problems("GatewayExtension", {"waf": {}}) == ""
