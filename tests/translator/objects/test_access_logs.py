"""Access logs and local replies of ListenerPolicies: what is refused of them where they are parsed."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.headgate.accesslogs import MOST_LOGS
from translator.objects.headgate.localreplies import MOST_MAPPERS
from translator.objects.headgate.logfilters import MOST_FILTERS, SINGLE
from translator.registry import KINDS

STATUS = {"statusCodeFilter": {"op": "GE", "value": 400}}
FILE: dict[str, Any] = {"fileSink": {}}


def problems(**default: Any) -> list[tuple[str, str]]:
    """Return the path below `spec.default`, and the message, of each problem of a policy."""
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
    manifest = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "ListenerPolicy",
        "metadata": {"name": "logs"},
        "spec": {"targetRefs": [target], "default": default},
    }
    found = KINDS.parse(manifest).problems
    return [(".".join(map(str, each.path[2:])), each.message) for each in found]


def of_logs(*logs: Any) -> list[tuple[str, str]]:
    """Return the path below the logs of requests, and the message, of each problem."""
    found = problems(httpSettings={"accessLog": list(logs)})
    return [(path.removeprefix("httpSettings.accessLog").removeprefix("."), message) for path, message in found]


@pytest.mark.parametrize(
    ("log", "path", "message"),
    [
        ({}, "0", "must have exactly one of fileSink, grpcService and openTelemetry"),
        ({**FILE, "openTelemetry": {"grpcService": {"backendRef": {"name": "a", "port": 1}}}}, "0", "exactly one of"),
        ({"fileSink": {"path": "log"}}, "0.fileSink.path", "must be an absolute path"),
        ({"fileSink": {"path": "/a b"}}, "0.fileSink.path", "must be an absolute path"),
        ({"fileSink": {"stringFormat": "a", "jsonFormat": {}}}, "0.fileSink.jsonFormat", "together with stringFormat"),
        ({"fileSink": {"jsonFormat": {"a": float("nan")}}}, "0.fileSink.jsonFormat", "must be JSON"),
        ({"grpcService": {}}, "0.grpcService.backendRef", "is required"),
        ({"grpcService": {"backendRef": {"name": "a"}}}, "0.grpcService.backendRef.port", "is required for a Service"),
        ({"openTelemetry": {}}, "0.openTelemetry.grpcService", "is required"),
        ({**FILE, "filter": {}}, "0.filter", SINGLE),
        ({**FILE, "filter": {**STATUS, "traceableFilter": True}}, "0.filter", SINGLE),
        ({**FILE, "filter": {"andFilter": [STATUS]}}, "0.filter.andFilter", "at least 2"),
        ({**FILE, "filter": {"orFilter": [STATUS, {}]}}, "0.filter.orFilter.1", SINGLE),
        ({**FILE, "filter": {"traceableFilter": False}}, "0.filter.traceableFilter", "must be True"),
        ({**FILE, "filter": {"responseFlagFilter": {"flags": ["XX"]}}}, "0.filter.responseFlagFilter.flags.0", "LH"),
        ({**FILE, "filter": {"statusCodeFilter": {"op": "GT", "value": 1}}}, "0.filter.statusCodeFilter.op", "GE"),
        (
            {**FILE, "filter": {"statusCodeFilter": {"op": "GE", "value": 600}}},
            "0.filter.statusCodeFilter.value",
            "599",
        ),
        (
            {**FILE, "filter": {"grpcStatusFilter": {"statuses": []}}},
            "0.filter.grpcStatusFilter.statuses",
            "at least 1",
        ),
        (
            {**FILE, "filter": {"runtimeFilter": {"percentSampled": 101}}},
            "0.filter.runtimeFilter.percentSampled",
            "share",
        ),
    ],
)
def test_wrong_logs(log: Any, path: str, message: str) -> None:
    """A problem says where it is and what is to be done."""
    ((where, text),) = of_logs(log)
    assert where == path
    assert message in text


def test_right_logs() -> None:
    """Nothing is wrong with a log of each kind, and with none."""
    backend = {"backendRef": {"name": "a", "port": 80}}
    assert not of_logs(FILE, {"grpcService": backend}, {"openTelemetry": {"grpcService": backend}})
    assert not of_logs()
    assert not problems(connectionAccessLog=[])


def test_so_many() -> None:
    """There are so many logs, filters and mappers, and no more."""
    assert not of_logs(*[FILE] * MOST_LOGS)
    assert of_logs(*[FILE] * (MOST_LOGS + 1))
    assert problems(connectionAccessLog=[FILE] * (MOST_LOGS + 1))
    for name in ("andFilter", "orFilter"):
        assert not of_logs({**FILE, "filter": {name: [STATUS] * MOST_FILTERS}})
        assert of_logs({**FILE, "filter": {name: [STATUS] * (MOST_FILTERS + 1)}})
    for count in (MOST_MAPPERS, MOST_MAPPERS + 1):
        mappers = [{"filter": STATUS}] * count
        assert bool(problems(httpSettings={"localReplies": {"mappers": mappers}})) == (count > MOST_MAPPERS)


@pytest.mark.parametrize(
    ("mapper", "path", "message"),
    [
        ({}, "filter", "is required"),
        ({"filter": STATUS, "statusCode": 204, "body": "a"}, "body", "204, 205 or 304"),
        ({"filter": STATUS, "statusCode": 304, "bodyFormat": {"text": "a"}}, "bodyFormat", "204, 205 or 304"),
        ({"filter": STATUS, "body": "é" * 2049}, "body", "4096 bytes"),
        ({"filter": STATUS, "bodyFormat": {}}, "bodyFormat", "exactly one of text and json"),
        ({"filter": STATUS, "headers": {"set": [{"name": "Host", "value": "a"}]}}, "headers.set.0.name", "Host"),
    ],
)
def test_wrong_mappers(mapper: Any, path: str, message: str) -> None:
    """A problem says where it is and what is to be done."""
    ((where, text),) = problems(httpSettings={"localReplies": {"mappers": [mapper]}})
    assert where == f"httpSettings.localReplies.mappers.0.{path}"
    assert message in text
