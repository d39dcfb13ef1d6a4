"""The unit `lua`: what it takes, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.headgate.filterentries import MAX_OBJECT_BYTES
from translator.objects.headgate.luascripts import MAX_SCRIPT_BYTES, MOST_SCRIPTS
from translator.registry import KINDS

TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}]
SCRIPT = "function envoy_on_request(handle) end"


def problems(*entries: dict[str, Any]) -> str:
    """Return what is wrong with a policy with scripts."""
    spec = {"targetRefs": TARGETS, "lua": list(entries)}
    head = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": {"name": "a"}}
    return "\n".join(str(each) for each in KINDS.parse({**head, "spec": spec}).problems)


def nested(levels: int) -> Any:
    """Return an object of so many levels."""
    return {"a": nested(levels - 1)} if levels > 1 else {}


@pytest.mark.parametrize(
    "entry",
    [
        {"inline": SCRIPT},
        {"inline": "x" * MAX_SCRIPT_BYTES},
        {"name": "one", "configMapRef": {"name": "scripts"}},
        {"name": "one", "configMapRef": {"name": "scripts", "key": "a.lua"}, "filterStage": {"stage": "AuthN"}},
        {"name": "one", "disable": {}},
        {"disable": {}},
        {"inline": SCRIPT, "filterContext": {"text": "é", "number": 2**53, "list": [1.5, None, True, {}]}},
        {"inline": SCRIPT, "filterContext": nested(16)},
        {"inline": SCRIPT, "filterContext": {"a": "x" * (MAX_OBJECT_BYTES - 10)}},
    ],
)
def test_entries(entry: dict[str, Any]) -> None:
    """A script is inline or in a ConfigMap, or switches another one off."""
    assert problems(entry) == ""


ONE = "exactly one of inline, configMapRef and disable must be set"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, ONE),
        ({"name": "one", "filterContext": {}}, ONE),
        ({"inline": SCRIPT, "configMapRef": {"name": "scripts"}}, f"{ONE}; set are: inline, configMapRef"),
        ({"inline": SCRIPT, "disable": {}}, "spec.lua[0].disable: must not be set together with inline"),
        ({"inline": "x" * (MAX_SCRIPT_BYTES + 1)}, "spec.lua[0].inline"),
        ({"inline": SCRIPT, "filterContext": {"a": "x" * MAX_OBJECT_BYTES}}, "must be at most 16384 bytes of JSON"),
        ({"inline": SCRIPT, "filterContext": nested(17)}, "must be JSON of at most 16 levels"),
        ({"inline": SCRIPT, "filterContext": {"a": [2**53 + 1]}}, "with whole numbers up to 2^53"),
        ({"inline": SCRIPT, "filterContext": []}, "spec.lua[0].filterContext"),
    ],
)
def test_wrong_entries(entry: dict[str, Any], problem: str) -> None:
    """No script, two, or one beside `disable` are refused, and what is too long or not kept exactly."""
    assert problem in problems(entry)


def test_names() -> None:
    """Two scripts of a policy have different names, and it has four at most."""
    assert "spec.lua[1].name: is that of an earlier script" in problems({"inline": SCRIPT}, {"inline": SCRIPT})
    entries = [{"name": f"s{number}", "inline": SCRIPT} for number in range(MOST_SCRIPTS + 1)]
    assert problems(*entries[:-1]) == ""
    assert "spec.lua" in problems(*entries)
