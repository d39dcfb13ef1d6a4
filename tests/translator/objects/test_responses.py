"""Responses of DirectResponses and of overrides: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors
from translator.objects.headgate.overrides import MOST_OVERRIDES
from translator.objects.headgate.responses import MOST_LEVELS

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
MATCH = {"statusCodes": [{"value": 500}]}
OVERRIDE = {"match": MATCH, "response": {}}


def response(**spec: Any) -> dict[str, Any]:
    """Return a DirectResponse."""
    return _document("DirectResponse", {"status": 200, **spec})


def overriding(*overrides: Any) -> dict[str, Any]:
    """Return a TrafficPolicy with overrides."""
    return _document("TrafficPolicy", {"targetRefs": [GATEWAY], "responseOverride": list(overrides)})


def _document(kind: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def nested(levels: int) -> Any:
    """Return JSON of so many levels."""
    found: Any = "x"
    for _ in range(levels):
        found = {"a": found}
    return found


def test_the_deepest_body() -> None:
    """JSON may have as many levels as Envoy's messages surely hold, and no more."""
    assert errors(response(bodyFormat={"json": nested(MOST_LEVELS)})) == []
    text = f"spec.bodyFormat.json: must be JSON of at most {MOST_LEVELS} levels: leave some out"
    assert errors(response(bodyFormat={"json": nested(MOST_LEVELS + 1)})) == [text]
    assert errors(response(bodyFormat={"json": {"a": float("nan")}})) == [text]


def test_the_longest_format() -> None:
    """A format may be as long as a body, in bytes."""
    for found, path in (({"text": "ä" * 2049}, "text"), ({"json": {"a": "ä" * 2048}}, "json")):
        (text,) = errors(response(bodyFormat=found))
        assert text.startswith(f"spec.bodyFormat.{path}: must be at most 4096 bytes of UTF-8, not 4")


def test_the_most_overrides() -> None:
    """A policy may have so many overrides, and no more."""
    assert errors(overriding(*[OVERRIDE] * MOST_OVERRIDES)) == []
    text = f"spec.responseOverride: must have at most {MOST_OVERRIDES} items: remove some"
    assert errors(overriding(*[OVERRIDE] * (MOST_OVERRIDES + 1))) == [text]


@pytest.mark.parametrize(
    ("override", "path", "text"),
    [
        ({"match": {}, "response": {}}, "match", "must have at least one of statusCodes and responseHeaders"),
        ({"match": MATCH}, "", "must have exactly one of response, redirect and responseRef"),
        (
            {"match": MATCH, "response": {}, "responseRef": {"name": "a"}},
            "",
            "must have exactly one of response, redirect and responseRef",
        ),
        (
            {"match": {"statusCodes": [{"range": {"start": 500, "end": 499}}]}, "response": {}},
            "match.statusCodes[0].range.start",
            "must be at most end, 499",
        ),
        (
            {"match": {"statusCodes": [{}]}, "response": {}},
            "match.statusCodes[0]",
            "must have exactly one of value and range",
        ),
        (
            {"match": MATCH, "response": {"statusCode": 304, "body": {"inline": "a"}}},
            "response.body",
            "must not be set where the status is 204, 205 or 304: such responses have no body; remove it",
        ),
        (
            {"match": MATCH, "response": {"body": {"inline": "a"}, "bodyFormat": {"text": "b"}}},
            "response.bodyFormat",
            "must not be set together with body: remove one of them",
        ),
        (
            {"match": MATCH, "response": {"body": {}}},
            "response.body",
            "must have exactly one of inline and configMapRef",
        ),
        (
            {"match": MATCH, "redirect": {"statusCode": 301}},
            "redirect",
            "must have at least one of hostname and path: otherwise it leads to itself",
        ),
        (
            {"match": MATCH, "redirect": {"path": "/a", "port": 80}},
            "redirect.port",
            "must not be set without hostname: add that",
        ),
        (
            {"match": MATCH, "redirect": {"path": "//evil.com"}},
            "redirect.path",
            "must be a path that begins with one '/', of the characters of a URL: write others like %20",
        ),
    ],
)
def test_overrides_that_are_refused(override: Any, path: str, text: str) -> None:
    """An override that makes no sense is refused at its field."""
    assert errors(overriding(OVERRIDE, override)) == [f"spec.responseOverride[1]{'.' if path else ''}{path}: {text}"]
