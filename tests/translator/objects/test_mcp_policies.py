"""The unit `mcp` of TrafficPolicies: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.headgate.mcppolicies import MOST_PATTERNS, MOST_TOOL_RULES
from translator.objects.headgate.trafficpolicy import TrafficPolicy

JWKS = "jwks: {remote: {url: https://a.example.com/keys}}"


def policy(text: str) -> dict[str, Any]:
    """Return a policy for agents."""
    target = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]"
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": "a"},
        "spec": raw(f"{{{target}, mcp: {{{text}}}}}"),
    }


def rules(*found: str) -> dict[str, Any]:
    """Return a policy with rules."""
    return policy(f"authorization: {{rules: [{', '.join(f'{{{each}}}' for each in found)}]}}")


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (policy(""), "spec.mcp: must have at least one of"),
        (policy("disable: {}, tools: {allow: [a]}"), "spec.mcp"),
        (policy("tools: {}"), "spec.mcp.tools: must have at least one of allow and deny"),
        (policy("tools: {allow: []}"), "spec.mcp.tools.allow"),
        (policy("tools: {allow: ['a b']}"), "spec.mcp.tools.allow[0]"),
        (policy("tools: {deny: [a, a]}"), "spec.mcp.tools.deny[1]"),
        (policy(f"tools: {{deny: [{'a' * 129}]}}"), "spec.mcp.tools.deny[0]"),
        (policy(f"oauth: {{issuer: https://a.example.com, {JWKS}}}"), "spec.mcp.oauth: must have at least one of"),
        (policy(f"oauth: {{issuer: a.example.com, audiences: [a], {JWKS}}}"), "spec.mcp.oauth.issuer"),
        (policy("oauth: {issuer: https://a.example.com, audiences: [a]}"), "spec.mcp.oauth.jwks"),
        (
            policy(f"oauth: {{issuer: https://a.example.com, resource: 'https://a/<', {JWKS}}}"),
            "spec.mcp.oauth.resource",
        ),
        (
            policy(f"oauth: {{issuer: https://a.example.com, resource: 'https://a/?b', {JWKS}}}"),
            "spec.mcp.oauth.resource",
        ),
        (
            policy(f"oauth: {{issuer: https://a.example.com, audiences: [a], scopes: ['a b'], {JWKS}}}"),
            "spec.mcp.oauth",
        ),
        (rules(), "spec.mcp.authorization.rules"),
        (rules("tools: [a]"), "spec.mcp.authorization.rules[0].action"),
        (rules("tools: [], action: Allow"), "spec.mcp.authorization.rules[0].tools"),
        (rules("claims: [{values: [a]}], action: Allow"), "spec.mcp.authorization.rules[0].claims[0]"),
        (rules("scopes: [], action: Allow"), "spec.mcp.authorization.rules[0].scopes"),
        (rules("headers: [{name: 'a b', values: [a]}], action: Allow"), "spec.mcp.authorization.rules[0].headers[0]"),
    ],
)
def test_what_is_refused(manifest: dict[str, Any], error: str) -> None:
    """A message names the field that is wrong."""
    assert any(each.startswith(error) for each in errors(manifest)), errors(manifest)


def test_the_most() -> None:
    """There are so many patterns and rules, and no more."""
    names = [f"a{place}" for place in range(MOST_PATTERNS + 1)]
    valid(TrafficPolicy, policy(f"tools: {{allow: [{', '.join(names[1:])}]}}"))
    assert errors(policy(f"tools: {{allow: [{', '.join(names)}]}}"))
    several = ["action: Allow"] * (MOST_TOOL_RULES + 1)
    valid(TrafficPolicy, rules(*several[1:]))
    assert errors(rules(*several))
