"""Generators of InferencePools and pods, which meet and miss each other and their pickers."""

from __future__ import annotations

from tests.translator.strategies import Objects, fields, maybe, object_of, one, some

INFERENCE = "inference.networking.k8s.io"


def inference_pools() -> Objects:
    """Pools with a picker, a bad one or none, whose pods may be there."""
    picker = fields(
        name=one("w1", "w2"),
        port=fields(number=one(80, 80, 81)),
        kind=one(None, None, None, "Picker"),
        failureMode=one(None, "FailOpen"),
    )
    spec = fields(
        selector=fields(matchLabels=one({"app": "x"}, {"app": "y"}, {"app": "x", "tier": "z"})),
        targetPorts=some(fields(number=one(8000, 8001)), 2, 1, by=str),
        appProtocol=one(None, None, "kubernetes.io/h2c"),
        endpointPickerRef=one(True, True, True, False).flatmap(lambda given: picker if given else one(None)),
    )
    return object_of(f"{INFERENCE}/v1", "InferencePool", ("w1", "w2"), spec=spec)


def pods() -> Objects:
    """Pods that are ready or not, or about to go, with and without an address; some are proxies."""
    labels = one({"app": "x"}, {"app": "x", "tier": "z"}, {"app": "y"}, {"app.kubernetes.io/managed-by": "headgate"})
    conditions = one([{"type": "Ready", "status": "True"}], [{"type": "Ready", "status": "False"}], [])
    status = fields(podIP=maybe(one("10.2.0.1", "10.2.0.2")), conditions=conditions)
    return object_of("v1", "Pod", ("o1", "o2"), labels=labels, status=status)
