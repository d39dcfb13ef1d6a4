"""The Gateway API's own definitions of routes, in a real API server: they take what the models take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.translator.objects import test_grpcroute, test_httproute, test_tcproute, test_tlsroute
from tests.translator.objects.written import errors
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.gateway_api.route import Route
from translator.registry import KINDS
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.paths import collection, resource

pytestmark = pytest.mark.e2e

Document = dict[str, Any]
NAMES = ["a", "_1", "a.B", ".a.B", "", "a/b", "1a", "a..b", "a.", "a b", "a-b", "a\n", "é", "\u017f", "\u212a"]


def documents() -> Iterator[Document]:
    """Yield routes of several kinds, good and bad."""
    yield from (test_httproute.rule(case[0]) for case in test_httproute.RULES.values())
    for cases in (test_httproute, test_grpcroute):
        yield cases.route("{useDefaultGateways: All}")
        yield from (cases.route(f"{{parentRefs: {parents}}}") for parents, *_ in test_httproute.PARENTS.values())
        for names in (["a.com"] * 16, ["a.com"] * 17, ["*.com"], ["*.*.com"], ["A.com"]):
            yield {**cases.route("{}"), "spec": {"hostnames": names}}
        lists: list[Any] = [[], [{}] * 16, [{}] * 17, [{"name": "a"}, {}, {"name": "a"}], [{"matches": [{}] * 65}]]
        for rules in lists:
            yield {**cases.route("{}"), "spec": {"rules": rules}}
        for last in (1, 2):
            rules = [{"matches": [{}] * 64}, {"matches": [{}] * 63}, {"matches": [{}] * last}]
            yield {**cases.route("{}"), "spec": {"rules": rules}}
    yield from (test_grpcroute.rule(case[0]) for case in test_grpcroute.RULES.values())
    yield test_tlsroute.route(rules=test_tlsroute.RULES, hostnames=["a.com", "*.b.com", "1.2.3", "300.1.2.3"])
    yield from (test_tlsroute.route(**spec) for spec, _ in test_tlsroute.REFUSED)
    for kind in ("TCPRoute", "UDPRoute"):
        yield test_tcproute.route(kind, {"backendRefs": [test_tcproute.BACKEND] * 16})
        yield from (test_tcproute.route(kind, *rules) for rules, _ in test_tcproute.REFUSED)
    for name in (*NAMES, "a" * 1024, "a" * 1025):
        for kind in ("Exact", "RegularExpression"):
            for member in ("service", "method"):
                rules = [{"matches": [{"method": {"type": kind, member: name}}]}]
                yield {**test_grpcroute.route("{}"), "spec": {"rules": rules}}


def is_defined(schema: Document, value: Any) -> bool:
    """Return whether a definition has all fields of a value: that of the standard channel lacks some."""
    if isinstance(value, list):
        return all(is_defined(schema["items"], each) for each in value)
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        return all(name in fields and is_defined(fields[name], each) for name, each in value.items())
    return True


def is_experimental(document: Document) -> bool:
    """Return whether a route is about a rule of the experimental channel alone: for parents by port, and XBackends."""
    by_port = any("port" in each for each in document["spec"].get("parentRefs", ()))
    return by_port or "XBackend" in str(document)


async def test_definitions_judge_as_the_models(client: ApiClient) -> None:
    """The API server takes a route where its model does, and only there, as far as its channel has what is written."""
    schemas: dict[str, Document] = {}
    channel = ""
    for model in KINDS.subclasses(Route):
        if model.group != GATEWAY_GROUP:
            continue  # ours are of no channel: the generated definitions have tests of their own
        name = resource(model)
        found = await client.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        channel = found["metadata"]["annotations"]["gateway.networking.k8s.io/channel"]
        version = next(each for each in found["spec"]["versions"] if each["name"] == model.versions[0])
        schemas[model.kind] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    compared = 0
    differ: list[tuple[Document, list[str], str]] = []
    for document in documents():
        model = KINDS[document["kind"]]
        standard = channel != "standard" or not is_experimental(document)
        if not (standard and is_defined(schemas[model.kind], document["spec"])):
            continue
        compared += 1
        refused = ""
        try:
            path = collection(model, model.versions[0], "default")
            await client.request("POST", path, body=document, query={"dryRun": "All"})
        except ApiError as error:
            refused = str(error) if error.status == 422 else ""
        if bool(found_errors := errors(document)) != bool(refused):
            differ.append((document, found_errors, refused))
    assert differ == []
    assert compared > 100
