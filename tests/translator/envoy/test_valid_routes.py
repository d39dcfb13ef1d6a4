"""Envoy accepts the resources of every valid route."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.translator.envoy.valid_routes import routes
from tests.translator.golden.envoy import envoy_error
from translator.inputs import Edit, Settings
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.route import Route
from translator.objects.kubernetes.service import Service
from translator.registry import KINDS
from translator.translator import Translator
from xds.resources.snapshot import Snapshot

pytestmark = pytest.mark.slow

GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "web"},
    "spec": {"gatewayClassName": "headgate", "listeners": [{"name": "http", "port": 8080, "protocol": "HTTP"}]},
}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}


def translate(route: Route) -> Snapshot:
    """Return what a Gateway with that one route is sent."""
    translator = Translator(Settings(offline=True))
    gateway, service = KINDS.parse(GATEWAY).object, KINDS.parse(SERVICE).object
    assert isinstance(gateway, Gateway)
    assert isinstance(service, Service)
    translator.edit(Edit(each.ref, each) for each in (gateway, service, route))
    assert translator.evaluate().failures == []
    return translator.snapshots[gateway.ref]


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(found=st.lists(routes(), min_size=20, max_size=20))
def test_envoy_takes_every_valid_route(
    envoy_path: Path, tmp_path_factory: pytest.TempPathFactory, found: list[Route]
) -> None:
    """A valid route never becomes what Envoy refuses, for it would refuse all other routes with it."""
    assert envoy_error(envoy_path, tmp_path_factory.mktemp("envoy"), map(translate, found)) == ""
