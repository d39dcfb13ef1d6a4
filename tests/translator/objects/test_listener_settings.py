"""The limits of what a ListenerPolicy says of traces and gRPC, and what of it excludes each other."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from translator.objects.headgate.clientcertdetails import ForwardClientCertDetails
from translator.objects.headgate.collectors import MOST_HEADERS, CollectorHeader, CollectorService
from translator.objects.headgate.grpcsettings import MOST_METHODS, MOST_SERVICES, GrpcStats
from translator.objects.headgate.listenertracing import LONGEST_PATH, ListenerTracing
from translator.objects.headgate.traceproviders import (
    MOST_DETECTORS,
    MOST_RESOURCE_ATTRIBUTES,
    OpenTelemetryTraces,
    StaticDetector,
)
from translator.objects.schema.base import Fields

COLLECTOR = {"backendRef": {"name": "collector", "port": 4317}}

DETECTOR: dict[str, Any] = {"environmentResourceDetector": {}}


def services(count: int) -> dict[str, Any]:
    """Return so many services with one method."""
    return {"services": [{"name": f"shop.S{each}", "methods": ["M"]} for each in range(count)]}


@pytest.mark.parametrize(
    ("model", "most", "made"),
    [
        (GrpcStats, MOST_SERVICES, services),
        (GrpcStats, MOST_METHODS, lambda count: {"services": [{"name": "shop.S", "methods": ["M"] * count}]}),
        (
            OpenTelemetryTraces,
            MOST_DETECTORS,
            lambda count: {
                "grpcService": COLLECTOR,
                "resourceDetectors": [{"environmentResourceDetector": {}}] * count,
            },
        ),
        (
            StaticDetector,
            MOST_RESOURCE_ATTRIBUTES,
            lambda count: {"attributes": [{"name": f"a{each}", "value": "b"} for each in range(count)]},
        ),
        (
            CollectorService,
            MOST_HEADERS,
            lambda count: {**COLLECTOR, "headers": [{"name": f"x-{each}", "value": "a"} for each in range(count)]},
        ),
        (ListenerTracing, LONGEST_PATH, lambda count: {"maxPathTagLength": count}),
    ],
)
def test_the_most(model: type[Fields], most: int, made: Any) -> None:
    """A list may have so many items, and a number be so great, and not one more."""
    model.model_validate(made(most))
    with pytest.raises(ValidationError, match=r"at most|less than or equal"):
        model.model_validate(made(most + 1))


@pytest.mark.parametrize(
    ("model", "wrong", "said"),
    [
        (OpenTelemetryTraces, {}, "exactly one of grpcService and httpService"),
        (OpenTelemetryTraces, {"grpcService": COLLECTOR, "httpService": COLLECTOR}, "exactly one of"),
        (
            ListenerTracing,
            {"provider": {"zipkin": COLLECTOR, "datadog": COLLECTOR}},
            "exactly one of openTelemetry, zipkin, datadog; set are: zipkin, datadog",
        ),
        (ListenerTracing, {"provider": {}}, "exactly one of openTelemetry, zipkin, datadog"),
        (ListenerTracing, {"disable": {}, "verbose": True}, "must not be set together with verbose"),
        (ForwardClientCertDetails, {"mode": "ForwardOnly", "details": {"dns": True}}, "unless mode is AppendForward"),
        (ForwardClientCertDetails, {"details": {"dns": True}}, "unless mode is AppendForward"),
        (CollectorHeader, {"name": "x-key"}, "must have either value or secretRef"),
        (CollectorHeader, {"name": "x-key", "value": "a", "secretRef": {"name": "key"}}, "either value or secretRef"),
        (CollectorHeader, {"name": "x-key", "value": "a", "prefix": "b "}, "must not be set without secretRef"),
        (
            CollectorService,
            {**COLLECTOR, "headers": [{"name": name, "value": "a"} for name in ("X-K", "x-k")]},
            "earlier",
        ),
    ],
)
def test_what_excludes_each_other(model: type[Fields], wrong: dict[str, Any], said: str) -> None:
    """A message names the members of which one may be set, and those that are."""
    with pytest.raises(ValidationError) as found:
        model.model_validate(wrong)
    assert said in str([each.get("ctx") for each in found.value.errors()])
