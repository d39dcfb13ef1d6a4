"""An implementation of the Gateway API in a cluster, to which routes are added through the API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from bench.requests import NOT_FOUND, OK, Requests
from bench.usage import find, until_idle
from bench.workload import Implementation
from bench.world import Raw, manifest
from watchers.kubernetes.client import Api, ApiClient
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.kubeconfig import Access, Target

GROUP = "gateway.networking.k8s.io/v1"
AT_ONCE = 8
"""How many requests to the API server are under way while routes are loaded."""
GONE_SECONDS = 120
CONFLICT = 409
T = TypeVar("T")


class ClusterTarget:
    """Routes of one Gateway in a cluster.

    Args:
        implementation: what is measured.
        api: the client of the API server.
        runner: runs its requests.
    """

    form = ""

    def __init__(self, implementation: Implementation, api: Api, runner: asyncio.Runner) -> None:
        self.name = implementation.name
        host, _, port = implementation.address.rpartition(":")
        self.host, self.port = host, int(port)
        self._implementation, self._api, self._runner = implementation, api, runner
        self._loaded = 0
        self._added: list[str] = []
        self.control_plane = find(implementation.processes) if implementation.processes else ()
        self.proxies = find(implementation.proxies) if implementation.proxies else ()

    def hostname(self, number: int) -> str:
        """Return the hostname of the route of a number, which no other implementation has."""
        return f"host-{number}.{self.name}.example.com"

    def load(self, size: int) -> tuple[float, float]:
        """Create routes until there are so many.

        Returns:
            The seconds until the API server has them, and until the gateway answers for all (for one of each 50).
        """
        hosts = [self.hostname(number) for number in range(self._loaded, size)]
        start = time.perf_counter()
        self._run(self._each("POST", hosts))
        stored = time.perf_counter() - start
        self._loaded = max(size, self._loaded)
        requests = Requests(self.host, self.port)
        for each in (*hosts[-1:], *hosts[:: max(1, len(hosts) // 50)]):
            requests.until_reachable(each, longest=600)
        requests.close()
        return stored, time.perf_counter() - start

    def prepare(self, host: str) -> None:
        """Do nothing: the API server encodes what it stores."""

    def add(self, host: str) -> float:
        """Create a route; return when the API server's answer was there."""
        self._added.append(host)
        self._run(self._create(host))
        return time.perf_counter()

    def remove_added(self) -> None:
        """Delete the added routes, and wait until they answer no more."""
        hosts, self._added = self._added, []
        self._run(self._each("DELETE", hosts))
        requests, deadline = Requests(self.host, self.port), time.monotonic() + GONE_SECONDS
        while hosts and requests.status(hosts[-1]) == OK and time.monotonic() < deadline:
            time.sleep(0.02)
        requests.close()
        until_idle((*self.control_plane, *self.proxies))

    def remove_all(self) -> None:
        """Delete all routes that were created."""
        hosts = [*self._added, *map(self.hostname, range(self._loaded))]
        self._added, self._loaded = [], 0
        self._run(self._each("DELETE", hosts))

    def sent_bytes(self) -> None:
        """Return None: the proxy's admin interface is not reached from here."""

    def route(self, host: str) -> Raw:
        """Return the route of a host."""
        namespace, _, gateway = self._implementation.gateway.partition("/")
        service, _, port = self._implementation.backend.partition(":")
        rule = {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"name": service, "port": int(port)}],
        }
        spec = {"parentRefs": [{"name": gateway}], "hostnames": [host], "rules": [rule]}
        return manifest(GROUP, "HTTPRoute", self._object(host), namespace, spec=spec)

    def _object(self, host: str) -> str:
        return f"bench-{self.name}-{host.partition('.')[0]}".lower()

    def _path(self) -> str:
        namespace = self._implementation.gateway.partition("/")[0]
        return f"/apis/{GROUP}/namespaces/{namespace}/httproutes"

    async def _create(self, host: str) -> None:
        try:
            await self._api.request("POST", self._path(), body=self.route(host))
        except ApiError as error:
            if error.status != CONFLICT:  # it is left of a run that was killed
                raise

    async def _delete(self, host: str) -> None:
        try:
            await self._api.request("DELETE", f"{self._path()}/{self._object(host)}")
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    async def _each(self, method: str, hosts: Iterable[str]) -> None:
        waiting = iter(hosts)

        async def work() -> None:
            for each in waiting:
                if method == "POST":
                    await self._create(each)
                else:
                    await self._delete(each)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    def _run(self, request: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(request)


@contextmanager
def cluster(implementations: Iterable[Implementation], kubeconfig: str) -> Iterator[list[ClusterTarget]]:
    """Yield targets in the cluster of a kubeconfig; in the end, delete their routes.

    Raises:
        ConfigurationError: there is no such cluster.
    """
    with asyncio.Runner() as runner:
        api = ApiClient(runner.run(Access.load(Target(kubeconfig or None))))
        targets = [ClusterTarget(each, api, runner) for each in implementations]
        try:
            yield targets
        finally:
            for each in targets:
                each.remove_all()
            runner.run(api.__aexit__())
