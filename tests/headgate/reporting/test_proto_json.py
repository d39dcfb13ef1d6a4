"""Resources have Envoy's JSON form, without secrets, and can be validated by Envoy as one bootstrap."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from headgate.envoy.static import static_bootstrap
from headgate.reporting.proto_json import REDACTED, redact, resources, to_plain
from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_pb2, scoped_route_pb2
from headgate_proto.envoy.extensions.filters.http.router.v3 import router_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from tests.certificates import self_signed
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot

TYPES = "type.googleapis.com/envoy.extensions."
ADS = {"ads": {}, "resource_api_version": "V3"}


def parse(data: dict[str, Any], message: Message) -> Resource:
    """Return a resource from its JSON form."""
    return Resource.pack(json_format.ParseDict(data, message))


RDS = {"rds": {"route_config_name": "web", "config_source": ADS}}
EXTRACTOR = {"header_value_extractor": {"name": "scope", "index": 0}}
SRDS = {
    "scoped_routes": {
        "name": "scopes",
        "scope_key_builder": {"fragments": [EXTRACTOR]},
        "rds_config_source": ADS,
        "scoped_rds": {"scoped_rds_config_source": ADS},
    }
}


def listener(routes: dict[str, Any] = RDS) -> Resource:
    """Return a listener with routes and a certificate by xDS."""
    manager = {
        "@type": TYPES + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        **routes,
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPES + "filters.http.router.v3.Router"}}],
    }
    tls = {
        "@type": TYPES + "transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "certificate", "sds_config": ADS}]},
    }
    chain = {
        "filters": [{"name": "http", "typed_config": manager}],
        "transport_socket": {"name": "tls", "typed_config": tls},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 8443}}
    return parse({"name": "web", "address": address, "filter_chains": [chain]}, listener_pb2.Listener())


def cluster() -> Resource:
    """Return a cluster with endpoints by xDS."""
    data = {"name": "shop", "type": "EDS", "eds_cluster_config": {"eds_config": ADS}, "connect_timeout": "1s"}
    return parse(data, cluster_pb2.Cluster())


def route(regex: str) -> Resource:
    """Return routes with a regular expression, to an existing cluster and a missing one."""
    routes = [
        {"match": {"safe_regex": {"regex": regex}}, "route": {"cluster": "shop"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "missing"}},
    ]
    return parse(
        {"name": "web", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        route_pb2.RouteConfiguration(),
    )


def endpoints(address: str) -> Resource:
    """Return the endpoints of the cluster."""
    endpoint = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": 80}}}}
    data = {"cluster_name": "shop", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return parse(data, endpoint_pb2.ClusterLoadAssignment())


@pytest.fixture
def secret() -> Resource:
    """Return a certificate with its key."""
    chain, private = self_signed("test")
    certificate = {
        "certificate_chain": {"inline_string": chain},
        "private_key": {"inline_string": private},
    }
    return parse({"name": "certificate", "tls_certificate": certificate}, secret_pb2.Secret())


def validate(bootstrap: dict[str, Any], envoy: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Return the result of Envoy's validation of a bootstrap."""
    file = directory / "bootstrap.json"
    file.write_text(json.dumps(bootstrap))
    command = [str(envoy), "--mode", "validate", "--log-level", "warning", "--config-path", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_envoy_validates_all_resources_of_a_snapshot(secret: Resource, envoy_path: Path, tmp_path: Path) -> None:
    """A static bootstrap contains listeners, routes, clusters, endpoints and secrets, and Envoy accepts it."""
    snapshot = Snapshot.of([listener(), cluster(), route("/a+"), endpoints("127.0.0.1"), secret])
    config = static_bootstrap(resources(snapshot, redacted=False))
    told = validate(config, envoy_path, tmp_path)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(
    ("bad", "message"),
    [(route("(?<no"), "invalid named capture group"), (endpoints("not an address"), "malformed IP address")],
)
def test_envoy_finds_errors_in_all_resources(
    bad: Resource, message: str, secret: Resource, envoy_path: Path, tmp_path: Path
) -> None:
    """An invalid regular expression or address is found, although the resource would be sent by xDS."""
    snapshot = Snapshot.of([listener(), cluster(), route("/a+"), endpoints("127.0.0.1"), secret]).replace([bad])
    told = validate(static_bootstrap(resources(snapshot, redacted=False)), envoy_path, tmp_path)
    assert told.returncode != 0
    assert message in told.stderr


@pytest.mark.parametrize(("path", "valid"), [("/a+", True), ("(?<no", False)])
def test_envoy_validates_the_routes_of_scopes(
    path: str, valid: bool, secret: Resource, envoy_path: Path, tmp_path: Path
) -> None:
    """The routes of a listener with scopes are inlined too, and Envoy finds an error in them."""
    data = {"name": "one", "route_configuration_name": "web", "key": {"fragments": [{"string_key": "a"}]}}
    scope = parse(data, scoped_route_pb2.ScopedRouteConfiguration())
    made = Snapshot.of([listener(SRDS), cluster(), route(path), endpoints("127.0.0.1"), scope, secret])
    told = validate(static_bootstrap(resources(made, redacted=False)), envoy_path, tmp_path)
    assert (told.returncode == 0) is valid, told.stderr


def test_missing_routes_and_endpoints_are_empty(secret: Resource, envoy_path: Path, tmp_path: Path) -> None:
    """Missing routes and endpoints are empty ones, as by xDS."""
    config = static_bootstrap(resources(Snapshot.of([listener(), cluster(), secret]), redacted=False))
    assert validate(config, envoy_path, tmp_path).returncode == 0


def test_private_keys_are_not_shown(secret: Resource) -> None:
    """In the JSON form, the private key is blanked, the certificate is not."""
    (shown,) = resources(Snapshot.of([secret]))["secrets"]
    assert shown["tls_certificate"]["private_key"] == {"inline_string": REDACTED}
    assert "BEGIN CERTIFICATE" in shown["tls_certificate"]["certificate_chain"]["inline_string"]


def test_nested_secrets_are_not_shown() -> None:
    """Sensitive fields are blanked in Anys and lists, too, as text and as bytes."""
    certificate = common_pb2.TlsCertificate(
        private_key={"inline_bytes": b"key"},
        password={"inline_string": "password"},
    )
    context = tls_pb2.DownstreamTlsContext(common_tls_context=tls_pb2.CommonTlsContext(tls_certificates=[certificate]))
    packed = any_pb2.Any()
    packed.Pack(context)
    shown = json.dumps(to_plain(redact(packed)))
    assert "password" in shown
    assert "W3JlZGFjdGVkXQ==" in shown
    assert REDACTED in shown
    assert "a2V5" not in shown


#: Modules that resolve the messages inside an Any above.
IMPORTED = (router_pb2, http_connection_manager_pb2)
