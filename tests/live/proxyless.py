"""A control plane with gRPC's own xDS clients, each in a process of its own: gRPC reads its bootstrap once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc

from headgate.controlplane.clients import GrpcClients
from headgate.controlplane.events import Events
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.plane import ControlPlane
from headgate.controlplane.publisher import SnapshotKeys
from headgate.controlplane.sync_status import SyncStatusReporter
from headgate.observability.metrics import Metrics
from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.live.objects import Manifest, manifests
from tests.xds.calls import STREAM
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from xds.server.server import Server

PROGRAM = Path(__file__).parent / "proxyless_client.py"
WITHIN = 20.0
"""Seconds within which a client is to answer, however busy the machine is."""
Object = str | Manifest | list[Manifest]


class GrpcClient:
    """A gRPC client of one target, in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout

    async def do(self, command: str, **arguments: object) -> Any:
        """Give a command, and return its result."""
        self._input.write(json.dumps([command, arguments]).encode() + b"\n")
        async with asyncio.timeout(WITHIN):
            return json.loads(await self._output.readline())

    async def call(
        self, method: str = "/shop.v1.Cart/Add", request: str = "x", metadata: Mapping[str, str] | None = None
    ) -> str:
        """Return the answer of a method, or the status that it fails with."""
        given = list((metadata or {}).items())
        answer, *status = await self.do("unary", method=method, request=request, metadata=given, seconds=15)
        return str(status[0]) if status else str(answer).removesuffix(":x")

    async def until(self, answer: str, method: str = "/shop.v1.Cart/Add") -> None:
        """Call until the answer is as given, as it is once the client has taken a change."""
        async with asyncio.timeout(WITHIN):
            while (found := await self.call(method)) != answer:
                assert found != "", found


@contextlib.asynccontextmanager
async def grpc_client(
    target: str, server: Mapping[str, object], namespace: str = "default"
) -> AsyncIterator[GrpcClient]:
    """Run a client; `server` is the xDS server in its bootstrap."""
    # Else a client would drop a cluster that a server which has just started does not have before it gets the routes.
    features = {"server_features": ["ignore_resource_deletion"]}
    bootstrap = {"xds_servers": [{**server, **features}], "node": {"id": "client", "cluster": namespace}}
    environment = {
        **os.environ,
        "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap),
        "GRPC_EXPERIMENTAL_XDS_BOOTSTRAP_CALL_CREDS": "true",
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), target, env=environment, stdin=pipe, stdout=pipe
    )
    try:
        yield GrpcClient(process)
    finally:
        process.kill()
        await process.wait()


async def stream_status(
    channel: grpc.Channel,
    type_url: str,
    key: str,
    token: str = "",
    names: Sequence[str] = ("a.default.svc:80",),
    within: float = WITHIN,
) -> tuple[grpc.StatusCode, str]:
    """Return the status of a stream on which a client of a key asks for resources; OK if it is served.

    `within` is in seconds, from when the stream is opened.
    """
    node = base_pb2.Node(id="client", cluster=key)
    request = discovery_pb2.DiscoveryRequest(type_url=type_url, resource_names=names, node=node)
    metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def ask() -> tuple[grpc.StatusCode, str]:
        # grpc.aio would replace the status of a call that ends during a write by INTERNAL.
        opened: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
        call = opened(iter([request.SerializeToString()]), timeout=within, metadata=metadata)
        try:
            next(call)
        except grpc.RpcError:
            return call.code(), call.details() or ""
        return grpc.StatusCode.OK, ""

    with channel:
        return await asyncio.to_thread(ask)


class Plane:
    """A control plane that serves gRPC clients at a port, without tokens."""

    def __init__(self, address: str = "127.0.0.1:0") -> None:
        self.translator = Translator(Settings(offline=True))
        inputs = Inputs(self.translator)
        clients, keys = GrpcClients(inputs), SnapshotKeys(self.translator)
        self.server = Server(keys.select, address=address, admit=clients.admit, observer=clients)
        self.plane = ControlPlane.build(
            inputs, self.server, keys, SyncStatusReporter(inputs), Events(), clients, Metrics()
        )

    @contextlib.asynccontextmanager
    async def running(self, *objects: Object) -> AsyncIterator[Plane]:
        """Serve these objects."""
        async with self.server, self.evaluating():
            await self.apply(*objects)
            yield self

    @contextlib.asynccontextmanager
    async def evaluating(self) -> AsyncIterator[None]:
        """Evaluate and publish meanwhile."""
        task = asyncio.create_task(self.plane.evaluator.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def apply(self, *objects: Object) -> None:
        """Apply objects."""
        parsed = [KINDS.parse(each) for each in manifests(objects)]
        assert all(each.object is not None for each in parsed), [each.problems for each in parsed]
        await self.edit(Edit(each.object.ref, each.object) for each in parsed if each.object is not None)

    async def delete(self, *refs: Ref) -> None:
        """Delete objects."""
        await self.edit(Edit(each, None) for each in refs)

    async def edit(self, edits: Iterable[Edit]) -> None:
        """Make edits."""

        async def batch() -> AsyncIterator[tuple[Edit, ...]]:
            yield tuple(edits)

        await self.plane.evaluator.take(batch())

    def client(self, service: str, namespace: str = "default") -> contextlib.AbstractAsyncContextManager[GrpcClient]:
        """Run a client of a Service in the namespace `default`."""
        server = {"server_uri": f"127.0.0.1:{self.server.port}", "channel_creds": [{"type": "insecure"}]}
        return grpc_client(f"{service}.default.svc.cluster.local:80", server, namespace)

    def nacks(self) -> list[str]:
        """Return what clients reject."""
        return [group.message for each in self.server.clients() for group in each.nack_groups]
