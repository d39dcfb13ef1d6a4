"""The unit `ai` of TrafficPolicies: what it takes, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.headgate.promptguards import (
    MOST_BODY_BYTES,
    MOST_EXPRESSIONS,
    MOST_GUARDS,
    MOST_MESSAGES,
    MOST_MODEL_ENTRIES,
)
from translator.registry import KINDS

TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}]


def problems(fields: dict[str, Any]) -> str:
    """Return what is wrong with a policy."""
    head = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": {"name": "a"}}
    return "\n".join(
        str(each) for each in KINDS.parse({**head, "spec": {"targetRefs": TARGETS, "ai": fields}}).problems
    )


def guards(count: int, **regex: Any) -> dict[str, Any]:
    """Return so many guards."""
    found = [{"name": f"g{each}", "regex": regex or {"matches": ["a"]}} for each in range(count)]
    return {"promptGuard": {"request": found}}


def messages(count: int) -> list[dict[str, str]]:
    """Return so many messages."""
    return [{"role": "user", "content": "a"}] * count


def entries(count: int, models: int = 1) -> list[dict[str, Any]]:
    """Return so many entries of so many models."""
    return [{"models": [f"m{each}" for each in range(models)]}] * count


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        (guards(MOST_GUARDS), guards(MOST_GUARDS + 1)),
        (guards(1, matches=["a"] * MOST_EXPRESSIONS), guards(1, matches=["a"] * (MOST_EXPRESSIONS + 1))),
        ({"prompt": {"prepend": messages(MOST_MESSAGES)}}, {"prompt": {"prepend": messages(MOST_MESSAGES + 1)}}),
        ({"prompt": {"append": messages(MOST_MESSAGES)}}, {"prompt": {"append": messages(MOST_MESSAGES + 1)}}),
        ({"models": {"deny": entries(MOST_MODEL_ENTRIES)}}, {"models": {"deny": entries(MOST_MODEL_ENTRIES + 1)}}),
        (
            {"models": {"allow": entries(1, MOST_MODEL_ENTRIES)}},
            {"models": {"allow": entries(1, MOST_MODEL_ENTRIES + 1)}},
        ),
        ({"maxBytes": MOST_BODY_BYTES}, {"maxBytes": MOST_BODY_BYTES + 1}),
    ],
)
def test_the_most(taken: dict[str, Any], refused: dict[str, Any]) -> None:
    """So many are taken, and one more is not."""
    assert problems(taken) == ""
    assert problems(refused).startswith("spec.ai.")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (guards(1, action="Mask"), "regex: must have matches or builtins"),
        (guards(1, builtins=["IBAN"]), "builtins[0]"),
        (guards(1, matches=["a"], action="Mask", response={}), "regex.response: must not be set where action is Mask"),
        (guards(1, matches=["a"], response={"status": 200}), "regex.response.status"),
        ({"models": {}}, "spec.ai.models: must have allow or deny"),
        ({"models": {"deny": [{"models": ["a*b"]}]}}, "models[0]: must be the name of a model"),
        ({"models": {"deny": [{"models": ["a"], "when": {}}]}}, "when: must have at least one of jwt, headers"),
        ({"defaults": {"a": 2**60}}, "spec.ai.defaults: must be JSON"),
        ({"disable": {}, "defaults": {"a": 1}}, "spec.ai.disable: must not be set together with"),
        ({"prompt": {"prepend": [{"role": "tool", "content": "a"}]}}, "prepend[0].role"),
    ],
)
def test_wrong_fields(fields: dict[str, Any], problem: str) -> None:
    """What cannot be meant is told with its path."""
    assert problem in problems(fields)


def test_two_guards_of_one_name() -> None:
    """No two guards have the same name."""
    found = guards(2)
    found["promptGuard"]["request"][1]["name"] = "g0"
    assert "is the name of an earlier guard" in problems(found)
