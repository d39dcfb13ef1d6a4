"""The Inference Extension's own endpoint picker, built by `make picker`, and as much of an API server as it asks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.live.objects import Manifest
from tests.live.picker.relays import outgoing, to, to_address, to_socket

ROOT = Path(__file__).parents[3]
BINARY = ROOT / ".e2e" / "bin" / "epp"
PORT = 9002
WITHIN = 30.0
"""Seconds within which it is to start, however busy the machine is."""
LISTENING = '"msg":"gRPC server listening","name":"ext-proc"'
"""What it logs once it is asked: with a certificate of its own, which takes seconds to make, later than all else."""
GROUP = "inference.networking.k8s.io/v1"
LISTED = {"/api/v1": ("pods", "Pod"), f"/apis/{GROUP}": ("inferencepools", "InferencePool")}
"""The kinds that this API server has, by the path of their API."""


@dataclass
class ReferencePicker:
    """A picker that runs, and the objects that it reads.

    Attributes:
        pool: its InferencePool.
        pods: all Pods, those too that the pool does not select.
        port: where it is asked by gRPC, on loopback.
    """

    pool: Manifest
    pods: list[Manifest]
    port: int = 0
    _watches: list[tuple[str, asyncio.Queue[bytes]]] = field(default_factory=list)

    def tell(self, event: str, changed: Manifest) -> None:
        """Tell the picker that an object is ADDED, MODIFIED or DELETED."""
        for kind, queue in self._watches:
            if kind == changed["kind"]:
                queue.put_nowait(_event(event, changed))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer as an API server does."""
        path = request.path
        if path == "/api":
            return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            version = {"groupVersion": GROUP, "version": "v1"}
            group = {"name": GROUP.partition("/")[0], "versions": [version], "preferredVersion": version}
            return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]})
        for api, (plural, kind) in LISTED.items():
            if path == api:
                resource = {"name": plural, "namespaced": True, "kind": kind, "verbs": ["get", "list", "watch"]}
                found = {"kind": "APIResourceList", "groupVersion": api.split("/", 2)[2], "resources": [resource]}
                return web.json_response(found)
            if path.startswith(api) and path.endswith(f"/{plural}") and request.query.get("watch"):
                return await self._watch(request, api.split("/", 2)[2], kind)
        return web.json_response({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}, status=404)

    async def _watch(self, request: web.BaseRequest, api: str, kind: str) -> web.StreamResponse:
        """Send all objects, a mark behind them as clients of streaming lists ask, and then what changes."""
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        for each in self.pods if kind == "Pod" else [self.pool]:
            queue.put_nowait(_event("ADDED", each))
        end = {"annotations": {"k8s.io/initial-events-end": "true"}, "resourceVersion": "1"}
        queue.put_nowait(_event("BOOKMARK", {"apiVersion": api, "kind": kind, "metadata": end}))
        self._watches.append((kind, queue))
        while True:
            await response.write(await queue.get())


def _event(event: str, changed: Manifest) -> bytes:
    return json.dumps({"type": event, "object": changed}).encode() + b"\n"


def pod(name: str, address: str, labels: dict[str, str]) -> Manifest:
    """Return a Pod that is ready, at an address of loopback."""
    ready = {"type": "Ready", "status": "True"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1", "labels": labels},
        "spec": {"containers": [{"name": "model"}]},
        "status": {"phase": "Running", "podIP": address, "conditions": [ready]},
    }


@contextlib.asynccontextmanager
async def reference_picker(pool: Manifest, pods: Sequence[Manifest], *arguments: str) -> AsyncIterator[ReferencePicker]:
    """Run the picker of a pool in a network of its own.

    It reads metrics of the Pods at the pool's target ports, as it does in a cluster.
    """
    if not BINARY.exists():
        pytest.skip("the reference picker is not built: `make picker` does that")
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="epp")))
        found = ReferencePicker(pool, list(pods))
        runner = web.ServerRunner(web.Server(found.handle), shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports = [int(each["number"]) for each in pool["spec"]["targetPorts"]]
        targets = [f"127.0.0.1:{runner.addresses[0][1]}"]
        targets += [f"{each['status']['podIP']}:{port}" for each in pods for port in ports]
        for each in targets:
            address, _, port = each.rpartition(":")
            carry = to(to_address(address, int(port)))
            await stack.enter_async_context(await asyncio.start_unix_server(carry, str(outgoing(folder, each))))
        incoming = await asyncio.start_server(to(to_socket(folder / "in")), "127.0.0.1", 0)
        await stack.enter_async_context(incoming)
        log = await stack.enter_async_context(_running(folder, pool, targets, arguments))
        selected = pool["spec"]["selector"]["matchLabels"].items()
        await _serving(log, len(ports) * sum(selected <= each["metadata"]["labels"].items() for each in pods))
        found.port = incoming.sockets[0].getsockname()[1]
        yield found


@contextlib.asynccontextmanager
async def _running(
    folder: Path, pool: Manifest, targets: Sequence[str], arguments: Sequence[str]
) -> AsyncIterator[Path]:
    """Run the program, and kill it with its network at the end; yield its log."""
    cluster = {"name": "test", "cluster": {"server": f"http://{targets[0]}"}}
    context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
    user = {"name": "test", "user": {}}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "test"}
    config |= {"clusters": [cluster], "contexts": [context], "users": [user]}  # type: ignore[dict-item]
    kubeconfig, log = folder / "kubeconfig", folder / "log"
    kubeconfig.write_text(json.dumps(config))
    name = pool["metadata"]["name"]
    command = [
        str(BINARY),
        *("--pool-name", name, "--pool-namespace", "default", "--grpc-port", str(PORT)),
        *("--secure-serving=false", "--metrics-endpoint-auth=false", "--tracing=false", *arguments),
    ]
    unshare = ["unshare", *_rights(), "--net", "--pid", "--fork", "--kill-child=KILL"]
    script = [sys.executable, "-m", "tests.live.picker.relays", str(folder), str(PORT), ",".join(targets)]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *unshare, *script, *command, stdout=output, stderr=output, cwd=ROOT, env={"KUBECONFIG": str(kubeconfig)}
        )
    try:
        yield log
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@functools.cache
def _rights() -> tuple[str, ...]:
    """Return what makes a network: root may, and others may where the machine has user namespaces."""
    import os

    if shutil.which("unshare") is None:
        pytest.skip("this machine has no unshare")
    return () if os.geteuid() == 0 else ("--map-root-user",)


async def _serving(log: Path, count: int) -> None:
    """Wait until the picker serves and knows so many endpoints: it says so in its log."""
    async with asyncio.timeout(WITHIN):
        while LISTENING not in (said := _read(log)) or said.count("starting collection") < count:
            assert "Failed to" not in said, said
            await asyncio.sleep(0.05)


def _read(log: Path) -> str:
    return log.read_text(errors="replace")
