"""What is spoken by TLS to backends with a BackendTLSPolicy: HTTP/2 with gRPC, and WebSockets."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from tests.certificates import self_signed
from tests.live.backend_tls import NAME, authorities, policy
from tests.live.certificates import tls_server
from tests.live.objects import Manifest, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.test_grpc import Backend, Client, client, grpc_route
from tests.live.upstream import upstream
from tests.live.websockets import shout, talk

__all__ = ["client"]


@pytest.mark.parametrize(
    ("app_protocol", "routed"),
    [("", grpc_route(rule("tls"))), ("https", grpc_route(rule("tls"))), ("kubernetes.io/h2c", route(rule("tls")))],
    ids=["grpc", "grpc-https", "http-h2c"],
)
async def test_grpc_by_tls(proxy: Proxy, client: Client, app_protocol: str, routed: Manifest) -> None:
    """Calls reach a server of gRPC that speaks HTTP/2 by TLS only, unless its certificate has another name."""
    certificate, key = self_signed("a", NAME)
    backend = Backend("tls")
    credentials = grpc.ssl_server_credentials([(key.encode(), certificate.encode())])
    async with backend.serving(credentials) as (_, *slices):
        objects = [service("tls", app_protocol=app_protocol), *slices, routed]
        await proxy.apply(*objects, authorities(certificate), policy())
        assert await client.call("/shop.v1.Cart/Add") == "tls"
        await proxy.apply(policy("other.example.com"))
        assert await client.call("/shop.v1.Cart/Add") == "UNAVAILABLE"


@pytest.mark.parametrize("app_protocol", ["", "kubernetes.io/wss", "https"])
async def test_websockets_by_tls(proxy: Proxy, tmp_path: Path, app_protocol: str) -> None:
    """A websocket goes to a backend by TLS, both ways."""
    context, certificate = tls_server(tmp_path, "a", NAME)
    async with upstream("tls", tls=context) as found:
        found.raw = shout
        objects = [service("tls", app_protocol=app_protocol), *endpoints("tls", [found.port]), route(rule("tls"))]
        await proxy.apply(*objects, authorities(certificate), policy())
        assert await talk(proxy, "/chat", "one", "two") == ["ONE", "TWO"]
