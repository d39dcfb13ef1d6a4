"""gRPC clients of `headgate run`, which connect by its Unix socket."""

from __future__ import annotations

import grpc
import yaml

from tests.headgate.running import Headgate
from tests.live.objects import rule
from tests.live.proxyless import grpc_client, stream_status
from tests.live.test_grpc import Backend
from tests.live.test_proxyless import service_route
from xds.resources.types import LISTENER

TARGET = "one.default.svc.cluster.local:80"


async def test_clients_connect_by_the_socket(headgate: Headgate) -> None:
    """A client at the socket calls as the route of the Service says, without a token, and gets no Gateway's resources.

    At the port, which routes can lead to, nobody is served without a token.
    """
    async with Backend("one").serving() as one, Backend("two").serving() as two:
        headgate.write("proxyless", yaml.safe_dump_all([*one, *two, service_route(rule("two"))]))
        await headgate.start()
        await headgate.condition("web", "Programmed", "True")
        socket = f"unix:{next(headgate.state.rglob('*.sock'))}"
        async with grpc_client(TARGET, {"server_uri": socket, "channel_creds": [{"type": "insecure"}]}) as client:
            assert await client.call() == "two"
            for address, key in ((socket, "default/web"), (f"127.0.0.1:{headgate.xds}", "default")):
                code, text = await stream_status(grpc.insecure_channel(address), LISTENER, key)
                assert code is grpc.StatusCode.UNAUTHENTICATED, text
