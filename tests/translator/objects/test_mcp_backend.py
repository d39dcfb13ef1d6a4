"""MCP servers as Backends: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.headgate.backend import HeadgateBackend
from translator.objects.headgate.mcpbackend import MOST_FORWARDED, MOST_TARGETS
from translator.objects.headgate.mcpopenapi import MOST_BOUND_HEADERS, MOST_TOOLS

AT = "static: {host: 10.0.0.1, port: 80}"


def servers(*targets: str) -> dict[str, Any]:
    """Return a Backend of MCP servers."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": "a"},
        "spec": raw(f"{{mcp: {{targets: [{', '.join(f'{{{each}}}' for each in targets)}]}}}}"),
    }


def rest(*tools: str) -> dict[str, Any]:
    """Return a Backend whose tools are operations."""
    return servers(f"name: a, {AT}, openapi: {{tools: [{', '.join(f'{{{each}}}' for each in tools)}]}}")


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (servers(), "spec.mcp.targets"),
        (servers("name: a"), "spec.mcp.targets[0]: exactly one of"),
        (servers(f"name: a, {AT}, backendRef: {{name: a, port: 80}}"), "spec.mcp.targets[0]: exactly one of"),
        (servers("name: a, selector: {matchLabels: {}}"), "spec.mcp.targets[0].selector.matchLabels"),
        (servers(f"name: a, {AT}", f"name: a, {AT}"), "spec.mcp.targets[1]"),
        (servers(f"name: a, {AT}, openapi: {{}}"), "spec.mcp.targets[0].openapi: exactly one of"),
        (
            servers("name: a, selector: {matchLabels: {a: b}}, openapi: {specRef: {name: a}}"),
            "spec.mcp.targets[0].openapi",
        ),
        (rest("name: a, method: GET"), "spec.mcp.targets[0].openapi.tools[0].path"),
        (rest("name: a, method: HEAD, path: /"), "spec.mcp.targets[0].openapi.tools[0].method"),
        (rest("name: a/b, method: GET, path: /"), "spec.mcp.targets[0].openapi.tools[0].name"),
        (rest("name: a, method: GET, path: 'a b'"), "spec.mcp.targets[0].openapi.tools[0].path"),
        (rest("name: a, method: GET, path: /, body: a.b"), "spec.mcp.targets[0].openapi.tools[0].body"),
        (
            rest("name: a, method: GET, path: /, headers: [{name: Host, argument: a}]"),
            "spec.mcp.targets[0].openapi.tools[0]",
        ),
        (
            rest("name: a, method: GET, path: /, inputSchema: {a: 9007199254740993}"),
            "spec.mcp.targets[0].openapi.tools[0]",
        ),
        (rest(*["name: a, method: GET, path: /"] * 2), "spec.mcp.targets[0].openapi.tools[1]"),
        (servers(f"name: a__b, {AT}"), "spec.mcp.targets[0].name"),
        (servers("name: a, static: {host: a}"), "spec.mcp.targets[0].static.port"),
        (servers("name: a, static: {host: 'a/b', port: 80}"), "spec.mcp.targets[0].static.host"),
        (servers(f"name: a, {AT}, path: mcp"), "spec.mcp.targets[0].path"),
        (servers(f"name: a, {AT}, path: '/mcp?a=b'"), "spec.mcp.targets[0].path"),
        (servers(f"name: a, {AT}, timeout: 0s"), "spec.mcp.targets[0].timeout"),
        (servers(f"name: a, {AT}, auth: {{}}"), "spec.mcp.targets[0].auth.secretRef"),
        (servers(f"name: a, {AT}, auth: {{secretRef: {{name: a}}, headerName: Host}}"), "spec.mcp.targets[0].auth"),
        (servers(f"name: a, {AT}, forwardHeaders: [Host]"), "spec.mcp.targets[0].forwardHeaders[0]"),
        (servers(f"name: a, {AT}, forwardHeaders: [a, a]"), "spec.mcp.targets[0].forwardHeaders[1]"),
    ],
)
def test_what_is_refused(manifest: dict[str, Any], error: str) -> None:
    """A message names the field that is wrong."""
    assert any(each.startswith(error) for each in errors(manifest)), errors(manifest)


def test_the_most() -> None:
    """There are so many servers, and headers of each, and no more."""
    several = [f"name: a{place}, {AT}" for place in range(MOST_TARGETS + 1)]
    valid(HeadgateBackend, servers(*several[1:]))
    assert errors(servers(*several))
    names = [f"x-{place}" for place in range(MOST_FORWARDED + 1)]
    valid(HeadgateBackend, servers(f"name: a, {AT}, forwardHeaders: [{', '.join(names[1:])}]"))
    assert errors(servers(f"name: a, {AT}, forwardHeaders: [{', '.join(names)}]"))


def test_the_most_tools() -> None:
    """There are so many tools, and headers of each, and no more."""
    several = [f"name: a{place}, method: GET, path: /" for place in range(MOST_TOOLS + 1)]
    valid(HeadgateBackend, rest(*several[1:]))
    assert errors(rest(*several))
    headers = [f"{{name: a{place}, argument: a}}" for place in range(MOST_BOUND_HEADERS + 1)]
    valid(HeadgateBackend, rest(f"name: a, method: GET, path: /, headers: [{', '.join(headers[1:])}]"))
    assert errors(rest(f"name: a, method: GET, path: /, headers: [{', '.join(headers)}]"))
