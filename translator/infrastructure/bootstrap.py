"""The bootstrap of a proxy in a cluster.

The proxy connects to Headgate over TLS, and authenticates by the token of its service account. Envoy rereads the
authority's certificates and the token when they change: Kubernetes replaces the files while the pod runs, which Envoy
notices only for secrets that it reads from separate files.

Static listeners serve readiness, metrics and the drain. Before a pod is stopped, the kubelet sends GET to a path that
cannot be computed without Headgate's key. Envoy then requests its own administration interface to fail health checks,
so that it closes idle connections, and answers after the drain time. If the process has not ended some time after that,
the pod was not stopped, and it passes health checks again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final

from google.protobuf import json_format

from headgate_proto.envoy.config.bootstrap.v3 import bootstrap_pb2
from translator.envoy.any_types import unknown_types
from translator.envoy.bootstrap import XDS_CLUSTER, bootstrap, socket_address, xds_cluster
from translator.envoy.overload import heap_of
from translator.infrastructure.names import CONTAINER
from translator.infrastructure.quantity import whole
from translator.inputs import ProxyDefaults
from translator.objects.headgate.gatewayparameters import GatewayParametersSpec, StatsParameters
from translator.proxy import ADMIN_PORT, ENVOY_VERSION, METRICS_PORT, READINESS_PORT
from translator.strategic_merge import TooDeep, merge, without_nulls
from xds import check

READY_PATH: Final = "/ready"
METRICS_PATH: Final = "/stats/prometheus"

CONFIG_FOLDER: Final = "/etc/headgate"
BOOTSTRAP_FILE: Final = "bootstrap.json"
CA_FILE: Final = "ca.crt"
CA_SECRET_FILE: Final = "xds-ca.json"
TOKEN_SECRET_FILE: Final = "xds-token.json"
TOKEN_FOLDER: Final = "/var/run/secrets/headgate"
TOKEN_FILE: Final = "token"

_TYPE: Final = "type.googleapis.com/"
_EXTENSIONS: Final = f"{_TYPE}envoy.extensions"
_SECRET: Final = f"{_EXTENSIONS}.transport_sockets.tls.v3.Secret"

MARGIN_SECONDS: Final = 20
"""Seconds that a pod has to stop after the drain time."""
_MOST_SECONDS: Final = 2 * 3600
"""Timeout of a drain request; parameters allow an hour of drain time."""
_RETURN_SECONDS: Final = 2 * MARGIN_SECONDS
"""Seconds after the drain time after which a running proxy is assumed not to be stopped."""

_DRAIN: Final = """\
function envoy_on_request(handle)
  local fail = {{[":method"] = "POST", [":path"] = "/healthcheck/fail", [":authority"] = "admin"}}
  handle:httpCall("admin", fail, "", 5000)
  local later = {{[":method"] = "GET", [":path"] = "{end_path}", [":authority"] = "self"}}
  handle:httpCall("self", later, "", {most}, true)
end
"""
_END: Final = """\
function envoy_on_response(handle)
  handle:httpCall("admin", {[":method"] = "POST", [":path"] = "/healthcheck/ok", [":authority"] = "admin"}, "", 5000)
end
"""


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders of a proxy's configuration files and token."""

    config: str = CONFIG_FOLDER
    token: str = TOKEN_FOLDER


def files(
    proxies: ProxyDefaults, parameters: GatewayParametersSpec, drain_path: str, folders: Folders = Folders()
) -> Mapping[str, str] | str:
    """Return the files of a proxy's configuration, by name.

    Args:
        proxies: the defaults of all proxies, including Headgate's address.
        parameters: the Gateway's parameters: log level, statistics, overrides and so on.
        drain_path: the path that starts the drain.
        folders: the folders of the files in the container.

    Returns:
        The files; or, as text, why Envoy would reject the bootstrap with the overrides.
    """
    plain = _plain(proxies, parameters, drain_path, folders)
    if parameters.bootstrap is not None:
        try:
            plain = without_nulls(merge(plain, parameters.bootstrap))
        except TooDeep as error:
            return str(error)
    fault = _bootstrap_error(plain)
    if fault:
        return fault
    return {
        BOOTSTRAP_FILE: _text(plain),
        CA_FILE: proxies.ca,
        CA_SECRET_FILE: _text(_ca_secret(proxies, folders)),
        TOKEN_SECRET_FILE: _text(_token_secret(folders)),
    }


def drain_path(uid: str, key: bytes) -> str:
    """Return the path that starts the drain of a Gateway's proxies.

    Args:
        uid: the Gateway's `metadata.uid`, which is no secret.
        key: Headgate's secret key, the same for all replicas and for ever: another path changes the pod template.
    """
    return f"/drain/{blake2b(uid.encode(), digest_size=16, key=key, person=b'headgate-drain').hexdigest()}"


def _bootstrap_error(plain: dict[str, Any]) -> str:
    """Return why Envoy would reject a bootstrap; "" if no fault can be found without Envoy."""
    strange = next(unknown_types(plain), None)
    if strange is not None:
        return f"Envoy {ENVOY_VERSION} has no type {strange[:256]}"
    message = bootstrap_pb2.Bootstrap()
    try:
        json_format.ParseDict(plain, message, max_recursion_depth=200)
    except json_format.ParseError as error:
        return str(error).partition("\n")[0][:1024]
    violations = check(message)
    return str(violations[0]) if violations else ""


def _plain(
    proxies: ProxyDefaults, parameters: GatewayParametersSpec, drain_path: str, folders: Folders
) -> dict[str, Any]:
    message = bootstrap(
        socket_address("127.0.0.1", ADMIN_PORT),
        xds_cluster(proxies.xds_host, proxies.xds_port),
        # A proxy without its listeners is not ready, however long Headgate takes.
        initial_fetch_timeout=timedelta(0),
        max_heap_bytes=heap_of(memory_limit(parameters)),
    )
    listeners = [_listener("readiness", proxies.addresses, READINESS_PORT, _probe_routes(parameters, drain_path))]
    if parameters.stats.prometheus:
        route = {"match": {"path": METRICS_PATH}, "route": {"cluster": "admin"}}
        listeners.append(_listener("metrics", proxies.addresses, METRICS_PORT, [route]))
    # Unpacked Anys can be merged with overrides; through text, which leaves no OrderedDicts.
    made = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    own = {
        "static_resources": {
            "listeners": listeners,
            "clusters": [
                _xds_security(proxies, folders),
                _local_cluster("admin", "127.0.0.1", ADMIN_PORT),
                *(
                    [_local_cluster("self", _own(proxies.addresses), READINESS_PORT)]
                    if parameters.drain_seconds
                    else []
                ),
            ],
        }
    }
    plain: dict[str, Any] = merge(made, own)
    _choose_stats(plain["stats_config"], parameters.stats)
    return plain


def memory_limit(parameters: GatewayParametersSpec) -> int | None:
    """Return the memory limit of a proxy's container, in bytes; None if there is none."""
    resources = [parameters.resources]
    spec: Any = (parameters.pod_template or {}).get("spec")
    containers: Any = spec.get("containers") if isinstance(spec, Mapping) else None
    for each in containers if isinstance(containers, list) else ():
        if isinstance(each, Mapping) and each.get("name") == CONTAINER:
            resources.insert(0, each.get("resources"))
    for found in resources:
        limits: Any = found.get("limits") if isinstance(found, Mapping) else None
        limit = whole(limits.get("memory")) if isinstance(limits, Mapping) else None
        if limit is not None:
            return limit
    return None


def _choose_stats(config: dict[str, Any], stats: StatsParameters) -> None:
    """Write which statistics proxies have: besides what is left out anyway, or only those that are asked for."""
    if stats.include_prefixes:
        patterns = [{"prefix": each} for each in stats.include_prefixes]
        config["stats_matcher"] = {"inclusion_list": {"patterns": patterns}}
    elif stats.exclude_prefixes:
        patterns = config["stats_matcher"]["exclusion_list"]["patterns"]
        patterns += [{"prefix": each} for each in stats.exclude_prefixes]


def _xds_security(proxies: ProxyDefaults, folders: Folders) -> dict[str, Any]:
    """Return the security fields of Headgate's own cluster: TLS, and a filter that adds the token."""
    credential = {
        "@type": f"{_EXTENSIONS}.http.injected_credentials.generic.v3.Generic",
        "credential": _from_file("token", TOKEN_SECRET_FILE, folders, folders.token),
        "header": "authorization",
        "header_value_prefix": "Bearer ",
    }
    injector = {
        "@type": f"{_EXTENSIONS}.filters.http.credential_injector.v3.CredentialInjector",
        "overwrite": True,
        "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": credential},
    }
    tls = {
        "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": proxies.xds_host,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            # Envoy's default for clients is at most TLS 1.2.
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "validation_context_sds_secret_config": _from_file("ca", CA_SECRET_FILE, folders, folders.config),
        },
    }
    options = {
        "http_filters": [
            {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.upstream_codec.v3.UpstreamCodec"},
            },
        ]
    }
    return {
        "name": XDS_CLUSTER,
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
    }


def _from_file(name: str, file: str, folders: Folders, watched: str) -> dict[str, Any]:
    source = {"path": f"{folders.config}/{file}", "watched_directory": {"path": watched}}
    return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def _ca_secret(proxies: ProxyDefaults, folders: Folders) -> dict[str, Any]:
    validation = {
        "trusted_ca": {"filename": f"{folders.config}/{CA_FILE}"},
        "watched_directory": {"path": folders.config},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": proxies.xds_host}}],
    }
    return {"resources": [{"@type": _SECRET, "name": "ca", "validation_context": validation}]}


def _token_secret(folders: Folders) -> dict[str, Any]:
    token = {"filename": f"{folders.token}/{TOKEN_FILE}", "watched_directory": {"path": folders.token}}
    return {"resources": [{"@type": _SECRET, "name": "token", "generic_secret": {"secret": token}}]}


def _own(addresses: tuple[str, ...]) -> str:
    """Return the address of a proxy's own readiness listener."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(addresses[0], addresses[0])


def _local_cluster(name: str, host: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": host, "port_value": port}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _probe_routes(parameters: GatewayParametersSpec, drain_path: str) -> list[dict[str, Any]]:
    ready = {"match": {"path": READY_PATH}, "route": {"cluster": "admin"}}
    if not parameters.drain_seconds:
        return [ready]
    seconds, end_path = parameters.drain_seconds, f"{drain_path}/end"
    drain = _DRAIN.format(end_path=end_path, most=1000 * (seconds + 2 * _RETURN_SECONDS))
    return [ready, _delayed(drain_path, drain, seconds), _delayed(end_path, _END, seconds + _RETURN_SECONDS)]


def _delayed(path: str, script: str, seconds: int) -> dict[str, Any]:
    """Return a route that runs a script, and answers after a delay."""
    lua = {"@type": f"{_EXTENSIONS}.filters.http.lua.v3.LuaPerRoute", "source_code": {"inline_string": script}}
    delay = {"fixed_delay": f"{seconds}s", "percentage": {"numerator": 100}}
    wait = {"@type": f"{_EXTENSIONS}.filters.http.fault.v3.HTTPFault", "delay": delay}
    return {
        "match": {"path": path},
        "direct_response": {"status": 200},
        "typed_per_filter_config": {"envoy.filters.http.lua": lua, "envoy.filters.http.fault": wait},
    }


def _listener(name: str, addresses: tuple[str, ...], port: int, routes: list[dict[str, Any]]) -> dict[str, Any]:
    first, *others = ({"address": {"socket_address": {"address": each, "port_value": port}}} for each in addresses)
    filters = [
        {
            "name": f"envoy.filters.http.{each}",
            "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.{each}.v3.{kind}"},
        }
        for each, kind in (("lua", "Lua"), ("fault", "HTTPFault"), ("router", "Router"))
    ]
    manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "stream_idle_timeout": f"{_MOST_SECONDS}s",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": name,
        **first,
        **({"additional_addresses": others} if others else {}),
        # A proxy at its limit of connections or memory is still ready: its clients must not be moved to the others,
        # which have no more capacity.
        "ignore_global_conn_limit": True,
        "bypass_overload_manager": True,
        "filter_chains": [chain],
    }


def _text(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, indent=2, sort_keys=True) + "\n"
