"""A gRPC server on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc


@contextlib.asynccontextmanager
async def grpc_server(
    name: str, handlers: dict[str, grpc.RpcMethodHandler[Any, Any]], port: int = 0
) -> AsyncIterator[int]:
    """Run a service with these methods, on a free port unless one is given; give the port."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


def metadata(context: Any) -> dict[str, str]:
    """Return the metadata of a call, which are its headers; binary ones are left out."""
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
