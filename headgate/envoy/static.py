"""Static bootstraps: all resources of a snapshot in one file, which `envoy --mode validate` checks in one process.

It works on JSON values (`headgate.reporting.proto_json.resources`), like the golden cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.envoy.bootstrap import bootstrap
from headgate.process.address import Address
from headgate.reporting.proto_json import to_plain
from translator.envoy.names import PROXIES
from translator.proxy import ADMIN_PORT

Json = dict[str, Any]


def static_bootstrap(resources: Mapping[str, Sequence[Json]]) -> Json:
    """Return a bootstrap that needs no xDS server.

    Args:
        resources: lists of listeners, routes, their scopes, clusters, endpoints, configurations of filters, and
            secrets, private keys included.

    Returns:
        The bootstrap as JSON values: routes, scopes and the configurations of filters are inlined in listeners,
        endpoints in clusters, and secrets are static. Missing routes and endpoints are empty.
    """
    config = to_plain(
        bootstrap("validate/validate", "validate", Address("127.0.0.1", 1), Address("127.0.0.1", ADMIN_PORT))
    )
    del config["dynamic_resources"], config["cluster_manager"]
    config["static_resources"]["clusters"] = [
        each for each in config["static_resources"]["clusters"] if each["name"] != PROXIES
    ]
    routes = {each["name"]: each for each in resources.get("routes", ())}
    filters = {each["name"]: each["typed_config"] for each in resources.get("extension_configs", ())}
    endpoints = {each["cluster_name"]: each for each in resources.get("endpoints", ())}
    config["static_resources"]["clusters"] += [_cluster(each, endpoints) for each in resources.get("clusters", ())]
    scopes = [
        {
            "name": each["name"],
            "key": each["key"],
            "route_configuration": _routes(each["route_configuration_name"], routes),
        }
        for each in resources.get("scoped_routes", ())
    ]
    config["static_resources"]["listeners"] = [
        _inline(each, routes, filters, scopes) for each in resources.get("listeners", ())
    ]
    config["static_resources"]["secrets"] = list(resources.get("secrets", ()))
    return config


def _routes(name: str, routes: Mapping[str, Json]) -> Json:
    """Return the route configuration of a name."""
    # A route may refer to a missing cluster, for an unresolved backend: by xDS, Envoy accepts it, too.
    return {"validate_clusters": False, **routes.get(name, {"name": name})}


def _inline(value: Any, routes: Mapping[str, Json], filters: Mapping[str, Json], scopes: Sequence[Json] = ()) -> Any:
    """Replace the names of route configurations and of filters by their content, and references to SDS by secrets."""
    if isinstance(value, list):
        return [_inline(each, routes, filters, scopes) for each in value]
    if not isinstance(value, dict):
        return value
    discovered = ("rds", "scoped_rds", "rds_config_source", "sds_config", "config_discovery")
    inlined = {key: _inline(each, routes, filters, scopes) for key, each in value.items() if key not in discovered}
    if "rds" in value:
        inlined["route_config"] = _routes(value["rds"]["route_config_name"], routes)
    if "scoped_rds" in value:
        inlined["scoped_route_configurations_list"] = {"scoped_route_configurations": list(scopes)}
    if "config_discovery" in value:
        inlined["typed_config"] = filters[value["name"]]
    return inlined


def _cluster(cluster: Json, endpoints: Mapping[str, Json]) -> Json:
    inlined: Json = _inline(cluster, {}, {})
    if inlined.get("type") == "EDS":
        discovery = inlined.pop("eds_cluster_config", {})
        name = discovery.get("service_name") or cluster["name"]
        inlined |= {"type": "STATIC", "load_assignment": endpoints.get(name, {"cluster_name": name})}
    return inlined
