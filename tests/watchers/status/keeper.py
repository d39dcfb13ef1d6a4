"""As much of an API server as writers see: resource versions, patches with preconditions, and failures to order."""

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
    """Answers as an API server does, and is what is observed of it as long as `lag` is not set.

    Attributes:
        requests: all requests: method, object.
        failures: errors that the next requests meet with, in their order.
        gate: requests wait until it is set.
        lag: observed instead of what is kept.
        served: the version of the API in which objects are read and written.
        without_status: so many requests for statuses meet with a definition that has none.
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
        """Keep an object with this status."""
        self._version += 1
        metadata |= {"name": ref.name, "resourceVersion": str(self._version)}
        self.objects[ref] = {
            "metadata": metadata | ({"generation": generation} if generation else {}),
            "status": status,
        }
        self._moved.set()

    def status(self, ref: Ref) -> Any:
        """Return the status that is kept."""
        return self.objects[ref]["status"]

    def wrote(self, ref: Ref) -> int:
        """How many patches of an object came."""
        return self.requests.count(("PATCH", ref))

    async def until(self, true: Any) -> None:
        """Wait until something holds, which only requests make hold."""
        async with asyncio.timeout(10):
            while not true():
                self._moved.clear()
                await self._moved.wait()

    def observed_status(self, ref: Ref) -> ObservedStatus | None:
        """As a reflector tells it."""
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
        """All objects."""
        return list(self.objects)

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        """As `watchers.kubernetes.client.ApiClient` does."""
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
            return self._keep(ref, body)
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
            return self._keep(ref, body)
        kept = self._keep(ref, {**found, "status": dict(_patched(found["status"], body["status"]))})
        return kept | {"apiVersion": f"g/{self.served}"}

    def _keep(self, ref: Ref, value: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        kept = copy.deepcopy(value)
        kept["metadata"]["resourceVersion"] = str(self._version)
        self.objects[ref] = kept
        return kept


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
