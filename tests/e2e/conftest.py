"""The cluster that KUBECONFIG names, with Headgate installed by `make e2e`, and a namespace of it for each test."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.installation import NAME, NAMESPACE, Installation
from tests.e2e.kube import Kube, controllers_work, until
from tests.e2e.objects import GATEWAY, echo, gateway, route
from tests.e2e.testcluster import TestCluster
from tests.e2e.traffic import answers
from watchers.kubernetes.client import ApiClient


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here as those that need a cluster."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def cluster(client: ApiClient) -> Kube:
    """Return the cluster."""
    return Kube(client)


@pytest.fixture
async def headgate(cluster: Kube) -> AsyncIterator[Installation]:
    """Headgate in the cluster, ready; what it logged meanwhile is shown if the test fails."""
    found = Installation(cluster)
    if not await found.kube.find("Deployment", NAME):
        pytest.skip(f"Headgate is not installed in the namespace {NAMESPACE}; `make e2e` installs it")
    await found.ready()
    began = time.monotonic()
    yield found
    print(await found.log(since=int(time.monotonic() - began) + 1))


@pytest.fixture
def testcluster() -> TestCluster:
    """The test cluster, whose own parts can be killed."""
    tool = os.environ.get("HEADGATE_TESTCLUSTER")
    if not tool:
        pytest.skip("HEADGATE_TESTCLUSTER names no test cluster, and parts of another one are not for tests to kill")
    return TestCluster(Path(tool), Path(os.environ["KUBECONFIG"]).parent)


@pytest.fixture
async def restored(cluster: Kube, headgate: Installation) -> AsyncIterator[None]:
    """Once the test is over, all parts of the cluster work again, and Headgate has two replicas and a leader."""
    yield
    await controllers_work(cluster)
    await headgate.scale(2)
    await headgate.leader()


@pytest.fixture
async def kube(cluster: Kube) -> AsyncIterator[Kube]:
    """Yield a new namespace with an echo backend."""
    found = cluster.of(f"e2e-{uuid4().hex[:8]}")
    await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}}, *echo())
    yield found
    await found.delete("Namespace", found.namespace)


@dataclass(frozen=True)
class Site:
    """A Gateway that answers for the host example.com.

    Attributes:
        kube: its namespace.
        address: where it is reached.
    """

    kube: Kube
    address: str


@pytest.fixture
async def site(kube: Kube, headgate: Installation) -> Site:
    """Return a Gateway with one route, deployed and answering."""
    await kube.apply(gateway(), route())
    return await serving(kube)


async def serving(kube: Kube, host: str = "example.com") -> Site:
    """Wait until the Gateway of a namespace is programmed and answers for a host."""
    await kube.condition("Gateway", GATEWAY, "Programmed", "True")
    address = (await kube.get("Gateway", GATEWAY))["status"]["addresses"][0]["value"]
    await answers(address, host)
    return Site(kube, address)


async def attached(kube: Kube, routes: int) -> None:
    """Wait until the Gateway of a namespace counts so many routes at each listener, which is told late on purpose."""

    async def counted() -> bool:
        listeners = (await kube.get("Gateway", GATEWAY))["status"]["listeners"]
        return {each["attachedRoutes"] for each in listeners} == {routes}

    await until(f"{routes} attached routes", counted)
