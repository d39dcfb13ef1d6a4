"""The reflector with a real API server, on good and bad networks."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.watchers.cluster_actions import change, config_maps, delete, forget, kill_api_server, put, ready
from tests.watchers.informers.following import Counts, Reflections
from tests.watchers.relay import Relay
from translator.objects.kubernetes.core import ConfigMap
from translator.objects.schema.base import NamespacedObject
from watchers.diagnostics import DiagnosticSet
from watchers.informers.list_watch import ListWatch
from watchers.informers.reflector import Reflector, Scope
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError, ClusterError

pytestmark = pytest.mark.e2e


def values(found: Reflections) -> dict[str, str]:
    """Return the values of the ConfigMaps."""
    return {name: raw["data"]["value"] for name, raw in found.raws.items()}


def has(found: Reflections, name: str, value: str) -> bool:
    """Return whether a ConfigMap has a value."""
    return values(found).get(name) == value


def has_only(found: Reflections, name: str, value: str) -> bool:
    """Return whether a ConfigMap is the only one, and has a value."""
    return values(found) == {name: value}


def following(client: ApiClient, namespace: str, counts: Counts | None = None) -> Reflections:
    """Return the test's ConfigMaps of a namespace, in pages of 3."""
    reflector = Reflector(client, ConfigMap, Scope(namespace, "test=it"), observer=counts)
    reflector.list_watch = ListWatch("ConfigMap", limit=3)
    return Reflections(reflector)


async def test_objects_are_listed_in_pages_and_then_watched(client: ApiClient, namespace: str) -> None:
    """Existing objects are reported first, then each creation, change and deletion, once."""
    for name in "abcdefg":
        await put(client, namespace, name)
    counts = Counts()
    async with following(client, namespace, counts) as found:
        await found.until(lambda: found.synced)
        assert (sorted(found.raws), counts.of["listed", "ConfigMap"]) == (list("abcdefg"), 3)
        await put(client, namespace, "h")
        await change(client, namespace, "a", "2")
        await delete(client, namespace, "b")
        await found.until(lambda: values(found) == dict.fromkeys("cdefgh", "1") | {"a": "2"})
        assert [found.reported(name) for name in "abch"] == [2, 2, 1, 1]


async def test_a_cut_watch_continues_at_its_position(
    client: ApiClient, relayed: ApiClient, relay: Relay, namespace: str
) -> None:
    """Connections that are closed repeatedly lose nothing, repeat nothing and need no list."""
    await put(client, namespace, "a", "0")
    counts = Counts()
    async with following(relayed, namespace, counts) as found:
        await found.until(lambda: counts.of["watching", "ConfigMap"])
        for number in range(1, 11):
            relay.cut()
            await change(client, namespace, "a", str(number))
            await put(client, namespace, f"n{number}")
            await found.until(partial(has, found, "a", str(number)))
        assert counts.of["listed", "ConfigMap"] == 1
        assert [found.reported(name) for name in ("a", "n1", "n10")] == [11, 1, 1]
        assert counts.of["watching", "ConfigMap"] >= 10


async def test_an_incomplete_event_is_ignored(
    client: ApiClient, relayed: ApiClient, relay: Relay, namespace: str
) -> None:
    """A connection that ends in the middle of a line is no error: the event is sent again."""
    await put(client, namespace, "a", "0")
    counts = Counts()
    async with following(relayed, namespace, counts) as found:
        await found.until(lambda: counts.of["watching", "ConfigMap"])
        relay.halves = True
        await change(client, namespace, "a", "1")
        await found.until(lambda: values(found) == {"a": "1"})
        assert (relay.halves, counts.of["failed", "ConfigMap"], counts.of["listed", "ConfigMap"]) == (False, 0, 1)


async def test_an_unreachable_api_server_is_reported(relayed: ApiClient, relay: Relay, namespace: str) -> None:
    """A lasting outage has a diagnostic with the URL, known objects stay, and the diagnostic is resolved at the end."""
    await put(relayed, namespace, "a")
    troubles = DiagnosticSet()
    reflector = Reflector(relayed, ConfigMap, Scope(namespace, "test=it"), diagnostics=troubles)
    async with Reflections(reflector) as found:
        await found.until(lambda: found.raws)
        relay.down = True
        relay.cut()
        await found.until(lambda: troubles.diagnostics)
        (told,) = troubles.diagnostics
        assert str(told).startswith(f"{relay.url}: error: The API server at {relay.url} gives no answer")
        relay.down = False
        await found.until(lambda: not troubles.diagnostics)
        assert (found.reported("a"), sorted(found.raws)) == (1, ["a"])


async def test_compaction_between_pages_repeats_the_list(client: ApiClient, namespace: str) -> None:
    """A continue token whose versions were compacted (410) costs another list, and loses nothing."""
    for name in "abcdefg":
        await put(client, namespace, name)
    query: dict[str, str | int] = {"labelSelector": "test=it", "limit": 2}
    listed = await client.get(config_maps(namespace), query=query)
    await change(client, namespace, "b", "2")
    await forget(client, namespace)
    with pytest.raises(ApiError, match=r"\(410\)") as caught:
        await client.get(config_maps(namespace), query={**query, "continue": listed["metadata"]["continue"]})
    assert caught.value.reason == "Expired"
    async with following(client, namespace) as found:
        mirror = found.reflector.list_watch
        first = mirror.page(listed)  # The reflector has not started yet: it continues from here.
        await found.until(lambda: found.synced)
        assert [change.ref.name for change in first] == ["a", "b"]
        assert sorted(ref.name for ref in mirror.known) == list("abcdefg")
        assert [found.reported(name) for name in "abc"] == [0, 1, 1]


async def test_an_expired_version_leads_to_a_list_of_differences(
    client: ApiClient, relayed: ApiClient, relay: Relay, namespace: str
) -> None:
    """After 410 Gone of a watch, all is listed again, and only changed and deleted objects are reported."""
    for name in "abc":
        await put(client, namespace, name)
    counts = Counts()
    async with following(relayed, namespace, counts) as found:
        await found.until(lambda: counts.of["watching", "ConfigMap"])
        relay.down = True
        relay.cut()
        await change(client, namespace, "b", "2")
        await delete(client, namespace, "c")
        await put(client, namespace, "d")
        await forget(client, namespace)
        relay.down = False
        await found.until(lambda: values(found) == {"a": "1", "b": "2", "d": "1"})
        assert counts.of["expired", "ConfigMap"] >= 1
        assert [found.reported(name) for name in "abcd"] == [1, 2, 2, 1]


async def test_an_api_server_restart_removes_nothing(client: ApiClient, namespace: str) -> None:
    """While the API server is away and while it starts, no known object is removed; then watches continue."""
    await put(client, namespace, "a")
    counts = Counts()
    async with following(client, namespace, counts) as found:
        await found.until(lambda: counts.of["watching", "ConfigMap"])
        for number in (2, 3):
            kill_api_server()
            await ready(client)
            await change(client, namespace, "a", str(number))
            await found.until(partial(has_only, found, "a", str(number)))
        assert [each.raw is None for each in found.changes] == [False, False, False]


class Widget(NamespacedObject):
    """A kind that is not always installed."""

    kind = "Widget"
    group = ""
    versions = ("v1", "v1beta1")
    plural = "widgets"


async def define(client: ApiClient, group: str, *versions: str) -> None:
    """Install the kind in its own group, in these versions, possibly other ones than before."""
    name = f"widgets.{group}"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    served: list[dict[str, Any]] = [
        {"name": version, "served": True, "storage": version == versions[0], "schema": schema} for version in versions
    ]
    names = {"plural": "widgets", "kind": "Widget"}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": served},
    }
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
    query = {"fieldManager": "test", "force": "true"}
    await client.request("PATCH", path, body=body, query=query, content_type="application/apply-patch+yaml")


async def create_widget(client: ApiClient, group: str, version: str, namespace: str) -> None:
    """Create a Widget; a kind that was just installed may need a moment."""
    body = {"apiVersion": f"{group}/{version}", "kind": "Widget", "metadata": {"name": "it"}}
    async with asyncio.timeout(20):
        while True:
            try:
                await client.request("POST", f"/apis/{group}/{version}/namespaces/{namespace}/widgets", body=body)
                return
            except ClusterError:
                await asyncio.sleep(0.2)


async def test_a_kind_installed_later_is_watched(client: ApiClient, namespace: str) -> None:
    """A kind that is not installed is synced and empty; installed later, it is watched in a served version."""

    class Local(Widget):
        group = f"{uuid4().hex[:8]}.example.com"

    troubles = DiagnosticSet()
    reflector = Reflector(client, Local, diagnostics=troubles)
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{Local.group}"
    async with Reflections(reflector) as found:
        await found.until(lambda: found.synced)
        assert (reflector.not_installed, troubles.diagnostics) == (True, ())
        await define(client, Local.group, "v1beta1")
        await create_widget(client, Local.group, "v1beta1", namespace)
        await found.until(lambda: found.raws)
        assert (reflector.not_installed, reflector.version) == (False, "v1beta1")
        await client.request("DELETE", path)
        await found.until(lambda: reflector.not_installed)
        assert found.raws == {}
        await define(client, Local.group, "v1", "v1beta1")
        await create_widget(client, Local.group, "v1", namespace)
        await found.until(lambda: found.raws)
        assert reflector.version == "v1"
    await client.request("DELETE", path)
