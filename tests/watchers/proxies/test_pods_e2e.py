"""Proxies in pods: a real Envoy, which resolves its xDS server by the cluster's DNS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.translator.infrastructure.authority import Authority
from tests.watchers.proxies.deploying import SECONDS, Deploying
from tests.watchers.proxies.test_reconciler_e2e import ALL, CLASS, GATEWAY, parameters
from translator.inputs import GatewaySyncStatus, ProxyDefaults
from watchers.kubernetes.client import ApiClient
from xds.server.server import Peer, Server

pytestmark = pytest.mark.e2e

NODE = "10.244.0.1"
"""The address at which the test cluster's pods reach this process."""
ROUTE = """
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: DirectResponse
metadata: {name: hello, namespace: $NS}
spec: {status: 200, body: hello}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: hello, namespace: $NS}
spec:
  parentRefs: [{name: gw}]
  rules:
  - filters:
    - {type: ExtensionRef, extensionRef: {group: gateway.headgate.dev, kind: DirectResponse, name: hello}}
"""


class Serving:
    """The xDS server of the proxies in a namespace, which records their nodes."""

    def __init__(self, deploying: Deploying) -> None:
        self.deploying = deploying
        self.host = f"headgate.{deploying.gateway.namespace}.svc"
        self.authority = Authority("test")
        self.nodes: list[str] = []
        self.tokens: list[dict[str, object]] = []
        self.server = Server(
            self._select,
            address=f"{NODE}:0",
            credentials=self.authority.credentials(self.host),
            authorise=self._authorise,
            on_sync_status=lambda key, status: deploying.set_sync_status(
                GatewaySyncStatus(status.clients, status.clients == status.synced)
            ),
        )

    def _select(self, node: object) -> str:
        self.nodes.append(node.id)  # type: ignore[attr-defined]
        return str(node.cluster)  # type: ignore[attr-defined]

    def _authorise(self, key: str, peer: Peer) -> None:
        scheme, _, token = str(peer.metadata.get("authorization")).partition(" ")
        assert scheme == "Bearer"
        claims = token.split(".")[1]
        self.tokens.append(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))))

    async def publish(self) -> None:
        """Publish the translator's snapshots, now and after changes."""
        while True:
            snapshot = self.deploying.translator.snapshots.get(self.deploying.gateway)
            if snapshot is not None:
                self.server.publish(f"{self.deploying.gateway.namespace}/gw", snapshot)
            await asyncio.sleep(0.1)


@pytest.fixture
async def serving(client: ApiClient, namespace: str) -> AsyncIterator[Serving]:
    """Yield a server behind a Service of the test's namespace."""
    async with Deploying(client, namespace) as deploying:
        serving = Serving(deploying)
        try:
            await serving.server.start()
        except RuntimeError:
            pytest.skip(f"this process does not run where the test cluster's pods reach it, at {NODE}")
        root = f"/namespaces/{namespace}"
        port = {"name": "xds", "port": serving.server.port}
        body = {"metadata": {"name": "headgate"}, "spec": {"ports": [port]}}
        await client.request("POST", f"/api/v1{root}/services", body=body)
        labels = {"kubernetes.io/service-name": "headgate"}
        slice_ = {
            "metadata": {"name": "headgate-1", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE], "conditions": {"ready": True}}],
            "ports": [port],
        }
        await client.request("POST", f"/apis/discovery.k8s.io/v1{root}/endpointslices", body=slice_)
        deploying.set_proxy_defaults(
            ProxyDefaults(xds_host=serving.host, xds_port=serving.server.port, ca=serving.authority.pem)
        )
        publishing = asyncio.create_task(serving.publish())
        yield serving
        publishing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await publishing
        await serving.server.stop(0)


async def first_answer(address: str) -> tuple[int, str]:
    """Return the first response; the cluster may observe the endpoints later than Headgate."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(SECONDS):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"http://{address}/") as response:
                    return response.status, await response.text()
            await asyncio.sleep(0.1)


async def test_requests_are_answered(serving: Serving) -> None:
    """A request to a Gateway's address gets a response; the Gateway is not programmed before."""
    deploying = serving.deploying
    deploying.apply(CLASS + parameters("{replicas: 2, drainSeconds: 1}") + GATEWAY + ROUTE)
    deploying.lead()
    await deploying.until(lambda: deploying.condition("Programmed")[0] == "True")
    assert await first_answer(deploying.addresses[0]["value"]) == (200, "hello")
    # A proxy without a stream reconnects.
    await deploying.until(lambda: len(set(serving.nodes)) == 2)
    assert {each.rpartition("/")[0] for each in serving.nodes} == {f"{deploying.gateway.namespace}/gw"}
    assert all(each.rpartition("/")[2].startswith("headgate-gw-") for each in serving.nodes)
    claims = serving.tokens[0]
    assert claims["aud"] == ["headgate"]
    assert claims["sub"] == f"system:serviceaccount:{deploying.gateway.namespace}/headgate-gw".replace("/", ":")
    deploying.remove(deploying.gateway)
    await deploying.until(lambda: not deploying.there())


async def test_a_deployment_becomes_a_daemonset(serving: Serving) -> None:
    """The proxies of the other kind are deleted only once new ones are available, so that there always are some."""
    deploying = serving.deploying
    deploying.apply(CLASS + parameters("{drainSeconds: 1}") + GATEWAY)
    deploying.lead()
    await deploying.until(lambda: deploying.condition("Programmed")[0] == "True")
    deploying.apply(parameters("{kind: DaemonSet, drainSeconds: 1}"))
    await deploying.until(lambda: "DaemonSet" in deploying.there())
    assert "Deployment" in deploying.there()
    await deploying.until(lambda: deploying.there() == ALL - {"Deployment"} | {"DaemonSet"})
    assert deploying.condition("Programmed")[0] == "True"


async def test_node_ports(serving: Serving) -> None:
    """The Gateway's addresses are those of the nodes with proxies, from their pods."""
    deploying = serving.deploying
    deploying.apply(CLASS + parameters("{service: {type: NodePort}, drainSeconds: 1}") + GATEWAY)
    deploying.lead()
    await deploying.until(lambda: deploying.condition("Programmed")[0] == "True")
    (pod,) = (await deploying.client.get(f"/api/v1/namespaces/{deploying.gateway.namespace}/pods"))["items"]
    assert deploying.addresses == [{"type": "IPAddress", "value": pod["status"]["hostIP"]}]


async def test_faults_of_pods_are_reported(serving: Serving) -> None:
    """The Gateway's condition names a missing image, and then a missing node."""
    deploying = serving.deploying
    deploying.apply(CLASS + parameters("{image: example.com/none}") + GATEWAY)
    deploying.lead()
    await deploying.until(lambda: "container envoy: C" in deploying.condition("Programmed")[2])
    assert deploying.condition("Programmed")[0] == "False"
    deploying.apply(parameters("{podTemplate: {spec: {nodeSelector: {no: node}}}}"))
    await deploying.until(lambda: "Unschedulable" in deploying.condition("Programmed")[2])
    assert deploying.condition("Programmed")[:2] == ("False", "NoResources")
