"""The installed Headgate: its pods, its leader, and ways to kill them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.kube import Kube, Object, until

NAMESPACE: Final = "headgate-system"
NAME: Final = "headgate"
ADMIN_PORT: Final = 19080


class Installation:
    """The Deployment `headgate` of the manifests in deploy/."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube.of(NAMESPACE)
        self._began = time.monotonic()

    async def pods(self) -> list[Object]:
        """Its pods, without those that are about to go."""
        deployment = await self.kube.get("Deployment", NAME)
        labels = deployment["spec"]["selector"]["matchLabels"]
        found = await self.kube.list("Pod", ",".join(f"{key}={value}" for key, value in labels.items()))
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    async def ready(self, replicas: int | None = None) -> list[str]:
        """Wait until all pods are ready; gives their names."""

        async def read() -> list[str]:
            wanted = replicas or (await self.kube.get("Deployment", NAME))["spec"]["replicas"]
            pods = await self.pods()
            names = [each["metadata"]["name"] for each in pods if _is_ready(each)]
            return names if len(names) == len(pods) == wanted else []

        return await until("ready pods of Headgate", read)

    async def restarts(self) -> dict[str, int]:
        """How often each of its pods was started anew."""
        return {
            each["metadata"]["name"]: sum(one["restartCount"] for one in each["status"]["containerStatuses"])
            for each in await self.pods()
        }

    async def metric(self, name: str) -> float:
        """Return the sum of a metric over its pods and all labels."""
        total = 0.0
        async with aiohttp.ClientSession() as http:
            for pod in await self.pods():
                async with http.get(f"http://{pod['status']['podIP']}:{ADMIN_PORT}/metrics") as response:
                    families = text_string_to_metric_families(await response.text())
                total += sum(each.value for family in families for each in family.samples if each.name == name)
        return total

    async def scale(self, replicas: int) -> list[str]:
        """Scale to so many replicas; return their pods' names once they are ready."""
        await self.kube.patch("Deployment", NAME, {"spec": {"replicas": replicas}})
        return await self.ready(replicas)

    async def leader(self) -> str:
        """Wait for a leader whose pod is there; gives the pod's name."""
        return (await self._lead())[0]

    async def kill_leader(self) -> None:
        """Kill the leader, and wait until another process leads: one of another pod, or its successor in the pod."""
        pod, identity = await self._lead()
        await self.kill(pod)
        await self._lead(other_than=identity)

    async def _lead(self, other_than: str = "") -> tuple[str, str]:
        """Wait for a leader whose pod is there; gives the pod and the identity, which is of one process."""

        async def read() -> tuple[str, str] | None:
            lease = await self.kube.find("Lease", NAME)
            identity = (lease or {}).get("spec", {}).get("holderIdentity") or ""
            names = [each["metadata"]["name"] for each in await self.pods()]
            return next(
                ((each, identity) for each in names if identity.startswith(each) and identity != other_than), None
            )

        return await until("leader", read)

    async def restart(self) -> list[str]:
        """Replace all pods at once; gives the names of the new ones."""
        old = {each["metadata"]["name"] for each in await self.pods()}
        for each in old:
            await self.kube.delete("Pod", each, gracePeriodSeconds=0)

        async def read() -> list[str]:
            names = await self.ready()
            return [] if old & set(names) else names

        return await until("new pods of Headgate", read)

    async def kill(self, pod: str) -> None:
        """End a pod's process with SIGKILL where that is one of this machine; else deletes the pod by force."""
        if not _kill_sandboxes(pod):
            await self.kube.delete("Pod", pod, gracePeriodSeconds=0)

    @contextlib.asynccontextmanager
    async def without(self, resource: str) -> AsyncIterator[None]:
        """Revoke Headgate's permissions on a resource in all namespaces, and grant them again."""
        found = await self.kube.list("ClusterRole", f"app.kubernetes.io/name={NAME}")
        roles = {each["metadata"]["name"]: each["rules"] for each in found}
        try:
            for name, rules in roles.items():
                less = [{**each, "resources": [one for one in each["resources"] if one != resource]} for each in rules]
                await self.kube.patch("ClusterRole", name, {"rules": [each for each in less if each["resources"]]})
            yield
        finally:
            for name, rules in roles.items():
                await self.kube.patch("ClusterRole", name, {"rules": rules})

    async def logged(self, *words: str) -> None:
        """Wait until its pods have logged a line with all these words, since this test began."""

        async def read() -> bool:
            lines = (await self.log(since=int(time.monotonic() - self._began) + 1)).splitlines()
            return any(all(word in line for word in words) for line in lines)

        await until(f"line with {words}", read)

    @contextlib.contextmanager
    def standing_still(self, pod: str) -> Iterator[None]:
        """Stop a pod of the test cluster: its connections stay open, and it does nothing."""
        pids = _processes(pod)
        assert pids, f"{pod} is no process of this machine"
        for each in pids:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in pids:
                os.kill(each, signal.SIGCONT)

    async def log(self, since: int | None = None) -> str:
        """Return what its pods logged, of the last so many seconds if they are given."""
        texts = []
        for each in await self.pods():
            command = ["kubectl", "logs", "-n", NAMESPACE, each["metadata"]["name"]]
            process = await asyncio.create_subprocess_exec(
                *command, *([f"--since={since}s"] if since else []), stdout=asyncio.subprocess.PIPE
            )
            texts.append((await process.communicate())[0].decode())
        return "\n".join(texts)


def _is_ready(pod: Object) -> bool:
    found = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in found)


def _kill_sandboxes(pod: str) -> bool:
    """End a pod's sandboxes in the test cluster, whose processes end with them; tells whether there were any."""
    found = _sandboxes(pod)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return bool(found)


def _sandboxes(pod: str) -> list[int]:
    """Return the sandboxes of a pod of the test cluster."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0].endswith("bwrap") and ("--hostname", pod) in pairwise(words):
                found.append(int(folder.name))
    return found


def _processes(pod: str) -> list[int]:
    """Return a pod's processes in the test cluster, its sandboxes last."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(folder.name))
    found = _sandboxes(pod)
    for pid in found:
        found += parents.get(pid, [])
    return found[::-1]
