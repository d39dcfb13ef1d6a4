"""An example of an object of Headgate's own kinds, and what examples of several units share."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Example(NamedTuple):
    """The spec of an object, and its invalid field; "" if it is valid."""

    kind: str
    spec: dict[str, Any]
    wrong: str = ""


ROUTE: Final = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "a"}
"""A target of policies."""


def unit(name: str, **fields: Any) -> dict[str, Any]:
    """Return the spec of a policy with one unit of this name, which has these fields."""
    return {"targetRefs": [ROUTE], name: fields}


def document(example: Example, namespace: str = "default") -> dict[str, Any]:
    """Return the object's manifest."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": example.kind,
        "metadata": {"name": "example", "namespace": namespace},
        "spec": example.spec,
    }


def label(example: Example) -> str:
    """Return a name for a test."""
    return f"{example.kind}-{str(example.spec)[:60]}"
