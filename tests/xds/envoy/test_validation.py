"""Our checker of protoc-gen-validate's rules agrees with a real Envoy."""

import re
import subprocess
from pathlib import Path
from random import Random

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate_proto.envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from tests.xds.random_messages import MessageMaker
from xds.validation.validate import check

REFUSED = "Proto constraint validation failed"


def validate(envoy: Path, folder: Path, bootstrap: Bootstrap) -> str:
    """Return the output of `envoy --mode validate` for a bootstrap."""
    config = folder / "bootstrap.pb"
    config.write_bytes(bootstrap.SerializeToString())
    options = ["--mode", "validate", "--disable-hot-restart", "--log-level", "error"]
    done = subprocess.run([envoy, *options, "--config-path", config], capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


def rejected_path(output: str) -> str:
    """Return the path in Envoy's message, in lower case and without underscores; it starts at the innermost Any."""
    reasons = output[output.index(REFUSED) :].split("caused by ")
    steps = [re.match(r'.*?(?:Error\.|field: ")(\w+(?:\[[^]]*\])?)', reason, re.DOTALL) for reason in reasons]
    return ".".join(step[1] for step in steps if step).replace("_", "").lower()


def comparable(path: str) -> str:
    """Return our path in the form of `rejected_path`."""
    return path.replace("_", "").replace("'", "").lower()


def with_route(route: dict[str, object], router: dict[str, object]) -> Bootstrap:
    """Return a bootstrap whose one listener has this route and this router filter."""
    manager = HttpConnectionManager(stat_prefix="a")
    host = manager.route_config.virtual_hosts.add(name="a", domains=["*"])
    host.routes.append(ParseDict(route, Route()))
    manager.http_filters.add(name="router").typed_config.Pack(ParseDict(router, Router()))
    bootstrap = Bootstrap()
    listener = bootstrap.static_resources.listeners.add(name="a")
    listener.address.socket_address.address = "127.0.0.1"
    listener.address.socket_address.port_value = 0
    listener.filter_chains.add().filters.add(name="hcm").typed_config.Pack(manager)
    return bootstrap


RESPONSE = {"status": 200}
BROKEN: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"match": {"path_separated_prefix": "/a/"}, "direct_response": RESPONSE}, {}),
    ({"match": {"prefix": "/", "headers": [{"name": "a\nb"}]}, "direct_response": RESPONSE}, {}),
    ({"match": {"prefix": "/"}, "direct_response": {"status": 600}}, {}),
    ({"match": {"prefix": "/"}}, {}),
    ({"match": {}, "direct_response": RESPONSE}, {}),
    ({"match": {"prefix": "/"}, "route": {"weighted_clusters": {}}}, {}),
    ({"match": {"prefix": "/"}, "route": {"cluster": "a", "retry_policy": {"retry_back_off": {}}}}, {}),
    ({"match": {"prefix": "/"}, "redirect": {"response_code": 99}}, {}),
    ({"match": {"prefix": "/"}, "direct_response": RESPONSE}, {"strict_check_headers": ["a"]}),
]


@pytest.mark.parametrize(("route", "router"), BROKEN)
def test_envoy_rejects_the_same_field(
    route: dict[str, object], router: dict[str, object], envoy_path: Path, tmp_path: Path
) -> None:
    """Envoy rejects a violation in a route or filter in an Any, with the same field and the same message."""
    bootstrap = with_route(route, router)
    (violation,) = check(bootstrap)
    output = validate(envoy_path, tmp_path, bootstrap)
    assert REFUSED in output
    assert comparable(violation.path).endswith(rejected_path(output))
    assert violation.rule.split(' "')[0] in output


def test_envoy_accepts_valid_messages(envoy_path: Path, tmp_path: Path) -> None:
    """Envoy accepts a message in which the checker finds no violation."""
    header = {"name": "a b", "string_match": {"exact": "c"}}
    bootstrap = with_route({"match": {"prefix": "/", "headers": [header]}, "direct_response": RESPONSE}, {})
    assert check(bootstrap) == []
    assert "OK" in validate(envoy_path, tmp_path, bootstrap)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([Cluster, Listener]), seed=st.integers(0, 2**32), breaking=st.sampled_from([0.0, 0.01, 0.03])
)
def test_envoy_agrees_on_random_messages(
    kind: type[Cluster] | type[Listener], seed: int, breaking: float, envoy_path: Path, tmp_path: Path
) -> None:
    """On random clusters and listeners, Envoy rejects exactly those that the checker does, with one of its fields."""
    made = MessageMaker(Random(seed), breaking=breaking).make(kind)
    bootstrap = Bootstrap()
    if isinstance(made, Cluster):
        bootstrap.static_resources.clusters.append(made)
    else:
        bootstrap.static_resources.listeners.append(made)
    output = validate(envoy_path, tmp_path, bootstrap)
    ours = [comparable(violation.path) for violation in check(bootstrap)]
    if REFUSED in output:
        assert rejected_path(output) in ours
    elif ours:
        # Envoy checks durations before it checks rules.
        assert "Invalid duration" in output
