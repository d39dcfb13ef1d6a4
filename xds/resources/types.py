"""The resource types of xDS: their type URLs, the field that holds a resource's name, and their services.

Source: Envoy's "xDS REST and gRPC protocol", sections "Resource Types" and "RPC Services and Methods for Each Variant".
"""

from dataclasses import dataclass

PREFIX = "type.googleapis.com/"

LISTENER = PREFIX + "envoy.config.listener.v3.Listener"
ROUTE = PREFIX + "envoy.config.route.v3.RouteConfiguration"
SCOPED_ROUTE = PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
VIRTUAL_HOST = PREFIX + "envoy.config.route.v3.VirtualHost"
CLUSTER = PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINT = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LOCALITY_ENDPOINT = PREFIX + "envoy.config.endpoint.v3.LbEndpoint"
SECRET = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
RUNTIME = PREFIX + "envoy.service.runtime.v3.Runtime"
EXTENSION_CONFIG = PREFIX + "envoy.config.core.v3.TypedExtensionConfig"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One resource type: its name field and its gRPC methods.

    Attributes:
        url: The type URL, as in ``DiscoveryRequest.type_url``.
        name_field: The field of the message with the resource's name; empty if there is none (LEDS).
        service: The full name of the type's own gRPC service.
        stream: The service's state-of-the-world method; empty if there is none (VHDS, LEDS).
        delta: The service's incremental method.
    """

    url: str
    name_field: str
    service: str
    stream: str
    delta: str


def _type(url: str, name_field: str, service: str, methods: str, sotw: bool = True) -> ResourceType:
    return ResourceType(url, name_field, f"envoy.service.{service}", f"Stream{methods}" * sotw, f"Delta{methods}")


TYPES: dict[str, ResourceType] = {
    each.url: each
    for each in (
        _type(LISTENER, "name", "listener.v3.ListenerDiscoveryService", "Listeners"),
        _type(ROUTE, "name", "route.v3.RouteDiscoveryService", "Routes"),
        _type(SCOPED_ROUTE, "name", "route.v3.ScopedRoutesDiscoveryService", "ScopedRoutes"),
        _type(VIRTUAL_HOST, "name", "route.v3.VirtualHostDiscoveryService", "VirtualHosts", sotw=False),
        _type(CLUSTER, "name", "cluster.v3.ClusterDiscoveryService", "Clusters"),
        _type(ENDPOINT, "cluster_name", "endpoint.v3.EndpointDiscoveryService", "Endpoints"),
        _type(LOCALITY_ENDPOINT, "", "endpoint.v3.LocalityEndpointDiscoveryService", "LocalityEndpoints", sotw=False),
        _type(SECRET, "name", "secret.v3.SecretDiscoveryService", "Secrets"),
        _type(RUNTIME, "name", "runtime.v3.RuntimeDiscoveryService", "Runtime"),
        _type(EXTENSION_CONFIG, "name", "extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs"),
    )
}

FULL_STATE = frozenset({LISTENER, CLUSTER, SCOPED_ROUTE})
"""Types of which a state-of-the-world response contains all resources: an absent one is deleted ("Deleting Resources").

The specification names LDS and CDS; Envoy treats a state-of-the-world SRDS response in the same way.
"""

COLLECTED = frozenset({SCOPED_ROUTE, VIRTUAL_HOST, LOCALITY_ENDPOINT})
"""Types to which references name a collection (`xds.resources.collection`)."""
