"""A Kubernetes client for tests: apply, read and wait for objects, with retries during outages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from uuid import uuid4

import orjson

from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.registry import KINDS
from watchers.kubernetes.client import MERGE_PATCH, SERVER_SIDE_APPLY, ApiClient
from watchers.kubernetes.errors import ApiError, ClusterError

Object = dict[str, Any]
Found = TypeVar("Found")

SECONDS: Final = 120.0
"""How long something is waited for; a few seconds do, if controllers do not wait because the API server was away."""

GATEWAY_API: Final = "gateway.networking.k8s.io/v1"
HEADGATE_API: Final = "gateway.headgate.dev/v1alpha1"
OTHER_VERSIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ResourceQuota", "Event", "Node"), "v1"),
    "Lease": "coordination.k8s.io/v1",
    **dict.fromkeys(("ClusterRole", "ClusterRoleBinding"), "rbac.authorization.k8s.io/v1"),
    **dict.fromkeys(
        ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"),
        "admissionregistration.k8s.io/v1",
    ),
}
"""The API versions of kinds that only tests use."""
OTHER_NAMESPACED: Final = frozenset({"ResourceQuota", "Event", "Lease"})


def path(kind: str, name: str = "", namespace: str = "") -> str:
    """Return the path of an object, or of the collection of a kind where there is no name."""
    model = KINDS.get(kind) or DEPLOYED_KINDS.get(kind)
    if model is not None:
        version = "/".join(filter(None, (model.group, model.versions[0])))
        plural, namespaced = model.plural, model.namespaced
    else:
        plural = f"{kind.lower()}s" if not kind.endswith("y") else f"{kind[:-1].lower()}ies"
        version, namespaced = OTHER_VERSIONS[kind], kind in OTHER_NAMESPACED
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    place = f"/namespaces/{namespace}" if namespace and namespaced else ""
    return f"{root}{place}/{plural}" + (f"/{name}" if name else "")


class Kube:
    """The objects of a cluster.

    Attributes:
        client: what talks to the API server.
        namespace: where objects are that name no other.
    """

    def __init__(self, client: ApiClient, namespace: str = "default") -> None:
        self.client = client
        self.namespace = namespace

    def of(self, namespace: str) -> Kube:
        """Return the same cluster, with another namespace."""
        return Kube(self.client, namespace)

    async def apply(self, *objects: Object) -> None:
        """Apply objects server-side."""
        for each in objects:
            metadata = each["metadata"]
            where = path(each["kind"], metadata["name"], metadata.get("namespace", self.namespace))
            query = {"fieldManager": "e2e", "force": "true"}
            await self.client.request("PATCH", where, query=query, body=each, content_type=SERVER_SIDE_APPLY)

    async def patch(self, kind: str, name: str, body: Object, **query: str) -> None:
        """Merge fields into an object; the name may go on with a subresource."""
        where = path(kind, name, self.namespace)
        await self.client.request("PATCH", where, query=query, body=body, content_type=MERGE_PATCH)

    async def find(self, kind: str, name: str) -> Object | None:
        """Return an object; None if there is none."""
        try:
            found: Object = await self.client.get(path(kind, name, self.namespace))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def get(self, kind: str, name: str) -> Object:
        """Return an object that is there."""
        found = await self.find(kind, name)
        assert found is not None, f"there is no {kind} {self.namespace}/{name}"
        return found

    async def list(self, kind: str, labels: str = "") -> list[Object]:
        """Return the objects of a kind in the namespace, all or those with these labels."""
        query = {"labelSelector": labels} if labels else {}
        items: list[Object] = (await self.client.get(path(kind, "", self.namespace), query=query))["items"]
        return items

    async def delete(self, kind: str, name: str, **options: Any) -> None:
        """Delete an object, if it is there."""
        try:
            await self.client.request("DELETE", path(kind, name, self.namespace), body=options or None)
        except ApiError as error:
            if error.status != 404:
                raise

    async def condition(self, kind: str, name: str, type_: str, status: str, reason: str = "") -> Object:
        """Wait until an object has a condition for its current generation.

        Args:
            kind: the object's.
            name: the object's.
            type_: the condition's.
            status: the condition's: True, False or Unknown.
            reason: the condition's; empty for any.

        Returns:
            The object's condition.
        """

        async def read() -> Object | None:
            found = await self.find(kind, name)
            for each in conditions(found) if found else ():
                current = each.get("observedGeneration", 0) == (found or {})["metadata"].get("generation")
                if each["type"] == type_ and each["status"] == status and reason in ("", each["reason"]) and current:
                    return each
            return None

        async def now() -> object:
            found = await self.find(kind, name)
            return found and {"generation": found["metadata"].get("generation"), **found.get("status", {})}

        return await until(f"{kind} {name} with {type_}={status} {reason}", read, told=now)

    async def watch(self, kind: str, version: str, seconds: float) -> AsyncIterator[Object]:
        """Yield the events of a kind in the namespace since a version, until the server ends it."""
        query = {"resourceVersion": version, "allowWatchBookmarks": "true"}
        async with self.client.watch(path(kind, "", self.namespace), query, seconds=seconds) as stream:
            async for lines in stream.lines():
                for line in lines:
                    yield orjson.loads(line)


async def controllers_work(kube: Kube) -> None:
    """Wait until the API server takes objects, and its controllers see them: a namespace gets its ServiceAccount."""
    found = kube.of(f"e2e-{uuid4().hex[:8]}")

    async def created() -> bool:
        await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}})
        return True

    await until("API server that takes objects", created)
    await until("ServiceAccount of a new namespace", lambda: found.find("ServiceAccount", "default"))
    await found.delete("Namespace", found.namespace)


def conditions(found: Object) -> list[Object]:
    """Return the conditions of an object; of a route, those of its first parent, of a policy, of its first ancestor."""
    status = found.get("status", {})
    parts = status.get("parents") or status.get("ancestors")
    found_conditions: list[Object] = (parts[0] if parts else status).get("conditions", [])
    return found_conditions


async def until(
    what: str,
    read: Callable[[], Awaitable[Found | None]],
    seconds: float = SECONDS,
    told: Callable[[], Awaitable[object]] | None = None,
) -> Found:
    """Read until it gives something; that the API server is away meanwhile is no failure.

    Args:
        what: what is waited for, in words.
        read: gives what is waited for, or something empty.
        seconds: how long to wait.
        told: gives what to tell if it does not come.

    Returns:
        What `read` gave.
    """
    end = time.monotonic() + seconds
    trouble = ""
    while time.monotonic() < end:
        try:
            if found := await read():
                return found
        except ClusterError as error:
            trouble = str(error)
        await asyncio.sleep(0.1)
    raise AssertionError(f"no {what} within {seconds:.0f} s; there is {await told() if told else trouble}")
