"""Statuses in the API version that the cluster serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
import structlog

from tests.watchers.status.cluster_writing import World, accepted, messages, until_logged
from translator.objects.schema.base import NamespacedObject
from translator.refs import Ref
from translator.registry import KINDS
from watchers.kubernetes.client import SERVER_SIDE_APPLY, ApiClient
from watchers.kubernetes.errors import ClusterError
from watchers.kubernetes.paths import api_version, collection, item, resource

pytestmark = pytest.mark.e2e


class Local(NamespacedObject):
    """A kind with a status."""

    kind = "Local"
    versions = ("v1", "v1beta1")
    plural = "locals"


class Kind:
    """A kind in a group of the test's own.

    Attributes:
        model: its class.
    """

    def __init__(self, client: ApiClient) -> None:
        class Own(Local):
            group = f"{uuid4().hex[:8]}.example.com"

        self.model = Own
        self._client = client
        self._path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{resource(Own)}"

    async def define(self, *versions: str, status: bool = True) -> None:
        """Install the definition that serves these versions, with or without a status subresource."""
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        subresources: dict[str, Any] = {"subresources": {"status": {}}} if status else {}
        there = [
            {"name": each, "served": each in versions, "storage": each == "v1", "schema": schema, **subresources}
            for each in Local.versions
        ]
        names = {"plural": Local.plural, "kind": Local.kind}
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": resource(self.model)},
            "spec": {"group": self.model.group, "names": names, "scope": "Namespaced", "versions": there},
        }
        query = {"fieldManager": "test", "force": "true"}
        await self._client.request("PATCH", self._path, body=body, query=query, content_type=SERVER_SIDE_APPLY)

    async def remove(self) -> None:
        """Delete the definition and all objects of the kind."""
        await self._client.request("DELETE", self._path)

    async def create(self, version: str, namespace: str) -> Ref:
        """Create an object; retry while a new version is not served yet."""
        body = {"apiVersion": api_version(self.model, version), "kind": Local.kind, "metadata": {"name": "it"}}
        async with asyncio.timeout(30):
            while True:
                try:
                    await self._client.request("POST", collection(self.model, version, namespace), body=body)
                    return Ref(Local.kind, namespace, "it")
                except ClusterError:
                    await asyncio.sleep(0.1)

    async def until_message(self, version: str, ref: Ref, message: str) -> None:
        """Wait until an object's status has a condition with a message."""
        async with asyncio.timeout(60):
            while True:
                with suppress(ClusterError):
                    found: dict[str, Any] = await self._client.get(item(self.model, version, ref))
                    if message in messages(found.get("status") or {}):
                        return
                await asyncio.sleep(0.1)


@pytest.fixture
async def kind(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kind]:
    """Yield a kind that Headgate knows, and that the cluster does not serve yet."""
    found = Kind(client)
    for module in ("client", "api_errors"):
        monkeypatch.setattr(f"watchers.status.{module}.KINDS", {**KINDS, Local.kind: found.model})
    monkeypatch.setattr("watchers.controllers.reconciler.KIND_BACKOFF", 0.5)
    yield found
    await found.remove()


async def test_a_status_is_written_in_the_served_version(client: ApiClient, kind: Kind, namespace: str) -> None:
    """The status of a kind is written in an older version, and in the newer one when the cluster serves that."""
    world = World(client, namespace, kind.model)
    await kind.define("v1beta1")
    ref = await kind.create("v1beta1", namespace)
    async with world.running():
        world.want(ref, {"conditions": [accepted("older")]})
        await kind.until_message("v1beta1", ref, "older")
        await kind.define("v1")
        world.want(ref, {"conditions": [accepted("newer")]})
        await kind.until_message("v1", ref, "newer")


async def test_a_definition_without_a_status_is_named(client: ApiClient, kind: Kind, namespace: str) -> None:
    """The error of a definition without a status subresource names it; once it has one, the status is written."""
    world = World(client, namespace, kind.model)
    await kind.define("v1beta1", status=False)
    ref = await kind.create("v1beta1", namespace)
    with structlog.testing.capture_logs() as logs:
        async with world.running():
            world.want(ref, {"conditions": [accepted("at last")]})
            await until_logged(logs)
            await kind.define("v1beta1")
            await kind.until_message("v1beta1", ref, "at last")
    assert [each["event"].partition(" has")[0] for each in logs] == [resource(kind.model)]
