"""The small kinds: GatewayClass, ReferenceGrant, DirectResponse."""

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.referencegrant import ReferenceGrant
from translator.objects.headgate.directresponse import DirectResponse


def document(kind: str, spec: str) -> dict[str, Any]:
    """Return a document of a kind with a spec."""
    group = "gateway.headgate.dev/v1alpha1" if kind == "DirectResponse" else "gateway.networking.k8s.io/v1"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "a"}, "spec": raw(spec)}


def test_gateway_class() -> None:
    """A GatewayClass names its controller and, if it likes, its parameters."""
    spec = valid(
        GatewayClass,
        document(
            "GatewayClass",
            "{controllerName: gateway.headgate.dev/controller, parametersRef: {group: '', kind: ConfigMap, name: a}}",
        ),
    ).spec
    assert spec.controller_name == "gateway.headgate.dev/controller"
    assert spec.parameters_ref is not None
    assert spec.parameters_ref.namespace is None


def test_reference_grant() -> None:
    """A ReferenceGrant names who may refer, and to what: one object, or all of a kind."""
    spec = valid(
        ReferenceGrant,
        document(
            "ReferenceGrant",
            "{from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: web}], "
            "to: [{group: '', kind: Service}, {group: '', kind: Secret, name: cert}]}",
        ),
    ).spec
    assert [grantee.namespace for grantee in spec.from_] == ["web"]
    assert [(granted.kind, granted.name) for granted in spec.to] == [("Service", None), ("Secret", "cert")]


def test_direct_response() -> None:
    """A DirectResponse has a status and, if it likes, a body."""
    assert valid(DirectResponse, document("DirectResponse", "{status: 204, body: ''}")).spec.body == ""
    assert valid(DirectResponse, document("DirectResponse", "{status: 204}")).spec.body is None
    assert valid(DirectResponse, document("DirectResponse", "{status: 200, body: hello}")).spec.body == "hello"


def test_longest_body() -> None:
    """A body has up to 4,096 bytes, which are fewer characters where they are not ASCII."""
    fits = document("DirectResponse", "{status: 200}")
    fits["spec"]["body"] = "é" * 2048
    assert errors(fits) == []
    fits["spec"]["body"] += "!"
    assert errors(fits) == ["spec.body: must be at most 4096 bytes of UTF-8, not 4097: shorten it"]


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        (
            "GatewayClass",
            "{controllerName: headgate}",
            "spec.controllerName: must be a domain and a path, like gateway.headgate.dev/controller",
        ),
        (
            "ReferenceGrant",
            "{from: [], to: [{group: '', kind: Service}]}",
            "spec.from: must have at least 1 item: add one",
        ),
        (
            "ReferenceGrant",
            "{from: [{group: '', kind: Service}], to: [{group: '', kind: Service}]}",
            "spec.from[0].namespace: is required: add it",
        ),
        ("DirectResponse", "{}", "spec.status: is required: add it"),
        ("DirectResponse", "{status: 199}", "spec.status: must be at least 200"),
        ("DirectResponse", "{status: 600}", "spec.status: must be at most 599"),
        (
            "DirectResponse",
            "{status: 204, body: a}",
            "spec.body: must not be set where the status is 204, 205 or 304: such responses have no body; remove it",
        ),
        (
            "DirectResponse",
            "{status: 200, body: a, bodyFormat: {text: b}}",
            "spec.bodyFormat: must not be set together with body: remove one of them",
        ),
        ("DirectResponse", "{status: 200, bodyFormat: {}}", "spec.bodyFormat: must have exactly one of text and json"),
        (
            "DirectResponse",
            "{status: 200, headers: {set: [{name: Content-Length, value: '1'}]}}",
            "spec.headers.set[0].name: must not be changed: it frames messages, is of one connection, or is Host, "
            "which hostRewrite changes; remove it",
        ),
        ("DirectResponse", "{status: 200, body: 7}", "spec.body: must be a string, not a number: put it in quotes"),
    ],
)
def test_refused(kind: str, spec: str, expected: str) -> None:
    """What the API server would refuse is refused, at the field and with what to do about it."""
    assert errors(document(kind, spec)) == [expected]
