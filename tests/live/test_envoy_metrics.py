"""The metrics of Envoy that the dashboards and alerts of the chart use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from deploy.observability.envoy import CLUSTER, CODE_CLASS, ENVOY, MANAGER, REQUESTS, UPSTREAM_REQUESTS
from deploy.observability.promql import BACKEND_NAME
from tests.live.objects import route, rule
from tests.live.proxy import Proxy

IN_PODS: Final = {
    # The limits of memory and connections follow from the container of a proxy in a cluster.
    "envoy_overload_envoy_resource_monitors_fixed_heap_pressure",
}

Series = Mapping[str, list[Mapping[str, str]]]


async def scrape(proxy: Proxy) -> Series:
    """Return the labels of all series, by their names."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for line in (await proxy.admin("/stats/prometheus")).splitlines():
        if line and not line.startswith("#"):
            (family,) = text_string_to_metric_families(f"{line}\n")
            found.setdefault(family.samples[0].name, []).append(family.samples[0].labels)
    return found


async def test_every_metric_is_there(proxy: Proxy) -> None:
    """A real Envoy has each metric, with the labels that expressions select by."""
    await proxy.apply(route(rule("alpha")))
    assert (await proxy.request()).status == 200
    found = await scrape(proxy)
    for each in ENVOY:
        for name in each.series:
            assert name in found or name in IN_PODS, name
            for labels in found.get(name, ()):
                assert set(each.labels) <= set(labels), name


async def test_clients_and_backends_are_told_apart(proxy: Proxy) -> None:
    """Requests of clients have the listener's port, and those to a backend its namespace, name and port."""
    await proxy.apply(route(rule("alpha")))
    assert (await proxy.request()).status == 200
    found = await scrape(proxy)
    managers = {each[MANAGER] for each in found[REQUESTS.name]}
    assert f"http-{proxy.port}" in managers
    assert "admin" in managers, "which expressions leave out"
    clusters = {each[CLUSTER] for each in found[UPSTREAM_REQUESTS.name] if each[CODE_CLASS] == "2"}
    backends = {match[1] for each in clusters if (match := re.fullmatch(BACKEND_NAME, each))}
    assert "default/alpha_80" in backends
