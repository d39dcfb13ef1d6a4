"""gRPC clients of a whole controller: TLS, tokens of service accounts, and a namespace for each."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from headgate.cluster.controller import ControllerSettings, serve
from headgate.process.address import Address
from headgate.security.cluster_authority import SECRET
from tests.headgate.cluster.installation import world
from tests.headgate.cluster.shop import namespace, shop
from tests.headgate.cluster.test_incomplete_reads import PEM
from tests.headgate.running import free_port
from tests.headgate.waiting import eventually
from tests.live.objects import Manifest, rule
from tests.live.proxyless import grpc_client, stream_status
from tests.live.test_grpc import Backend
from tests.live.test_proxyless import service_route
from tests.watchers.cluster_api import ClusterApi, Raw
from translator.infrastructure.pod import AUDIENCE
from watchers.kubernetes.kubeconfig import Target
from xds.resources import types


def token(account: str, audience: str = AUDIENCE) -> str:
    """Return a token of a service account, as the kubelet writes it into a file; nobody checks its signature."""

    def part(content: Mapping[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    subject = f"system:serviceaccount:{account}"
    return f"{part({'alg': 'RS256'})}.{part({'sub': subject, 'aud': [audience], 'exp': int(time.time()) + 3600})}.c2ln"


class Reviewing(ClusterApi):
    """An API server that reviews the tokens of this module."""

    async def request(self, method: str, path: str, *, body: Any = None, **rest: Any) -> Any:
        """Answer a TokenReview as the API server does, and all else as in memory."""
        if not path.endswith("/tokenreviews"):
            return await super().request(method, path, body=body, **rest)
        payload = body["spec"]["token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        audiences = [each for each in claims["aud"] if each in body["spec"]["audiences"]]
        user = {"username": claims["sub"]}
        return {"status": {"authenticated": bool(audiences), "audiences": audiences, "user": user}}


class Cluster:
    """A controller of a cluster in memory.

    Attributes:
        api: its API server.
        xds: the port of the xDS server.
    """

    def __init__(self) -> None:
        self.api, self.xds = Reviewing(), free_port()

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, *objects: Raw) -> AsyncIterator[Cluster]:
        """Serve objects; the authority's certificate is a file of the folder."""
        world(self.api, [namespace("default"), namespace("other"), *objects])
        admin = Address("127.0.0.1", free_port())
        local = Address("127.0.0.1", self.xds)
        settings = ControllerSettings(Target(), "", (), "", local, "", admin, "")
        task = asyncio.create_task(serve(settings, self.api))
        await eventually(lambda: task.done() or ("headgate-system", SECRET) in self.api.of("Secret"))
        authority = self.api.of("Secret")["headgate-system", SECRET]["data"]["ca.crt"]
        (folder / "ca.crt").write_bytes(base64.b64decode(authority))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task})

    def bootstrap(self, folder: Path, account: str, audience: str = AUDIENCE) -> dict[str, object]:
        """Return the xDS server as the bootstrap of a client has it, whose token is a file of the folder."""
        path = folder / "token"
        path.write_text(token(account, audience))
        return {
            "server_uri": f"localhost:{self.xds}",
            "channel_creds": [{"type": "tls", "config": {"ca_certificate_file": str(folder / "ca.crt")}}],
            "call_creds": [{"type": "jwt_token_file", "config": {"jwt_token_file": str(path)}}],
        }


def in_cluster(manifests: list[Manifest]) -> list[Raw]:
    """Return objects as an API server has them."""
    return [{**each, "metadata": {"namespace": "default", "generation": 1, **each["metadata"]}} for each in manifests]


async def test_a_client_with_a_token_is_served(tmp_path: Path) -> None:
    """A client calls as the route of the Service says, with TLS and its token; the route's status says so."""
    async with Backend("one").serving() as one, Backend("two").serving() as two:
        objects = in_cluster([*one, *two, service_route(rule("two"))])
        async with Cluster().serving(tmp_path, *objects) as cluster:
            server = cluster.bootstrap(tmp_path, "other:app")
            async with grpc_client("one.default.svc.cluster.local:80", server, "other") as client:
                assert await client.call() == "two"
            await eventually(lambda: "status" in cluster.api.of("GRPCRoute")["default", "route"])
            (parent,) = cluster.api.of("GRPCRoute")["default", "route"]["status"]["parents"]
            assert parent["parentRef"]["kind"] == "Service"
            assert {each["type"]: each["status"] for each in parent["conditions"]} == {
                "Accepted": "True",
                "ResolvedRefs": "True",
            }


@pytest.mark.parametrize(
    ("account", "audience", "key", "type_url", "code"),
    [
        ("default:app", AUDIENCE, "other", types.LISTENER, grpc.StatusCode.PERMISSION_DENIED),
        ("default:app", AUDIENCE, "defaul", types.LISTENER, grpc.StatusCode.PERMISSION_DENIED),
        ("default:app", AUDIENCE, "", types.LISTENER, grpc.StatusCode.NOT_FOUND),
        ("default:app", AUDIENCE, "shop/web", types.LISTENER, grpc.StatusCode.PERMISSION_DENIED),
        ("default:app", "other", "default", types.LISTENER, grpc.StatusCode.UNAUTHENTICATED),
        ("default:app", AUDIENCE, "default", types.SECRET, grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_what_is_refused(
    tmp_path: Path, account: str, audience: str, key: str, type_url: str, code: grpc.StatusCode
) -> None:
    """A token is good for the namespace of its service account, and for no Gateway; nobody gets a Secret by it."""
    async with Cluster().serving(tmp_path, *shop(*PEM)) as cluster:
        trusted = grpc.ssl_channel_credentials((tmp_path / "ca.crt").read_bytes())
        channel = grpc.secure_channel(f"localhost:{cluster.xds}", trusted)
        found, text = await stream_status(channel, type_url, key, token(account, audience))
        assert found is code, text
