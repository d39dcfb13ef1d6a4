"""Which addresses requests to Backends must not reach, wherever their names lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from translator.backends.guarded import LOCAL_RANGES
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook, EndpointsHook
from translator.envoy.upstream_filters import GUARD, add_filter, deny_ranges, mark_guarded
from translator.ir.backend import LAST, Backend, BackendSetting


@dataclass(frozen=True, slots=True)
class GuardedHosts(BackendSetting, ClusterHook, EndpointsHook):
    """Requests are denied where a name leads to the proxies' own machine, or to what only its link has.

    Envoy runs the filters of the cluster that a route names: those of a cluster of others (`InOrder`) deny requests to
    the endpoints that are marked here.
    """

    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    overrules: ClassVar[Mapping[str, str]] = {
        "health_check": "where the names of its hosts lead is looked at for requests only, so that they are not asked; "
        "list IP addresses, or have Headgate started with --local-backends"
    }

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filter, which sees each address that a name has been resolved to.

        Checks of health pass no filter: they would reach what requests must not, so that there are none.
        """
        cluster.ClearField("health_checks")
        with http_options(cluster) as options:
            add_filter(options, GUARD, deny_ranges(LOCAL_RANGES))

    def apply_to_endpoints(self, assignment: ClusterLoadAssignment) -> None:
        """Mark the endpoints."""
        for locality in assignment.endpoints:
            for each in locality.lb_endpoints:
                mark_guarded(each)
