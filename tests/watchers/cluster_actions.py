"""Actions of tests at the real API server."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from watchers.kubernetes.client import MERGE_PATCH, SERVER_SIDE_APPLY, ApiClient

READING = ("get", "list", "watch")
FORCE = {"fieldManager": "test", "force": "true"}


def config_maps(namespace: str) -> str:
    """Where a namespace's ConfigMaps are."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


async def put(client: ApiClient, namespace: str, name: str, value: str = "1") -> None:
    """Create a ConfigMap."""
    body = {"metadata": {"name": name, "labels": {"test": "it"}}, "data": {"value": value}}
    await client.request("POST", config_maps(namespace), body=body)


async def change(client: ApiClient, namespace: str, name: str, value: str) -> None:
    """Change what a ConfigMap says."""
    body = {"data": {"value": value}}
    await client.request("PATCH", f"{config_maps(namespace)}/{name}", body=body, content_type=MERGE_PATCH)


async def delete(client: ApiClient, namespace: str, name: str) -> None:
    """Delete a ConfigMap."""
    await client.request("DELETE", f"{config_maps(namespace)}/{name}")


def kill_api_server() -> None:
    """Kill the API server of the test cluster, which is back after a second, and with it the cluster's controllers.

    Those that outlive it find their caches out of date, and rest for minutes before they look again.
    """
    folder = Path(os.environ["KUBECONFIG"]).parent
    if not (folder / "apiserver.pid").is_file():
        pytest.skip("this cluster's API server cannot be killed from here")
    for part in ("apiserver", "kcm", "scheduler"):
        with suppress(ProcessLookupError):  # one that has just ended is about to be started again
            os.kill(int((folder / f"{part}.pid").read_text()), signal.SIGKILL)


async def ready(client: ApiClient) -> None:
    """Wait until the API server is up again."""
    async with asyncio.timeout(60):
        while not await client.ready():  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)


async def forget(client: ApiClient, namespace: str) -> None:
    """Have etcd compact all that is past, and the API server lose its memory, which it would answer from."""
    newest = await client.get(config_maps(namespace))
    async with aiohttp.ClientSession() as etcd:
        body = {"revision": newest["metadata"]["resourceVersion"]}
        async with etcd.post("http://127.0.0.1:2379/v3/kv/compaction", json=body) as response:
            assert response.status == 200, await response.text()
    kill_api_server()
    await ready(client)


async def label(client: ApiClient, namespace: str, value: str | None) -> None:
    """Give a namespace the label "team", or take it away."""
    body = {"metadata": {"labels": {"team": value}}}
    await client.request("PATCH", f"/api/v1/namespaces/{namespace}", body=body, content_type=MERGE_PATCH)


async def secret(client: ApiClient, namespace: str, name: str, value: bytes) -> str:
    """Create a Secret or change it; gives how its value looks on the wire."""
    encoded = base64.b64encode(value).decode()
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"value": encoded}}
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    await client.request("PATCH", path, body=body, query=FORCE, content_type=SERVER_SIDE_APPLY)
    return encoded


async def service_account(client: ApiClient, namespace: str) -> str:
    """Create the service account "watcher", which may do nothing; gives a token of it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    await client.request("POST", path, body={"metadata": {"name": "watcher"}})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer: dict[str, Any] = await client.request("POST", f"{path}/watcher/token", body=body)
    token: str = answer["status"]["token"]
    return token


async def grant(client: ApiClient, namespace: str, *resources: str, verbs: tuple[str, ...] = READING) -> None:
    """Allow the service account "watcher" of a namespace to do so in it with resources of the core group."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": list(resources), "verbs": list(verbs)}]
    name = f"may-{'-'.join((*verbs, *resources))}"
    await client.request("POST", f"{path}/roles", body={"metadata": {"name": name}, "rules": rules})
    subjects = [{"kind": "ServiceAccount", "name": "watcher", "namespace": namespace}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    body = {"metadata": {"name": name}, "subjects": subjects, "roleRef": role}
    await client.request("POST", f"{path}/rolebindings", body=body)
