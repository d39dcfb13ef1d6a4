"""A gRPC client that calls the Service `cart` by xDS: `GRPC_XDS_BOOTSTRAP=grpc.json python client.py [CALLS]`."""

from __future__ import annotations

import sys
from collections import Counter

import grpc

calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20
with grpc.insecure_channel("xds:///cart.default.svc.cluster.local:80") as channel:
    for name in ("Add", "Beta"):
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/shop.Cart/{name}")
        print(name, dict(Counter(method(b"", timeout=20, wait_for_ready=True).decode() for _ in range(calls))))
