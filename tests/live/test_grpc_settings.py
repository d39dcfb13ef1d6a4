"""gRPC-Web, and statistics of gRPC calls."""

from __future__ import annotations

import struct

from tests.live.listener_policies import apply
from tests.live.objects import Manifest, listener_policy, rule
from tests.live.proxy import Proxy, Response
from tests.live.test_grpc import Backend, grpc_route

TRAILERS = 0x80
"""The first byte of the frame of gRPC-Web that has the trailers."""
ROUTE = grpc_route(rule("web"))


async def call(proxy: Proxy, method: str = "Add", message: bytes = b"x") -> Response:
    """Call a method as a page does, by HTTP/1.1."""
    headers = {"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1"}
    body = struct.pack(">BI", 0, len(message)) + message
    return await proxy.request(f"/shop.v1.Cart/{method}", method="POST", headers=headers, body=body)


async def test_pages_call_grpc(proxy: Proxy) -> None:
    """A page gets the message and the status of a call in the body; the backend is called by gRPC."""
    backend = Backend("web")
    async with backend.serving() as objects:
        await apply(proxy, *objects, ROUTE, listener_policy(httpSettings={"grpcWeb": {}}))
        found = await call(proxy)
        assert (found.status, found.headers["content-type"]) == (200, "application/grpc-web+proto")
        size = struct.unpack(">I", found.body[1:5])[0]
        assert found.body[5 : 5 + size] == b"web:x"
        trailers = found.body[5 + size :]
        assert trailers[0] == TRAILERS
        assert b"grpc-status:0" in trailers
        assert backend.seen[0]["user-agent"]
        failed = await call(proxy, message=b"fail")
        assert b"grpc-status:15" in failed.body or failed.headers.get("grpc-status") == "15"


async def test_without_it(proxy: Proxy) -> None:
    """By default a page cannot call gRPC."""
    backend = Backend("web")
    async with backend.serving() as objects:
        await apply(proxy, *objects, ROUTE)
        assert b"web:x" not in (await call(proxy)).body


async def test_calls_are_counted(proxy: Proxy) -> None:
    """Calls of methods that the policy names are counted by name; clients can make no names of metrics."""
    backend = Backend("web")
    services = [{"name": "shop.v1.Cart", "methods": ["Add"]}]
    async with backend.serving() as objects:
        policy = listener_policy(httpSettings={"grpcWeb": {}, "grpcStats": {"services": services}})
        await apply(proxy, *objects, ROUTE, policy)
        for _ in range(3):
            await call(proxy)
        await call(proxy, message=b"fail")
        await call(proxy, "Get")
        await call(proxy, "Chosen.by.the.client")
        stats = await proxy.admin("/stats")
        assert "grpc.shop.v1.Cart.Add.success: 3" in stats
        assert "grpc.shop.v1.Cart.Add.failure: 1" in stats
        assert "grpc.shop.v1.Cart.Get" not in stats
        assert "Chosen" not in stats


async def test_switched_off(proxy: Proxy) -> None:
    """A listener need not have what its Gateway has; the time that backends take is measured if that is asked for."""
    backend = Backend("web")
    of_gateway = {"grpcWeb": {}, "grpcStats": {"upstreamStats": True}}
    async with backend.serving() as objects:
        await apply(proxy, *objects, ROUTE, listener_policy(httpSettings=of_gateway))
        await call(proxy)
        assert "grpc.upstream_rq_time" in await proxy.admin("/stats")
        off: Manifest = {"grpcWeb": {"disable": {}}, "grpcStats": {"disable": {}}}
        await apply(proxy, listener_policy(section="http", name="off", httpSettings=off))
        assert b"web:x" not in (await call(proxy)).body
