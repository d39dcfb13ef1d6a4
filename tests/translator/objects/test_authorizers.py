"""Authorizers of GatewayExtensions and TrafficPolicies: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors
from translator.envoy.ext_authz import FRAMING
from translator.objects.headgate.authorizers import (
    CONTEXT_CHARACTERS,
    MOST_AUTHORIZERS,
    MOST_CONTEXT,
    MOST_HEADERS,
)
from translator.objects.schema.header_names import OF_THE_CONNECTION

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
BACKEND = {"name": "authorizer", "port": 80}
MOST = f"must have at most {MOST_HEADERS} items: remove some"
NAMED = {"extensionRef": {"name": "authorizer"}}


def policy(**ext_auth: Any) -> list[str]:
    """Return what is wrong with a TrafficPolicy with this `extAuth`."""
    return _errors("TrafficPolicy", {"targetRefs": [GATEWAY], "extAuth": ext_auth})


def extension(**ext_auth: Any) -> list[str]:
    """Return what is wrong with a GatewayExtension with this `extAuth`."""
    return _errors("GatewayExtension", {"extAuth": ext_auth})


def by_http(**fields: Any) -> list[str]:
    """Return what is wrong with a GatewayExtension whose authorizer is asked by HTTP."""
    return extension(httpService={"backendRef": BACKEND, **fields})


def _errors(kind: str, spec: Any) -> list[str]:
    metadata = {"name": "a"}
    return errors({"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


def test_the_most_authorizers() -> None:
    """A policy may name so many authorizers, and no more, each once."""
    names = [{"name": f"a{place}"} for place in range(MOST_AUTHORIZERS + 1)]
    assert policy(extensionRefs=names[:-1]) == []
    assert policy(extensionRefs=names) == [
        f"spec.extAuth.extensionRefs: must have at most {MOST_AUTHORIZERS} items: remove some"
    ]
    assert policy(extensionRefs=[names[0], names[0]]) == [
        "spec.extAuth.extensionRefs[1]: is in the list already: remove it"
    ]


def test_the_most_headers() -> None:
    """A list of headers may have so many names, and no more."""
    names = [f"x-{place}" for place in range(MOST_HEADERS + 1)]
    for path in ("headersToBackend", "headersToClient", "headersToClientOnSuccess", "metadataFromHeaders"):
        assert by_http(authorizationResponse={path: names[:-1]}) == []
        assert by_http(authorizationResponse={path: names}) == [
            f"spec.extAuth.httpService.authorizationResponse.{path}: {MOST}"
        ]
    assert policy(**NAMED, headersToForward=names[:-1]) == []
    assert policy(**NAMED, headersToForward=[]) == ["spec.extAuth.headersToForward: must have at least 1 item: add one"]


def test_the_most_texts() -> None:
    """Authorizers may get so many texts, and so many secret ones, and no more."""
    texts = {f"a{place}": "b" for place in range(MOST_CONTEXT + 1)}
    (text,) = policy(**NAMED, contextExtensions=texts)
    assert text.startswith("spec.extAuth.contextExtensions: ")
    del texts["a0"]
    secrets = [{"name": f"b{place}", "secretRef": {"name": "s"}} for place in range(MOST_CONTEXT + 1)]
    assert policy(**NAMED, contextExtensions=texts, contextSecrets=secrets[:-1]) == []
    (text,) = policy(**NAMED, contextSecrets=secrets)
    assert text.startswith("spec.extAuth.contextSecrets: ")


def test_the_longest_text() -> None:
    """A text for authorizers may have so many characters, and no more."""
    assert policy(**NAMED, contextExtensions={"a": "b" * CONTEXT_CHARACTERS}) == []
    (text,) = policy(**NAMED, contextExtensions={"a": "b" * (CONTEXT_CHARACTERS + 1)})
    assert text.startswith("spec.extAuth.contextExtensions")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (policy(), "spec.extAuth: must name an authorizer: set extensionRef, or disable"),
        (policy(**NAMED, extensionRefs=[{"name": "b"}]), "spec.extAuth.extensionRefs: must not be set together with "),
        (policy(**NAMED, disable={}), "spec.extAuth.disable: must not be set together with extensionRef: remove one "),
        (
            policy(**NAMED, contextExtensions={"a": "b"}, contextSecrets=[{"name": "a", "secretRef": {"name": "s"}}]),
            "spec.extAuth.contextSecrets[0].name: must not be the name of one of contextExtensions",
        ),
        (policy(**NAMED, withRequestBody={"maxRequestBytes": 0}), "spec.extAuth.withRequestBody.maxRequestBytes: "),
        (extension(), "spec.extAuth: must have exactly one of grpcService and httpService"),
        (
            extension(httpService={"backendRef": BACKEND}, grpcService={"backendRef": BACKEND}),
            "spec.extAuth: must have exactly one of grpcService and httpService",
        ),
        (
            by_http(pathPrefix="/a", pathOverride="/b"),
            "spec.extAuth.httpService.pathOverride: must not be set ",
        ),
        (by_http(pathPrefix="a"), "spec.extAuth.httpService.pathPrefix: "),
        (by_http(pathOverride="/a?b"), "spec.extAuth.httpService.pathOverride: "),
        (by_http(requestTimeout="0s"), "spec.extAuth.httpService.requestTimeout: must be longer than 0s"),
        (
            by_http(authorizationRequest={"headersToAdd": [{"name": "x-a", "value": "%NOTHING%"}]}),
            "spec.extAuth.httpService.authorizationRequest.headersToAdd[0].value: ",
        ),
        (
            by_http(authorizationRequest={"headersToAdd": [{"name": "Content-Length", "value": "1"}]}),
            "spec.extAuth.httpService.authorizationRequest.headersToAdd[0].name: must not be changed",
        ),
        (
            by_http(authorizationResponse={"headersToBackend": ["x-a", "transfer-encoding"]}),
            "spec.extAuth.httpService.authorizationResponse.headersToBackend[1]: must not be changed",
        ),
        (extension(httpService={"backendRef": BACKEND}, statusOnError=200), "spec.extAuth.statusOnError: "),
        (extension(httpService={"backendRef": BACKEND}, percentageEnabled=101), "spec.extAuth.percentageEnabled: "),
        (extension(httpService={"backendRef": BACKEND}, statPrefix="a.b"), "spec.extAuth.statPrefix: may hold letters"),
    ],
)
def test_wrong_values(found: list[str], text: str) -> None:
    """A wrong value makes the object invalid; the error names the field, and the way out."""
    assert len(found) == 1
    assert found[0].startswith(text)


def test_authorizers_change_no_framing() -> None:
    """The headers that no authorizer may change are those that frame messages or are of one connection."""
    assert set(FRAMING.split("|")) == OF_THE_CONNECTION
