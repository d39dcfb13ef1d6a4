"""gRPC clients of `headgate run`, which connect by its Unix socket."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import sys
from pathlib import Path

import grpc
import pytest
import yaml
from typer.testing import CliRunner

from headgate.cli import app
from headgate.controlplane.publisher import SnapshotKeys
from headgate.security.proxy_tokens import ProxyTokens
from headgate.standalone.authentication import EnvoyAuthentication
from tests.headgate.running import Headgate, free_port
from tests.headgate.waiting import eventually
from tests.live.objects import rule
from tests.live.proxyless import grpc_client, stream_status
from tests.live.test_grpc import Backend
from tests.live.test_proxyless import service_route
from translator.inputs import Settings
from translator.translator import Translator
from xds import Peer, StreamRejected
from xds.resources.types import LISTENER

EXAMPLE = Path(__file__).parents[3] / "examples" / "grpc-without-proxy"
TARGET = "one.default.svc.cluster.local:80"


def bootstrap_of(headgate: Headgate) -> str:
    """Return the bootstrap of clients that `headgate bootstrap` prints."""
    options = ("--xds-address", f"127.0.0.1:{headgate.xds}", "--state-dir", str(headgate.state))
    arguments = ["bootstrap", "--grpc-clients", "default", "--output", "json", *options]
    return CliRunner().invoke(app, arguments).output


async def test_clients_connect_by_the_socket(headgate: Headgate) -> None:
    """A client at the socket calls as the route of the Service says, without a token, and gets no Gateway's resources.

    At the port, which routes can lead to, nobody is served without a token.
    """
    async with Backend("one").serving() as one, Backend("two").serving() as two:
        headgate.write("proxyless", yaml.safe_dump_all([*one, *two, service_route(rule("two"))]))
        await headgate.start()
        await headgate.condition("web", "Programmed", "True")
        (server,) = json.loads(bootstrap_of(headgate))["xds_servers"]
        async with grpc_client(TARGET, server) as client:
            assert await client.call() == "two"
            for address, key in ((server["server_uri"], "default/web"), (f"127.0.0.1:{headgate.xds}", "default")):
                code, text = await stream_status(grpc.insecure_channel(address), LISTENER, key)
                assert code is grpc.StatusCode.UNAUTHENTICATED, text


async def test_the_example(state_root: Path, envoy_path: Path) -> None:
    """The example's client calls its two servers in the shares that its route says."""
    folder = state_root / "config"
    folder.mkdir()
    ports = {each: str(free_port()) for each in ("50051", "50052")}
    text = (EXAMPLE / "config" / "cart.yaml").read_text()
    for port, free in ports.items():
        text = text.replace(port, free)
    (folder / "cart.yaml").write_text(text)
    headgate = Headgate(folder, state_root, envoy_path)
    bootstrap = state_root / "grpc.json"
    bootstrap.write_text(bootstrap_of(headgate))
    servers = [
        await asyncio.create_subprocess_exec(sys.executable, EXAMPLE / "server.py", each) for each in ports.values()
    ]
    await headgate.start()
    try:
        await eventually(lambda: "Headgate is ready" in headgate.log)
        environment = {**os.environ, "GRPC_XDS_BOOTSTRAP": str(bootstrap)}
        arguments = (sys.executable, str(EXAMPLE / "client.py"), "100")
        client = await asyncio.create_subprocess_exec(*arguments, env=environment, stdout=asyncio.subprocess.PIPE)
        output = (await asyncio.wait_for(client.communicate(), 40))[0].decode()
    finally:
        for each in servers:
            each.kill()
            await each.wait()
        await headgate.end()
    add, beta = (ast.literal_eval(line.partition(" ")[2]) for line in output.splitlines())
    assert add.keys() == set(ports.values())
    assert add[ports["50051"]] > add[ports["50052"]]
    assert beta == {ports["50052"]: 100}


@pytest.mark.parametrize("tls", [False, True])
def test_the_port_serves_no_clients(tls: bool) -> None:
    """At the port, with or without TLS, an Envoy's token or certificate is not a gRPC client's."""
    tokens = ProxyTokens(b"key")
    translator = Translator(Settings())
    authentication = EnvoyAuthentication(tokens, SnapshotKeys(translator), translator, tls=tls)
    headers = {"authorization": f"Bearer {tokens.token('default/web')}"}
    with pytest.raises(StreamRejected, match="connect by the Unix socket") as rejected:
        authentication.authorise("default", Peer("ipv4:127.0.0.1:1", {}, headers))
    assert rejected.value.code is grpc.StatusCode.PERMISSION_DENIED
    authentication.authorise("default", Peer("unix:", {}, {}))
