"""A real Envoy that is asked, many times a second, whether it takes a resource."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.message import Message

from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.envoy_process import bootstrap, free_port
from xds.resources.types import LISTENER, ROUTE, SECRET

NAME = "asked"
"""The name of the resource, of each type, that is asked about."""

TYPES = (SECRET, ROUTE, LISTENER)
SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
WITHIN = 20.0
"""Seconds within which Envoy is to answer, however busy the machine is."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


class Oracle:
    """Pushes one resource after the other to an Envoy, and tells what Envoy says to each.

    It answers state-of-the-world requests by itself, without the server of `xds`, whose answers to a NACK are more
    than is wanted here.
    """

    def __init__(self) -> None:
        self._requests: dict[str, queue.Queue[discovery_pb2.DiscoveryRequest]] = {each: queue.Queue() for each in TYPES}
        self._responses: queue.Queue[discovery_pb2.DiscoveryResponse | None] = queue.Queue()
        self._pool = ThreadPoolExecutor(4)
        self._server = grpc.server(self._pool)
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream, discovery_pb2.DiscoveryRequest.FromString, discovery_pb2.DiscoveryResponse.SerializeToString
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"StreamAggregatedResources": handler}),)
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._number = 0
        self._known: dict[tuple[str, bytes], str] = {}

    def close(self) -> None:
        """End the server."""
        self._responses.put(None)
        self._server.stop(0).wait()
        self._pool.shutdown()

    def _stream(
        self, requests: Iterator[discovery_pb2.DiscoveryRequest], _: grpc.ServicerContext
    ) -> Iterator[discovery_pb2.DiscoveryResponse]:
        self._pool.submit(self._read, requests)
        yield from iter(self._responses.get, None)
        self._responses.put(None)  # for a stream that Envoy gave up before this one, whose thread waits still

    def _read(self, requests: Iterator[discovery_pb2.DiscoveryRequest]) -> None:
        with contextlib.suppress(grpc.RpcError):
            for request in requests:
                if request.type_url in self._requests:
                    self._requests[request.type_url].put(request)

    def refusal(self, message: Message) -> str:
        """Return what Envoy says against a resource, whose name is `NAME`; "" if it takes it."""
        url = f"type.googleapis.com/{message.DESCRIPTOR.full_name}"
        body = message.SerializeToString(deterministic=True)
        if (url, body) not in self._known:
            self._known[url, body] = self._ask(url, body)
        return self._known[url, body]

    def settle(self, message: Message) -> None:
        """Pushes a resource that Envoy must take, once Envoy asks for it.

        Envoy compares a secret to the one before, even if it refused that: equal ones it takes unseen.
        """
        url = f"type.googleapis.com/{message.DESCRIPTOR.full_name}"
        assert not self._ask(url, message.SerializeToString(deterministic=True))

    def _ask(self, url: str, body: bytes) -> str:
        self._number += 1
        nonce = f"nonce-{self._number}"
        response = discovery_pb2.DiscoveryResponse(version_info=str(self._number), type_url=url, nonce=nonce)
        added = response.resources.add()
        added.type_url, added.value = url, body
        self._responses.put(response)
        while True:
            request = self._requests[url].get(timeout=WITHIN)
            if request.response_nonce == nonce:
                return str(request.error_detail.message)

    def wait(self, url: str) -> None:
        """Wait until Envoy asks for a type for the first time."""
        self._requests[url].get(timeout=WITHIN)


def _listener() -> dict[str, Any]:
    """Return a listener whose certificate and routes are what is asked about."""
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": NAME,
        "rds": {"route_config_name": NAME, "config_source": ads},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
            }
        ],
    }
    context = {
        "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": NAME, "sds_config": ads}]},
    }
    return {
        "name": "static",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}},
        "filter_chains": [
            {
                "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
                "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
            }
        ],
    }


@contextlib.contextmanager
def running_oracle(binary: Path, runtime: dict[str, Any]) -> Iterator[Oracle]:
    """Run an Envoy that answers, with a static layer of runtime values; shows its log if the test fails."""
    oracle = Oracle()
    with tempfile.TemporaryDirectory(prefix="oracle") as folder:
        config, log = Path(folder) / "bootstrap.json", Path(folder) / "log"
        plain = cast("dict[str, Any]", bootstrap(oracle.port, Path(folder) / "admin", delta=False))
        del plain["dynamic_resources"]["cds_config"]
        plain["static_resources"]["listeners"] = [_listener()]
        plain["layered_runtime"] = {"layers": [{"name": "static", "static_layer": runtime}]}
        config.write_text(json.dumps(plain))
        options = ("--disable-hot-restart", "--concurrency", "1", "-l", "error", "--log-path", str(log))
        command = (str(binary), "-c", str(config), *options)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for each in TYPES:
                oracle.wait(each)
            yield oracle
        except BaseException:
            print(log.read_text() if log.exists() else "Envoy wrote no log")
            raise
        finally:
            process.kill()
            process.wait()
            oracle.close()
