"""Statuses that Envoy does not respond with: it would refuse the limits of a whole Gateway for one of them."""

from __future__ import annotations

import pytest

from bench.world import GATEWAY, manifest
from tests.translator.policies.test_traffic_policy import conditions, serving
from translator.envoy.filter_configs import violations
from translator.extensions.local_rate_limit import LocalLimit
from translator.extensions.state_place import StatePlace
from translator.kinds import Level
from translator.objects.headgate.locallimit import LocalRateLimit

BUCKET = {"maxTokens": 1, "fillInterval": "1s"}


@pytest.mark.parametrize(("kind", "name"), [("Gateway", GATEWAY), ("HTTPRoute", "route-1")])
def test_a_local_limit_with_a_status_that_envoy_does_not_know(kind: str, name: str) -> None:
    """The limit is left out, at Gateways and at routes, and the condition names the field."""
    target = {"group": "gateway.networking.k8s.io", "kind": kind, "name": name}
    spec = {"targetRefs": [target], "rateLimit": {"local": {"tokenBucket": BUCKET, "statusCode": 430}}}
    found = conditions(serving(manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", "p", spec=spec)), "p")
    text = "spec.rateLimit.local.statusCode: 430 is no status that Envoy responds with; use another, like 429."
    assert found["Accepted"] == ("False", "Invalid", text)


def test_what_differs_from_place_to_place_is_checked_too() -> None:
    """A setting that has its filters only at a rule is checked as it would be there."""
    limits = LocalRateLimit.model_validate({"tokenBucket": BUCKET, "statusCode": 430})
    setting = LocalLimit(StatePlace("default/p", Level.ROUTE, True), limits)
    assert any("status.code" in each for each in violations((setting,)))
