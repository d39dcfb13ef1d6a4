"""`headgate controller` as a local process, with the token of a service account."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import aiohttp
import grpc

from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.deploy.release import Release
from tests.deploy.rights import Audit
from tests.e2e.kube import Kube, until
from tests.e2e.objects import GATEWAY
from tests.headgate.running import free_port
from tests.watchers.relay import kubeconfig
from tests.xds.calls import DELTA, Call
from watchers.finalizers.reconciler import FINALIZER
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.kubeconfig import Access
from xds.resources.types import CLUSTER

SECRET: Final = "headgate-authority"


async def token(kube: Kube, account: str, audience: str = "") -> str:
    """Return a token of a service account."""
    path = f"/api/v1/namespaces/{kube.namespace}/serviceaccounts/{account}/token"
    spec = {"audiences": [audience]} if audience else {}
    found: str = (await kube.client.request("POST", path, body={"spec": spec}))["status"]["token"]
    return found


@asynccontextmanager
async def account(kube: Kube, access: Access, name: str, folder: Path) -> AsyncIterator[ApiClient]:
    """Yield a client with the token of a service account."""
    async with Audit(access) as relay:
        way = await kubeconfig(folder, relay.url, f"token: {await token(kube, name)}")
        async with ApiClient(way) as client:
            yield client


class Controller:
    """`headgate controller` as a local process, with the permissions of a release's account, and its requests.

    Attributes:
        xds: its xDS port.
    """

    def __init__(self, release: Release, watched: Kube, audit: Audit, folder: Path) -> None:
        self.release, self.watched, self.audit = release, watched, audit
        self.folder = folder
        self.xds, self.admin = free_port(), free_port()

    @property
    def log(self) -> str:
        """Its log."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @asynccontextmanager
    async def running(self, *, class_finalizer: bool) -> AsyncIterator[None]:
        """Start it, wait until it leads and the class has a finalizer or none, and stop it as a pod is stopped."""
        await kubeconfig(
            self.folder, self.audit.url, f"token: {await token(self.release.kube, self.release.deployment)}"
        )
        command = [sys.executable, "-m", "headgate", "controller", "--kubeconfig", str(self.folder / "kubeconfig")]
        command += ["--namespace", self.release.kube.namespace, "--watch-namespace", self.watched.namespace]
        command += [
            "--controller-name",
            self.release.values["controllerName"],
        ]
        command += ["--class-finalizer"] if class_finalizer else []
        command += ["--xds-address", f"127.0.0.1:{self.xds}", "--admin-address", f"0.0.0.0:{self.admin}"]
        before = len(self.log)
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            os.close(log)

            async def leads() -> bool:
                assert process.returncode is None
                return "Leading" in self.log[before:]

            await until("leader", leads)
            yield

            async def finalized() -> bool:
                metadata = (await self.release.kube.get("GatewayClass", self.release.name))["metadata"]
                return (FINALIZER in metadata.get("finalizers", ())) is class_finalizer

            await until("finalizer", finalized)
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            print(self.log[before:])
            assert await asyncio.wait_for(process.wait(), 30) == 0

    async def come(self) -> str:
        """Connect as a proxy with the token of another one; return the error."""
        secret = await self.release.kube.get("Secret", SECRET)
        trusted = grpc.ssl_channel_credentials(base64.b64decode(secret["data"]["ca.crt"]))
        bearer = f"Bearer {await token(self.release.kube, self.release.deployment, 'headgate')}"
        async with grpc.aio.secure_channel(f"localhost:{self.xds}", trusted) as channel:
            call = Call(channel, DELTA, (("authorization", bearer),))
            node = base_pb2.Node(id="proxy", cluster=f"{self.watched.namespace}/{GATEWAY}")
            await call.request(CLUSTER, node=node)
            _, details = await call.status()
            return details

    async def look(self) -> int:
        """Request the configuration with its own account's token, which is forbidden; return the status."""
        headers = {"Authorization": f"Bearer {await token(self.release.kube, self.release.deployment)}"}
        url = f"http://127.0.0.1:{self.admin}/config"
        async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as response:
            return response.status
