"""An API server in memory for a whole controller: lists, watches, patches, selectors, and faults to order.

It stands where a `ApiClient` does. Objects live by plural, namespace and name; each change has a revision of its own.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS
from watchers.kubernetes.client import ApiClient, Query, ResponseStream
from watchers.kubernetes.errors import ApiError

Raw = dict[str, Any]
Key = tuple[str, str, str]

MODELS: Mapping[str, type[KubernetesObject]] = {
    each.plural: each for each in (*KINDS.values(), *DEPLOYED_KINDS.values())
}


class Request(NamedTuple):
    """What is asked for: a verb of RBAC, and what it is asked of."""

    verb: str
    plural: str
    namespace: str
    name: str


class _Event(NamedTuple):
    revision: int
    type: str
    key: Key
    raw: Raw


class _Stream:
    """An open watch."""

    def __init__(self, api: ClusterApi, request: Request, labels: str, revision: int, metadata: bool) -> None:
        self._api = api
        self._request = request
        self._labels = labels
        self._revision = revision
        self._metadata = metadata
        self._ended = False
        self._cuts = api.cuts

    def cut(self) -> None:
        """End it."""
        self._ended = True
        self._api.moved()

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """Yield events as they come."""
        while True:
            lines = []
            for event in self._api.events:
                if event.revision > self._revision and self._api.covers(self._request, event.key):
                    raw, told = event.raw, event.type
                    if not _matches(self._labels, raw):
                        told = "DELETED"
                    lines.append(orjson.dumps({"type": told, "object": _shown(raw, self._metadata)}))
            self._revision = self._api.revision
            if lines:
                yield lines
            if self._ended or self._cuts < self._api.cuts:
                return
            await self._api.wait()


class ClusterApi(ApiClient):
    """Serves what it holds.

    Attributes:
        objects: by plural, namespace and name.
        events: all changes, oldest first.
        requests: all requests that came.
        fault: called with each request; may wait, and raises what the request meets with.
        not_installed: the plurals of kinds that are not served.
    """

    def __init__(self, fault: Callable[[Request], Any] | None = None) -> None:
        self.objects: dict[Key, Raw] = {}
        self.events: list[_Event] = []
        self.requests: list[Request] = []
        self.revision = 1
        self.compacted = 0
        self.cuts = 0
        self.fault = fault
        self.not_installed: frozenset[str] = frozenset()
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def url(self) -> str:
        """The API server's URL."""
        return "https://cluster.test"

    @property
    def namespace(self) -> str:
        """Where Headgate is."""
        return "headgate-system"

    # What a test does

    def put(self, raw: Raw) -> Raw:
        """Create an object or replace it."""
        raw = copy.deepcopy(raw)
        plural = next(each.plural for each in MODELS.values() if each.kind == raw["kind"])
        return self._store((plural, raw["metadata"].get("namespace", ""), raw["metadata"]["name"]), raw)

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Remove an object."""
        plural = next(each.plural for each in MODELS.values() if each.kind == kind)
        self._drop((plural, namespace, name))

    def remove_key(self, plural: str, namespace: str, name: str) -> None:
        """Remove an object of any kind."""
        self._drop((plural, namespace, name))

    def of(self, kind: str) -> dict[tuple[str, str], Raw]:
        """Return the objects of a kind by namespace and name."""
        return {key[1:]: raw for key, raw in self.objects.items() if key[0] in MODELS and MODELS[key[0]].kind == kind}

    def cut(self, *, compact: bool = False) -> None:
        """End all watches; with `compact`, none can go on from before."""
        self.cuts += 1
        self.compacted = self.revision if compact else self.compacted
        self.moved()

    def moved(self) -> None:
        """Wake all watches."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    # What a controller asks

    async def ready(self) -> bool:
        """Whether it has all that it needs."""
        return True

    async def get(self, path: str, *, query: Query | None = None, **_: Any) -> Any:
        """Answer a GET request."""
        return await self.request("GET", path, query=query, **_)

    async def request(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, **rest: Any
    ) -> Any:
        """Answer a request."""
        query = query or {}
        if (found := self._discovery(path)) is not None:
            await self._meet(Request("get", "discovery", "", path))
            return found
        plural, namespace, name, subresource = _parts(path)
        listing = method == "GET" and not name
        verb = "list" if listing else {"GET": "get", "POST": "create"}.get(method, method.lower())
        request = Request(verb, f"{plural}/{subresource}" if subresource else plural, namespace, name)
        await self._meet(request)
        if plural in self.not_installed:
            raise ApiError(f"{method} {path}", 404, "NotFound", "the server could not find the requested resource")
        if listing:
            return self._list(request, query, "PartialObjectMetadata" in rest.get("accept", ""))
        if method == "POST":
            return copy.deepcopy(self._store((plural, namespace, body["metadata"]["name"]), copy.deepcopy(body)))
        key = (plural, namespace, name)
        if method == "PATCH":
            return copy.deepcopy(self._patch(key, subresource, query, body))
        if key not in self.objects:
            raise ApiError(f"{method} {path}", 404, "NotFound", f'{plural} "{name}" not found')
        found = copy.deepcopy(self.objects[key])
        if method == "PUT":
            return copy.deepcopy(self._store(key, copy.deepcopy(body)))
        if method == "DELETE":
            self._drop(key)
        return found

    @asynccontextmanager
    async def watch(
        self, path: str, query: Query, accept: str = "", seconds: float = 300
    ) -> AsyncIterator[ResponseStream]:
        """Open a watch."""
        plural, namespace, *_ = _parts(path)
        request = Request("watch", plural, namespace, "")
        await self._meet(request)
        labels, revision = str(query.get("labelSelector", "")), int(query["resourceVersion"])
        if revision < self.compacted:
            raise ApiError(f"watch {plural}", 410, "Expired")
        yield _Stream(self, request, labels, revision, "PartialObjectMetadata" in accept)  # type: ignore[misc]

    async def wait(self) -> None:
        """Wait until something changes."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def covers(self, request: Request, key: Key) -> bool:
        """Whether an object is one of those that are asked for."""
        return key[0] == request.plural and request.namespace in ("", key[1])

    async def _meet(self, request: Request) -> None:
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.fault is not None:
            await self.fault(request)

    def _discovery(self, path: str) -> Raw | None:
        """Say which kinds are served."""
        parts = path.strip("/").split("/")
        groups: dict[str, set[str]] = {}
        served = [each for plural, each in MODELS.items() if plural not in self.not_installed]
        for each in served:
            groups.setdefault(each.group, set()).update(each.versions)
        if parts == ["apis"]:
            named = [
                {"name": name, "versions": [{"version": each} for each in sorted(versions)]}
                for name, versions in groups.items()
                if name
            ]
            return {"kind": "APIGroupList", "groups": named}
        if parts[0] == "api" and len(parts) == 2:
            parts = ["apis", "", parts[1]]
        if parts[0] == "apis" and len(parts) == 3:
            names = [{"name": each.plural} for each in served if each.group == parts[1]]
            return {"kind": "APIResourceList", "resources": names}
        return None

    def _list(self, request: Request, query: Query, metadata: bool) -> Raw:
        labels, fields = str(query.get("labelSelector", "")), str(query.get("fieldSelector", ""))
        items = [
            _shown(raw, metadata)
            for key, raw in sorted(self.objects.items())
            if self.covers(request, key)
            and _matches(labels, raw)
            and (not fields or fields == f"metadata.name={key[2]}")
        ]
        return {"metadata": {"resourceVersion": str(self.revision)}, "items": items}

    def _patch(self, key: Key, subresource: str, query: Query, body: Raw) -> Raw:
        before = self.objects.get(key)
        if subresource == "status":
            if before is None:
                raise ApiError("PATCH", 404, "NotFound", f'{key[0]} "{key[2]}" not found')
            if body["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
                raise ApiError("PATCH", 409, "Conflict", "the object has been modified")
            status = {**before.get("status", {}), **body["status"]}
            raw = {**before, "status": {name: value for name, value in status.items() if value is not None}}
            return self._store(key, _managed(raw, str(query["fieldManager"]), "Update", "status"))
        raw = {**copy.deepcopy(before or {}), **copy.deepcopy(body)}
        raw["metadata"] = {**(before or {}).get("metadata", {}), **raw["metadata"], "namespace": key[1], "name": key[2]}
        raw = _managed(raw, str(query["fieldManager"]), "Apply", "")
        return raw if "dryRun" in query else self._store(key, raw)

    def _store(self, key: Key, raw: Raw) -> Raw:
        before = self.objects.get(key)
        self.revision += 1
        metadata = raw.setdefault("metadata", {})
        metadata["uid"] = before["metadata"]["uid"] if before else metadata.get("uid") or f"uid-{self.revision}"
        metadata["resourceVersion"] = str(self.revision)
        model = MODELS.get(key[0])
        if model is not None:
            version = f"{model.group}/{model.versions[0]}" if model.group else model.versions[0]
            raw = {**raw, "apiVersion": version, "kind": model.kind}
        self.objects[key] = raw
        self._tell("MODIFIED" if before else "ADDED", key, raw)
        return raw

    def _drop(self, key: Key) -> None:
        raw = self.objects.pop(key)
        self.revision += 1
        gone = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self.revision)}}
        self._tell("DELETED", key, gone)

    def _tell(self, told: str, key: Key, raw: Raw) -> None:
        self.events.append(_Event(self.revision, told, key, copy.deepcopy(raw)))
        self.moved()


def _parts(path: str) -> tuple[str, str, str, str]:
    """Return the plural, namespace, name and subresource of a path."""
    parts = [unquote(each) for each in path.strip("/").split("/")]
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = [*parts, "", ""][:3]
    return plural, namespace, name, subresource


def _shown(raw: Raw, metadata: bool) -> Raw:
    return {"metadata": raw["metadata"]} if metadata else raw


def _managed(raw: Raw, manager: str, operation: str, subresource: str) -> Raw:
    """Note who wrote an object."""
    entries = raw["metadata"].get("managedFields", [])
    mine = {"manager": manager, "operation": operation, "fieldsV1": {}}
    if subresource:
        mine |= {"subresource": subresource, "fieldsV1": {"f:status": {"f:conditions": {}}}}
    others = [each for each in entries if (each["manager"], each["operation"]) != (manager, operation)]
    return {**raw, "metadata": {**raw["metadata"], "managedFields": [*others, mine]}}


def _matches(selector: str, raw: Raw) -> bool:
    """Whether labels match a selector of equalities and names that must be there."""
    labels = raw["metadata"].get("labels") or {}
    for each in filter(None, selector.split(",")):
        name, equals, value = each.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True
