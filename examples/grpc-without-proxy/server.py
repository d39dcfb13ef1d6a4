"""A gRPC server whose methods answer with its port: `python server.py PORT`."""

from __future__ import annotations

import sys
from concurrent import futures

import grpc

port = sys.argv[1]


def answer(_request: bytes, _context: grpc.ServicerContext) -> bytes:
    """Return the port."""
    return port.encode()


method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Cart", {"Add": method, "Beta": method})])
server.add_insecure_port(f"127.0.0.1:{port}")
server.start()
server.wait_for_termination()
