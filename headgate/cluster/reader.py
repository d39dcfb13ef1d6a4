"""One-time reads of a cluster's objects, for `headgate status` and `headgate translate` without a running Headgate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import orjson

from headgate.cluster.ownership import status_of
from headgate.process.errors import UserError
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS, REGISTRY
from watchers.files.contents import read
from watchers.files.store import FileStore
from watchers.kubernetes import paths
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError, ClusterError, forbidden
from watchers.kubernetes.kubeconfig import Access, Target

#: The `limit` of a list request.
PAGE = 500

#: The name of a cluster in the place of a file's, in messages.
CLUSTER = "<cluster>"

#: The kinds that the translation reads. The others, which only statuses mention, need no permission.
WHOLE_KINDS: Final = tuple(each for each in KINDS.values() if not each.metadata_only)

Json = dict[str, Any]


def read_statuses(target: Target, controller: str) -> Json:
    """Read the statuses that a controller wrote, in the form of `/status`.

    Raises:
        UserError: the cluster cannot be reached, or denies access.
    """
    return status_of(_run(target, REGISTRY.with_status), controller)


def load(target: Target, kinds: Iterable[type[KubernetesObject]] = WHOLE_KINDS) -> FileStore:
    """Read objects, each as a file of its own, so that the limits of a file hold for one object.

    Args:
        target: the cluster.
        kinds: the kinds to read; by default all that the translation reads, Secrets included.

    Raises:
        UserError: the cluster cannot be reached, or denies access.
    """
    return as_folder(_run(target, kinds))


def as_folder(items: Iterable[Json]) -> FileStore:
    """Return a file store with one file for each object of an API server."""
    files = {_name(each): orjson.dumps(each) for each in items}
    folder = FileStore()
    folder.apply({name: read(data, name) for name, data in files.items()})
    return folder


def _name(item: Json) -> str:
    metadata = item.get("metadata") or {}
    return f"{CLUSTER}/{item['kind']}/{metadata.get('namespace') or ''}/{metadata.get('name')}"


def _run(target: Target, models: Iterable[type[KubernetesObject]]) -> list[Json]:
    try:
        return asyncio.run(_read(target, tuple(models)))
    except ClusterError as error:
        raise UserError(str(error)) from None


async def _read(target: Target, models: tuple[type[KubernetesObject], ...]) -> list[Json]:
    access = await Access.load(target)
    async with ApiClient(access) as client:
        lists = await asyncio.gather(*(_list(client, model) for model in models))
    return [each for found in lists for each in found]


async def _list(client: ApiClient, model: type[KubernetesObject]) -> list[Json]:
    """Read all objects of a kind in the first version that is served; none if none is."""
    for version in model.versions:
        try:
            return await _pages(client, model, version)
        except ApiError as error:
            if error.status == 403:
                raise UserError(forbidden("list", paths.resource(model), error)) from None
            if error.status != 404:
                raise
    return []


async def _pages(client: ApiClient, model: type[KubernetesObject], version: str) -> list[Json]:
    found: list[Json] = []
    query: dict[str, str | int] = {"limit": PAGE}
    while True:
        page = await client.get(paths.collection(model, version), query=query)
        named = {"apiVersion": paths.api_version(model, version), "kind": model.kind}
        found += [{**named, **each} for each in page["items"]]
        following = page["metadata"].get("continue")
        if not following:
            return found
        query = {"limit": PAGE, "continue": following}
