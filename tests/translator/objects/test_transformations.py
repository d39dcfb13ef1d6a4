"""The unit `transformation`: what it takes, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from translator.api_group import GROUP
from translator.objects.headgate.transformations import MAX_BODY_BYTES, MAX_HEADERS, MAX_METADATA, MAX_TEMPLATE
from translator.registry import KINDS

TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}]


def problems(fields: dict[str, Any]) -> str:
    """Return what is wrong with a policy with a transformation."""
    spec = {"targetRefs": TARGETS, "transformation": fields}
    head = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": {"name": "a"}}
    return "\n".join(str(each) for each in KINDS.parse({**head, "spec": spec}).problems)


def named(number: int) -> list[dict[str, str]]:
    """Return so many headers."""
    return [{"name": f"x-{each}", "value": "a"} for each in range(number)]


def written(number: int, namespace: str = "team") -> list[dict[str, Any]]:
    """Return so many values of metadata."""
    return [{"namespace": namespace, "key": f"{each}", "value": {"stringValue": "a"}} for each in range(number)]


@pytest.mark.parametrize(
    "fields",
    [
        {"disable": {}},
        {"request": {}},
        {"request": {"set": [{"name": ":path"}, {"name": ":authority"}, {"name": ":method"}, {"name": "X-A"}]}},
        {"response": {"set": [{"name": ":status", "value": "200"}], "add": named(1), "remove": ["x-a"]}},
        {"response": {"body": {"parseAs": "None"}}},
        {"request": {"body": {"value": "", "maxBytes": MAX_BODY_BYTES, "onParseError": "Reject"}}},
        {"request": {"dynamicMetadata": [*written(1), *written(1, "other")]}},
    ],
)
def test_fields(fields: dict[str, Any]) -> None:
    """Headers and pseudo headers, bodies and metadata have templates; without one a header is removed."""
    assert problems(fields) == ""


AT = "spec.transformation"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, f"{AT}: must have request, response or disable"),
        ({"disable": {}, "request": {}}, f"{AT}.disable: must not be set together with"),
        ({"request": {"set": [{"name": ":status"}]}}, f"{AT}.request.set[0].name: must be a header name, or one of"),
        ({"request": {"set": [{"name": ":scheme"}]}}, "must be a header name, or one of ':path'"),
        ({"response": {"set": [{"name": ":path"}]}}, f"{AT}.response.set[0].name: must be a header name, or ':status'"),
        ({"request": {"add": [{"name": ":path"}]}}, f"{AT}.request.add[0].name: must be a header name"),
        ({"request": {"remove": [":path"]}}, f"{AT}.request.remove[0]: must be a header name"),
        ({"request": {"set": [{"name": "Host"}]}}, f"{AT}.request.set[0].name: must not be changed"),
        ({"response": {"set": [{"name": "Content-Length"}]}}, f"{AT}.response.set[0].name: must not be changed"),
        ({"response": {"add": [{"name": "transfer-encoding"}]}}, f"{AT}.response.add[0].name: must not be changed"),
        ({"response": {"remove": ["Connection"]}}, f"{AT}.response.remove[0]: must not be changed"),
        (
            {"request": {"set": [{"name": "a"}, {"name": "A"}]}},
            f"{AT}.request.set[1]: has the header name of an earlier",
        ),
        ({"request": {"body": {"parseAs": "None", "value": ""}}}, f"{AT}.request.body.value: must not be set beside"),
        ({"request": {"body": {"maxBytes": "9Mi"}}}, f"{AT}.request.body.maxBytes: must be at most 8Mi"),
        ({"request": {"body": {"maxBytes": 0}}}, f"{AT}.request.body.maxBytes: must be at least 1 byte"),
        ({"request": {"body": {"parseAs": "AsXml"}}}, f"{AT}.request.body.parseAs"),
        ({"request": {"dynamicMetadata": written(1, "envoy.lb")}}, "namespace: is what filters of the proxy write"),
        ({"request": {"dynamicMetadata": written(1, "headgate.transformation")}}, "is what filters of the proxy write"),
        ({"request": {"dynamicMetadata": written(1, GROUP)}}, "namespace: is what filters of the proxy write"),
        (
            {"request": {"dynamicMetadata": written(1) * 2}},
            "dynamicMetadata[1]: has the namespace and key of an earlier",
        ),
        ({"request": {"dynamicMetadata": [{"namespace": "a", "key": "b"}]}}, "dynamicMetadata[0].value"),
    ],
)
def test_wrong_fields(fields: dict[str, Any], problem: str) -> None:
    """What frames messages, and what the proxy decides by, is not for templates; the problem says where."""
    assert problem in problems(fields)


@pytest.mark.parametrize(
    ("field", "most", "make"),
    [
        ("set", MAX_HEADERS, named),
        ("add", MAX_HEADERS, named),
        ("dynamicMetadata", MAX_METADATA, written),
        ("body", MAX_TEMPLATE, lambda length: {"value": "x" * length}),
    ],
)
def test_the_most(field: str, most: int, make: Any) -> None:
    """Lists and templates have a limit."""
    for direction in ("request", "response"):
        assert problems({direction: {field: make(most)}}) == ""
        assert f"{AT}.{direction}.{field}" in problems({direction: {field: make(most + 1)}})
