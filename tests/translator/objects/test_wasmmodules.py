"""The unit `wasm`: what it takes, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.headgate.filterentries import MAX_OBJECT_BYTES
from translator.objects.headgate.wasmmodules import MOST_MODULES
from translator.registry import KINDS

TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}]
CODE = {"configMapRef": {"name": "modules"}}
SHA = "0123456789abcdef" * 4


def problems(*entries: dict[str, Any]) -> str:
    """Return what is wrong with a policy with modules."""
    spec = {"targetRefs": TARGETS, "wasm": list(entries)}
    head = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": {"name": "a"}}
    return "\n".join(str(each) for each in KINDS.parse({**head, "spec": spec}).problems)


@pytest.mark.parametrize(
    "entry",
    [
        {"code": CODE},
        {"name": "one", "code": {"http": {"url": "https://a.com/m.wasm", "sha256": SHA}}},
        {"name": "one", "code": {"image": {"url": "ghcr.io/team/module:v1"}}},
        {"code": {"image": {"url": f"localhost:5000/a/b.c@sha256:{SHA}", "pullSecretRef": {"name": "pull"}}}},
        {"code": {"image": {"url": f"ghcr.io/a_b/c:V1.0-x@sha256:{SHA}", "sha256": SHA}}},
        {"name": "one", "disable": {}},
        {"code": CODE, "rootID": "root", "failOpen": True, "env": {"hostKeys": ["A_1"]}, "config": {"a": [1.5]}},
    ],
)
def test_entries(entry: dict[str, Any]) -> None:
    """A module is in a ConfigMap, at a URL or in an image, or switches another one off."""
    assert problems(entry) == ""


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "must have either code or disable"),
        ({"code": CODE, "disable": {}}, "spec.wasm[0].disable: must not be set together with code"),
        ({"code": {}}, "must have exactly one of image, http and configMapRef"),
        ({"code": {**CODE, "image": {"url": "ghcr.io/a:v1"}}}, "set are: image, configMapRef"),
        ({"code": {"http": {"url": "https://a.com/m"}}}, "sha256"),
        ({"code": {"http": {"url": "https://a.com/m", "sha256": SHA.upper()}}}, "must be a SHA-256 as `sha256sum`"),
        ({"code": {"http": {"url": "https://u:p@a.com/m", "sha256": SHA}}}, "must be an absolute URL without a user"),
        ({"code": {"image": {"url": "module:v1"}}}, "must be an image with its registry"),
        ({"code": {"image": {"url": "team/module:v1"}}}, "must be an image with its registry"),
        ({"code": {"image": {"url": "ghcr.io/Team/module"}}}, "must be an image with its registry"),
        ({"code": {"image": {"url": "https://ghcr.io/team/module"}}}, "must be an image with its registry"),
        ({"code": {"image": {"url": "ghcr.io/../module"}}}, "must be an image with its registry"),
        ({"code": CODE, "config": {"a": "x" * MAX_OBJECT_BYTES}}, "must be at most 16384 bytes of JSON"),
        ({"code": CODE, "env": {"hostKeys": ["A=B"]}}, "must be the name of an environment variable"),
    ],
)
def test_wrong_entries(entry: dict[str, Any], problem: str) -> None:
    """No place of a module, two, or a wrong one is refused, and what is too long."""
    assert problem in problems(entry)


def test_names() -> None:
    """Two modules of a policy have different names, and it has four at most."""
    assert "spec.wasm[1].name: is that of an earlier module" in problems({"code": CODE}, {"code": CODE})
    entries = [{"name": f"m{number}", "code": CODE} for number in range(MOST_MODULES + 1)]
    assert problems(*entries[:-1]) == ""
    assert "spec.wasm" in problems(*entries)
