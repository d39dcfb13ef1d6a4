"""All workloads, in the order in which `make bench` runs them."""

from __future__ import annotations

from typing import Any

from bench import (
    access_log,
    ai_traffic,
    cluster,
    cold_start,
    endpoint_churn,
    endtoend,
    filters,
    firewall,
    memory_report,
    other_controllers,
    propagation,
    reconnects,
    stream_acks,
    transformations,
    translation,
    xds_streams,
)
from bench.workload import Workload

WORKLOADS: tuple[Workload[Any], ...] = (
    Workload(
        "propagation",
        "from a new route to the answers of a real Envoy, beside an oracle that pushes the same bytes",
        propagation.measure,
        propagation.table,
    ),
    Workload(
        "cluster",
        "propagation in a cluster, from the API server's answer, of Headgate or any other implementation",
        cluster.measure,
        cluster.table,
        in_cluster=True,
    ),
    Workload(
        "cold-start",
        "starts with as many routes as Services, and new proxies beside the oracle",
        cold_start.measure,
        cold_start.table,
    ),
    Workload("reconnects", "a hundred proxies that reconnect at once", reconnects.measure, reconnects.table),
    Workload(
        "endpoint-churn",
        "a hundred EndpointSlices that change each second",
        endpoint_churn.measure,
        endpoint_churn.table,
    ),
    Workload(
        "other-controllers",
        "objects that belong to another controller, beside their absence",
        other_controllers.measure,
        other_controllers.table,
    ),
    Workload(
        "firewall",
        "inspected requests, beside the same Envoy without inspections",
        firewall.measure_all,
        firewall.table,
    ),
    Workload("stream-acks", "many xDS streams and one change a second", stream_acks.measure, stream_acks.table),
    Workload("edits", "from an edited file to a changed answer of a real Envoy", endtoend.measure_all, endtoend.table),
    Workload(
        "translation", "a cold load of the translator, and single edits", translation.measure_all, translation.table
    ),
    Workload("memory", "the memory of a controller, by kind", memory_report.measure, memory_report.table),
    Workload("streams", "pushes to many xDS streams, beside a bare handler", xds_streams.measure, xds_streams.table),
    Workload("filters", "Envoy's CPU time a request, with disabled HTTP filters", filters.measure_all, filters.table),
    Workload(
        "transformations",
        "Envoy's CPU time a request of routes with templates",
        transformations.measure_all,
        transformations.table,
    ),
    Workload(
        "ai-traffic",
        "Envoy's CPU time a request that is sent by its model, beside one that is sent by its path",
        ai_traffic.measure_all,
        ai_traffic.table,
    ),
    Workload("access-log", "Envoy's CPU time a request, with the access log", access_log.measure_all, access_log.table),
)


def named(names: tuple[str, ...]) -> tuple[Workload[Any], ...]:
    """Return the workloads of these names, or all that need no cluster if there are none.

    Raises:
        ValueError: there is no workload of a name.
    """
    known = {each.name: each for each in WORKLOADS}
    if wrong := [each for each in names if each not in known]:
        raise ValueError(f"there is no workload {wrong[0]!r}; there are {', '.join(known)}")
    return tuple(known[each] for each in names) or tuple(each for each in WORKLOADS if not each.in_cluster)
