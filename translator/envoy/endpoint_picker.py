"""Endpoint pickers: a service says for each request which endpoint of a backend gets it.

The protocol is that of the Gateway API Inference Extension (proposal 004, version 1.0.0): the picker is an external
processor. Its filter is the same in all routes; a configuration by the filter's name says which picker is asked. So a
chain that was built on another route asks the picker of the route that the request has in the end.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.ext_proc_pb2 import ExternalProcessor, ExtProcPerRoute
from headgate_proto.envoy.extensions.filters.http.ext_proc.v3.processing_mode_pb2 import ProcessingMode
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.load_balancing_policies.override_host.v3.override_host_pb2 import OverrideHost
from headgate_proto.envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2 import RoundRobin
from headgate_proto.envoy.type.metadata.v3.metadata_pb2 import MetadataKey
from translator.envoy.ai import script
from translator.envoy.backend_routes import add_backend_filters
from translator.envoy.cluster import http_options
from translator.envoy.grpc_service import GrpcCall, grpc_service
from translator.envoy.lua_filter import lua_filter
from translator.envoy.upstream_filters import add_filter

NAME: Final = "headgate.picker"
"""The name of the filter, under which routes have its configuration."""
UNPICKED: Final = "headgate.picker.header"
"""The name of the filter before it, which takes away what clients say."""
ENDED: Final = "headgate.picker.ended"
"""The name of the filter of a picker's cluster."""
DESTINATION: Final = "x-gateway-destination-endpoint"
"""The header, and the key of the metadata, by which a picker tells its choice: one endpoint, or several in order."""
SERVED: Final = f"{DESTINATION}-served"
"""The key of the metadata by which it is told which endpoint has answered."""
METADATA: Final = "envoy.lb"
"""The namespace of both."""
UNAVAILABLE: Final = 503
"""What requests get whose picker does not answer, as the protocol has it for those without an endpoint."""


def write_picker(route: Route, picker: GrpcCall, *, fail_open: bool) -> None:
    """Have a route ask a picker: requests and responses pass it whole, piece by piece.

    Args:
        route: the route, of a backend whose cluster has `write_balancing`.
        picker: the picker.
        fail_open: whether requests go on to any endpoint if it fails.
    """
    write_picker_chain(route, picker)
    route.typed_per_filter_config[NAME].Pack(picker_config(picker, fail_open=fail_open), deterministic=True)


def write_picker_chain(route: Route, picker: GrpcCall) -> None:
    """Have a route ask nobody, but the picker of the route that a request is moved to from there."""
    add_backend_filters(route, picker_filters(picker))


def picker_filters(picker: GrpcCall) -> tuple[tuple[str, Message], ...]:
    """Return the filters of a chain in which some picker may be asked, by their names.

    They ask nobody unless the route of a request has `picker_config` under `NAME`.

    How long a picker takes is up to it: Envoy has no time for whom it sends bodies to piece by piece, and a picker may
    hold requests back while all endpoints are busy.

    Args:
        picker: any picker that the proxy has: Envoy demands one.
    """
    removal = HeaderMutation()
    removal.mutations.request_mutations.add().remove = DESTINATION
    asked = ExternalProcessor(grpc_service=grpc_service(picker))
    mode = asked.processing_mode
    mode.request_header_mode = mode.response_header_mode = ProcessingMode.SKIP
    mode.request_trailer_mode = mode.response_trailer_mode = ProcessingMode.SKIP
    asked.status_on_error.code = UNAVAILABLE  # type: ignore[assignment]
    # A request that was moved to another route would be another pool's.
    asked.route_cache_action = ExternalProcessor.RETAIN
    return (UNPICKED, removal), (NAME, asked)


def picker_config(picker: GrpcCall, *, fail_open: bool) -> ExtProcPerRoute:
    """Return the configuration of a route whose requests a picker is asked about."""
    made = ExtProcPerRoute()
    asked = made.overrides
    asked.grpc_service.CopyFrom(grpc_service(picker))
    asked.failure_mode_allow.value = fail_open
    mode = asked.processing_mode
    mode.request_header_mode = mode.response_header_mode = ProcessingMode.SEND
    mode.request_body_mode = mode.response_body_mode = ProcessingMode.FULL_DUPLEX_STREAMED
    mode.request_trailer_mode = mode.response_trailer_mode = ProcessingMode.SEND
    asked.metadata_options.forwarding_namespaces.untyped.append(METADATA)
    asked.metadata_options.receiving_namespaces.untyped.append(METADATA)
    return made


def write_failing_ends(cluster: Cluster) -> None:
    """Have streams fail that a picker ends before Envoy does: bodies are lost that Envoy has sent to it."""
    with http_options(cluster) as options:
        add_filter(options, ENDED, lua_filter(ENDED, script("picker_end"), of_cluster=True))


def write_balancing(cluster: Cluster) -> None:
    """Have requests go to the endpoint that a picker has chosen, if the cluster has it, and otherwise to the next."""
    made = OverrideHost()
    made.override_host_sources.add().metadata.CopyFrom(_key(DESTINATION))
    made.override_host_sources.add().header = DESTINATION
    made.selected_host_key.CopyFrom(_key(SERVED))
    _add(made.fallback_policy.policies.add().typed_extension_config, "round_robin", RoundRobin())
    cluster.ClearField("lb_policy")
    cluster.ClearField("load_balancing_policy")
    _add(cluster.load_balancing_policy.policies.add().typed_extension_config, "override_host", made)


def _key(name: str) -> MetadataKey:
    made = MetadataKey(key=METADATA)
    made.path.add().key = name
    return made


def _add(config: Message, name: str, message: Message) -> None:
    config.name = f"envoy.load_balancing_policies.{name}"  # type: ignore[attr-defined]
    config.typed_config.Pack(message, deterministic=True)  # type: ignore[attr-defined]
