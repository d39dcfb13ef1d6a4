"""Serve these resources to my Envoys: one listener on port 8080 that answers every request by itself.

    python examples/xds_server.py 18000

Point any Envoy at it by ADS, in either variant (see Envoy's "Dynamic from control plane"): all get the same.
"""

import argparse
import asyncio

from google.protobuf import json_format

from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 (so that the Any below is known)
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from xds import Resource, Server, Snapshot

HELLO = """{
  "name": "hello",
  "address": {"socket_address": {"address": "127.0.0.1", "port_value": %d}},
  "filter_chains": [{"filters": [{"name": "http", "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "stat_prefix": "hello",
    "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
      {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]}]}}}]}]
}"""


async def serve(xds_port: int, port: int = 8080) -> None:
    """Serve the listener on a port to every Envoy that asks, until it is stopped."""
    listener = json_format.Parse(HELLO % port, listener_pb2.Listener())
    async with Server(select=lambda node: "everyone", address=f"127.0.0.1:{xds_port}") as server:
        server.publish("everyone", Snapshot.of([Resource.pack(listener)]))
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve one listener, on port 8080, to every Envoy that asks for it.")
    parser.add_argument("xds_port", type=int, help="the port that Envoys connect to for xDS, for example 18000")
    asyncio.run(serve(parser.parse_args().xds_port))
