"""A small universe of objects: few names, so that they meet, miss, forbid and contradict each other."""

from __future__ import annotations

from operator import attrgetter

from hypothesis import strategies as st

from tests.translator.backend_policies_by_kind import backend_config_policies
from tests.translator.delegating_routes import delegating_routes
from tests.translator.extensions_by_kind import gateway_extensions
from tests.translator.inference_by_kind import inference_pools, pods
from tests.translator.objects_by_kind import (
    backend_tls_policies,
    cluster_trust_bundles,
    config_maps,
    definitions,
    direct_responses,
    endpoint_slices,
    gateway_classes,
    gateways,
    grpc_routes,
    http_routes,
    l4_routes,
    listener_sets,
    namespaces,
    reference_grants,
    services,
    tls_routes,
    traffic_policies,
    unsupported_policies,
    xbackends,
)
from tests.translator.secrets_by_kind import secrets
from tests.translator.strategies import Objects, some
from translator.objects.schema.base import KubernetesObject

MOST_OF_EACH = {
    http_routes: 3,
    delegating_routes: 3,
    grpc_routes: 2,
    l4_routes: 2,
    tls_routes: 2,
    gateways: 2,
    listener_sets: 2,
    services: 4,
    endpoint_slices: 3,
    secrets: 3,
    reference_grants: 2,
    namespaces: 1,
    direct_responses: 2,
    traffic_policies: 3,
    gateway_extensions: 2,
    config_maps: 2,
    backend_tls_policies: 2,
    backend_config_policies: 2,
    cluster_trust_bundles: 2,
    xbackends: 2,
    inference_pools: 2,
    pods: 2,
    unsupported_policies: 1,
    gateway_classes: 2,
    definitions: 1,
}
"""All kinds, and how many objects of each there are at most to begin with."""


def objects() -> Objects:
    """Objects of every kind."""
    return st.one_of([kind() for kind in MOST_OF_EACH])


def populations() -> st.SearchStrategy[list[KubernetesObject]]:
    """Enough objects for requests to get somewhere."""
    lists = [some(kind(), most, most - 1, by=attrgetter("ref")) for kind, most in MOST_OF_EACH.items()]
    return st.tuples(*lists).map(lambda kinds: [each for found in kinds for each in found])
