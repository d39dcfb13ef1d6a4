"""A minimal API server for writers: resource versions, patches with preconditions, and injected errors."""

import asyncio
import copy
from collections.abc import Iterable, Iterator
from typing import Any

from translator.refs import Ref
from watchers.informers.observed_status import ObservedStatus, wrote
from watchers.kubernetes.errors import ApiError, ClusterError

MANAGER = "gateway.headgate.dev/controller"
PLURALS = {"gatewayclasses": "GatewayClass", "gateways": "Gateway", "httproutes": "HTTPRoute", "leases": "Lease"}


class Keeper:
    """An API server with objects in memory; also the cache of observed statuses, unless `lag` is set.

    Attributes:
        requests: all requests: method, object.
        failures: the errors of the next requests, in order.
        gate: requests wait until it is set.
        lag: the observed statuses instead of the stored ones.
        served: the API version in which objects are read and written.
        without_status: the number of next requests for statuses that fail, as without a status subresource.
    """

    def __init__(self) -> None:
        self.objects: dict[Ref, dict[str, Any]] = {}
        self.requests: list[tuple[str, Ref]] = []
        self.failures: list[ClusterError] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.lag: dict[Ref, ObservedStatus] = {}
        self.served = "v1"
        self.without_status = 0
        self.running = self.most_running = 0
        self._version = 100
        self._moved = asyncio.Event()

    def put(self, ref: Ref, status: dict[str, Any], generation: int | None = 1, **metadata: Any) -> None:
        """Store an object with this status."""
        self._version += 1
        metadata |= {"name": ref.name, "resourceVersion": str(self._version)}
        self.objects[ref] = {
            "metadata": metadata | ({"generation": generation} if generation else {}),
            "status": status,
        }
        self._moved.set()

    def status(self, ref: Ref) -> Any:
        """Return the stored status."""
        return self.objects[ref]["status"]

    def wrote(self, ref: Ref) -> int:
        """Return the number of patches of an object."""
        return self.requests.count(("PATCH", ref))

    async def until(self, true: Any) -> None:
        """Wait until a condition is true that depends on requests."""
        async with asyncio.timeout(10):
            while not true():
                self._moved.clear()
                await self._moved.wait()

    def observed_status(self, ref: Ref) -> ObservedStatus | None:
        """Return the observed status of an object."""
        if ref in self.lag:
            return self.lag[ref]
        found = self.objects.get(ref)
        if found is None:
            return None
        metadata = found["metadata"]
        written = wrote(metadata, MANAGER)
        return ObservedStatus(
            metadata["resourceVersion"], metadata.get("generation"), found["status"], self.served, written
        )

    def observed_refs(self) -> Iterable[Ref]:
        """Return all objects."""
        return list(self.objects)

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        """Respond to a request, like `watchers.kubernetes.client.ApiClient.request`."""
        ref = _ref(path)
        if path.split("/")[3] != self.served:
            self._moved.set()
            raise ApiError(f"{method} {path}", 404, "NotFound", "the server could not find the requested resource")
        self.requests.append((method, ref))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self._moved.set()
        try:
            await self.gate.wait()
            if self.failures:
                raise self.failures.pop(0)
            return copy.deepcopy(self._answer(method, path, ref, body))
        finally:
            self.running -= 1
            self._moved.set()

    def _answer(self, method: str, path: str, ref: Ref, body: Any) -> Any:
        if method == "POST":
            ref = Ref(ref.kind, ref.namespace, body["metadata"]["name"])
            if ref in self.objects:
                raise ApiError("POST", 409, "AlreadyExists")
            return self._store(ref, body)
        missing = path.endswith("/status") and self.without_status > 0
        self.without_status -= missing
        if ref not in self.objects or missing:
            raise ApiError(f"{method} {path}", 404, "NotFound", f'kinds "{ref.name}" not found')
        found = self.objects[ref]
        if method == "GET":
            return found | {"apiVersion": f"g/{self.served}"}
        asked = body["metadata"].get("resourceVersion")
        if asked not in (None, found["metadata"]["resourceVersion"]):
            raise ApiError(f"{method} {path}", 409, "Conflict", "the object has been modified")
        if method == "PUT":
            return self._store(ref, body)
        if "status" not in body:
            return self._store(ref, {**found, "metadata": {**found["metadata"], **body["metadata"]}})
        stored = self._store(ref, {**found, "status": dict(_patched(found["status"], body["status"]))})
        return stored | {"apiVersion": f"g/{self.served}"}

    def _store(self, ref: Ref, value: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        stored = copy.deepcopy(value)
        stored["metadata"]["resourceVersion"] = str(self._version)
        self.objects[ref] = stored
        return stored


def _ref(path: str) -> Ref:
    parts = path.removesuffix("/status").split("/")
    if "namespaces" not in parts:
        return Ref(PLURALS[parts[4]], "", parts[5])
    kind = PLURALS[parts[6]]
    return Ref(kind, parts[5], parts[7] if len(parts) > 7 else "")


def _patched(status: dict[str, Any], patch: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in (status | patch).items():
        if value is not None:
            yield key, value
