"""Propagation in a cluster: what is created, in which order, and what is deleted in the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.cluster import ClusterPropagation, measure
from bench.cluster_target import ClusterTarget
from bench.propagation import compare
from bench.workload import Implementation, Options
from watchers.kubernetes.client import Query


class Cluster:
    """An API server and a gateway that serves what was created at once.

    Attributes:
        routes: the stored routes by name.
        most: how many routes there were at most.
    """

    def __init__(self) -> None:
        self.routes: dict[str, Any] = {}
        self.most = 0

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = "",
        seconds: float = 0,
    ) -> Any:
        """Store a route, or delete one."""
        assert path.startswith("/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes")
        if method == "POST":
            assert isinstance(body, dict)
            self.routes[body["metadata"]["name"]] = body
            self.most = max(self.most, len(self.routes))
        else:
            del self.routes[path.rpartition("/")[2]]

    def status(self, host: str) -> int:
        """Return the status of a request for a host."""
        return 200 if any(host in each["spec"]["hostnames"] for each in self.routes.values()) else 404


@pytest.fixture
def fake() -> Cluster:
    """Return the cluster."""
    return Cluster()


@pytest.fixture
def target(fake: Cluster) -> Iterator[ClusterTarget]:
    """Yield a target in the cluster."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer as the gateway does."""
            self.send_response(fake.status(self.headers["Host"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    implementation = Implementation("headgate", "shop/web", f"127.0.0.1:{server.server_port}", backend="shop:80")
    with asyncio.Runner() as runner:
        yield ClusterTarget(implementation, fake, runner)
    server.shutdown()
    server.server_close()


def test_propagation_in_a_cluster_leaves_nothing_behind(fake: Cluster, target: ClusterTarget) -> None:
    """Routes are loaded up to the size, each new one is timed and removed, and in the end all are deleted."""
    load = target.load(5)
    assert len(fake.routes) == 5
    (found,) = compare([target], 5, Options(samples=2, changes=3, stable=4))
    assert (len(fake.routes), fake.most) == (5, 8)
    assert (found.target, found.routes, found.others) == ("headgate", 5, 0)
    assert (found.control_plane_cpu, found.proxy_cpu, found.sent) == (None, None, None)
    assert ClusterPropagation(found, *load).answered >= load[0]
    target.remove_all()
    assert fake.routes == {}


def test_routes_name_the_gateway_and_the_backend(target: ClusterTarget) -> None:
    """A route attaches to the Gateway of the implementation and sends requests to its Service."""
    made = target.route("new.example.com")
    assert made["metadata"] == {"name": "bench-headgate-new", "namespace": "shop"}
    assert made["spec"]["parentRefs"] == [{"name": "web"}]
    assert made["spec"]["rules"][0]["backendRefs"] == [{"name": "shop", "port": 80}]


def test_without_an_implementation_there_is_nothing_to_measure() -> None:
    """The error says how to name one."""
    with pytest.raises(ValueError, match="--implementation NAME"):
        measure(Options())
