"""InferencePools in a cluster: pods that come and go, the Inference Extension's own picker, and the pool's status."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.e2e.conftest import Site, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import GATEWAY_API, Kube, Object, until
from tests.e2e.objects import ECHO, GATEWAY, gateway, route
from tests.e2e.test_serving import kubectl
from tests.live.picker.reference import BINARY, GROUP
from tests.live.test_inference_reference import CONFIG, SELECTION, SERVED

ROOT: Final = Path(__file__).parents[2]
MODULE: Final = "sigs.k8s.io/gateway-api-inference-extension"
PICKER: Final = "picker"
POOL: Final = "pool"
HOST: Final = "llm.example.com"
PORT: Final = 3000
"""Where the echo backend listens."""


@pytest.fixture
async def pools(kube: Kube, headgate: Installation) -> Kube:
    """Return a namespace of a cluster that has the kind InferencePool, and its picker."""
    if not BINARY.exists():
        pytest.skip("the reference picker is not built: `make picker` does that")
    go = await asyncio.create_subprocess_exec(
        *(ROOT / ".e2e" / "go" / "bin" / "go", "list", "-m", "-f", "{{.Dir}}", MODULE),
        cwd=BINARY_MODULE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await go.communicate()
    bases = Path(said.decode().strip()) / "config" / "crd" / "bases"
    definition = bases / "inference.networking.k8s.io_inferencepools.yaml"
    await kubectl(kube, "apply", "--server-side", "-f", str(definition))
    await kubectl(kube, "wait", "--for=condition=Established", "crd", "inferencepools.inference.networking.k8s.io")
    return kube


BINARY_MODULE: Final = ROOT / "tests" / "live" / "picker"
"""The Go module that the picker is built from, which names the version."""


def picker(namespace: str) -> list[Object]:
    """Return the picker, as its chart deploys it: with the rights to read its pool and pods, and serving by TLS."""
    labels = {"app": PICKER}
    container = {
        "name": PICKER,
        "image": "registry.k8s.io/gateway-api-inference-extension/epp:v1.5.0",
        "args": [
            *("--pool-name", POOL, "--pool-namespace", namespace, "--tracing=false"),
            *("--metrics-endpoint-auth=false", "--config-text", CONFIG),
        ],
        "readinessProbe": {"tcpSocket": {"port": 9002}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m"}},
    }
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [GROUP.partition("/")[0]], "resources": ["inferencepools"], "verbs": ["get", "list", "watch"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    reference = {"apiGroup": rbac, "kind": "Role", "name": PICKER}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    port = {"port": 9002, "appProtocol": "http2"}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": PICKER}, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": PICKER},
            "subjects": [subject],
            "roleRef": reference,
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": PICKER},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": PICKER},
            "spec": {"selector": labels, "ports": [port]},
        },
    ]


def pool() -> Object:
    """Return the pool of the echo backend's pods."""
    spec = {
        "selector": {"matchLabels": {"app": ECHO}},
        "targetPorts": [{"number": PORT}],
        "endpointPickerRef": {"name": PICKER, "port": {"number": 9002}, "failureMode": "FailOpen"},
    }
    return {"apiVersion": GROUP, "kind": "InferencePool", "metadata": {"name": POOL}, "spec": spec}


def to_pool() -> Object:
    """Return the route to the pool."""
    reference = {"group": GROUP.partition("/")[0], "kind": "InferencePool", "name": POOL}
    spec = {"parentRefs": [{"name": GATEWAY}], "hostnames": [HOST], "rules": [{"backendRefs": [reference]}]}
    return {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": {"name": "llm"}, "spec": spec}


async def completion(site: Site, selection: str = "") -> tuple[int, str, str]:
    """Ask for a completion; return the status, the pod that answered, and the endpoint that the picker learnt."""
    headers = {"Host": HOST, "Content-Type": "application/json"} | ({SELECTION: selection} if selection else {})
    body = json.dumps({"model": "llama", "prompt": "Hello"})
    url = f"http://{site.address}/v1/completions"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as response:
        text = await response.text()
        answered = str(json.loads(text)["pod"]) if response.status == 200 else text
        return response.status, answered, response.headers.get(SERVED, "")


async def pods(kube: Kube, count: int) -> dict[str, str]:
    """Return the addresses of the echo backend's pods by their names, once there are so many, all ready."""

    async def read() -> dict[str, str] | None:
        found = await kube.list("Pod", f"app={ECHO}")
        ready = {each["metadata"]["name"]: each["status"]["podIP"] for each in found if _ready(each)}
        return ready if len(ready) == len(found) == count else None

    return await until(f"{count} ready pods", read)


def _ready(found: Object) -> bool:
    conditions: list[dict[str, Any]] = found["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def test_a_pool_in_a_cluster(pools: Kube) -> None:
    """Requests follow the picker to pods that come and go, and go on without it; the status has the Gateway."""
    kube = pools
    await kubectl(kube, "scale", "deployment", ECHO, "--replicas=2")
    await kubectl(kube, "apply", "-f", "-", manifests=[*picker(kube.namespace), pool(), gateway(), route()])
    site = await serving(kube)
    await kubectl(kube, "rollout", "status", "deployment", PICKER)
    await kube.apply(to_pool())
    await kube.condition("InferencePool", POOL, "Accepted", "True", "Accepted")
    await kube.condition("InferencePool", POOL, "ResolvedRefs", "True", "ResolvedRefs")

    async def follows(name: str, address: str) -> bool:
        wanted = (200, name, f"{address}:{PORT}")
        return await completion(site, address) == wanted

    for name, address in (await pods(kube, 2)).items():
        await until(f"answer of {name}", partial(follows, name, address))
        for _ in range(5):
            assert await follows(name, address)
    await kubectl(kube, "scale", "deployment", ECHO, "--replicas=3")
    for name, address in (await pods(kube, 3)).items():
        await until(f"answer of {name}", partial(follows, name, address))
    await kubectl(kube, "scale", "deployment", PICKER, "--replicas=0")

    async def goes_on() -> bool:
        return (await completion(site))[0::2] == (200, "")

    await until("answer without a picker", goes_on)
    answered = {(await completion(site))[:2] for _ in range(12)}
    assert answered == {(200, name) for name in await pods(kube, 3)}
    await kube.delete("HTTPRoute", "llm")

    async def forgotten() -> bool:
        return not (await kube.get("InferencePool", POOL))["status"].get("parents")

    await until("status without parents", forgotten)
