"""The metrics of a running installation are those that dashboards, alerts and the reference name."""

from __future__ import annotations

import aiohttp
import pytest

from deploy.observability.envoy import ENVOY
from headgate.observability.definitions import DEFINITIONS, PROCESS
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube
from tests.e2e.objects import GATEWAY, gateway, parameters
from translator.proxy import METRICS_PORT

pytestmark = pytest.mark.e2e


async def scrape(address: str, path: str) -> set[str]:
    """Return the names of the series at an address, and of the metrics without series."""
    async with aiohttp.ClientSession() as http, http.get(f"http://{address}{path}") as response:
        lines = (await response.text()).splitlines()
    series = {line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")}
    return series | {line.split()[2] for line in lines if line.startswith("# TYPE")}


async def test_headgate_has_the_metrics(headgate: Installation) -> None:
    """Each replica has all metrics of `headgate controller`, and those of its process."""
    for pod in await headgate.pods():
        found = await scrape(f"{pod['status']['podIP']}:19080", "/metrics")
        missing = [
            each.name
            for each in (*DEFINITIONS, *PROCESS)
            if each.command in ("", "controller") and not {each.name, *each.series} & found
        ]
        assert missing == []


async def test_proxies_have_the_metrics(kube: Kube, headgate: Installation) -> None:
    """A proxy with a memory limit has all metrics of Envoy that are used, but for those of backends."""
    resources = {"limits": {"memory": "512Mi"}}
    await kube.apply(parameters("p", resources=resources, drainSeconds=1), gateway(parameters="p"))
    await kube.condition("Gateway", GATEWAY, "Programmed", "True")
    # Backends have theirs only where there are routes.
    wanted = [each for each in ENVOY if "cluster_upstream" not in each.name]
    for pod in await kube.list("Pod"):
        found = await scrape(f"{pod['status']['podIP']}:{METRICS_PORT}", "/stats/prometheus")
        assert [each.name for each in wanted if not {*each.series} <= found] == []
