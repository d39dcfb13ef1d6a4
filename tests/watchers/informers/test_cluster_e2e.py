"""`ClusterSource` against a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.watchers.cluster_actions import (
    change,
    grant,
    kill_api_server,
    label,
    put,
    ready,
    secret,
    service_account,
)
from tests.watchers.informers.following import Counts, Followed
from tests.watchers.relay import Relay, kubeconfig
from translator.objects.kubernetes.core import ConfigMap, Namespace, Secret
from translator.objects.kubernetes.service import Service
from translator.refs import Ref
from watchers.informers.cluster import ClusterSource, WatchConfig
from watchers.kubernetes.client import MERGE_PATCH, ApiClient
from watchers.kubernetes.kubeconfig import Access

pytestmark = pytest.mark.e2e


async def create_service(client: ApiClient, namespace: str, name: str) -> None:
    """Create a Service."""
    body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"app": name}}}
    await client.request("POST", f"/api/v1/namespaces/{namespace}/services", body=body)


async def test_the_first_batch_has_all_objects(client: ApiClient, namespace: str) -> None:
    """Kinds that are not installed delay nothing; all others are in one batch."""
    for number in range(5):
        await create_service(client, namespace, f"s{number}")
    cluster = ClusterSource(client)
    async with Followed(*cluster.sources) as found:
        await found.until(lambda: found.first is not None)
        assert found.first == len(found.objects)
        assert found.names("Service", namespace) == {f"s{number}" for number in range(5)}
        assert Ref("Namespace", "", namespace) in found.objects
        assert found.names("ConfigMap", namespace) == found.names("Secret", namespace) == set()
        assert cluster.diagnostics == ()


async def test_only_referenced_secrets_are_read(
    client: ApiClient, relayed: ApiClient, relay: Relay, namespace: str
) -> None:
    """Of all others only the metadata is read; a referenced one is read, again after a change, and then removed."""
    hidden = await secret(client, namespace, "hidden", b"nobody's business")
    shown = await secret(client, namespace, "shown", b"one")
    ref, absent = Ref("Secret", namespace, "shown"), Ref("Secret", namespace, "absent")
    counts = Counts()
    cluster = ClusterSource(relayed, WatchConfig(kinds=(Secret,)), observer=counts)

    def value() -> bytes | None:
        found_secret = found.objects.get(ref)
        return found_secret.data["value"] if isinstance(found_secret, Secret) else None

    async with Followed(*cluster.sources) as found:
        await found.until(lambda: found.first is not None)
        assert (ref in found.objects, shown.encode() in relay.received) == (False, False)
        assert cluster.set_referenced(Secret, {ref, absent}) == {absent}
        await found.until(lambda: value() == b"one")
        await secret(client, namespace, "shown", b"two")
        await found.until(lambda: value() == b"two")
        await secret(client, namespace, "hidden", b"nobody's business, still")
        await secret(client, namespace, "absent", b"now it is here")
        await found.until(lambda: absent in found.objects)
        assert cluster.set_referenced(Secret, {ref}) == frozenset()
        await found.until(lambda: absent not in found.objects)
        await client.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/shown")
        await found.until(lambda: value() is None)
        assert cluster.set_referenced(Secret, {ref}) == {ref}
        await secret(client, namespace, "shown", b"three")
        await found.until(lambda: value() == b"three")
        assert counts.of["fetched", "Secret"] == 4
        assert hidden[:20].encode() not in relay.received
        assert all("as=PartialObjectMetadata" in accept for path, accept in relay.requests if path.count("/") == 3)
        assert not relay.asked("/hidden")


async def test_an_object_that_becomes_unreferenced_during_its_read_is_not_yielded(
    client: ApiClient, namespace: str
) -> None:
    """An object whose reference ends during its read is not yielded; referenced again, it is."""
    await put(client, namespace, "a")
    ref = Ref("ConfigMap", namespace, "a")
    cluster = ClusterSource(client, WatchConfig(kinds=(ConfigMap,), namespaces=(namespace,)))
    async with Followed(*cluster.sources) as found:
        await found.until(lambda: found.first is not None)
        for _ in range(20):
            cluster.set_referenced(ConfigMap, {ref})
            cluster.set_referenced(ConfigMap, ())
        await put(client, namespace, "b")
        other = Ref("ConfigMap", namespace, "b")
        cluster.set_referenced(ConfigMap, {other})
        await found.until(lambda: other in found.objects)
        assert [edit.ref for edit in found.edits if edit.object] == [other]
        cluster.set_referenced(ConfigMap, {ref, other})
        await found.until(lambda: ref in found.objects)


async def test_a_missing_right_names_verb_resource_and_user(
    client: ApiClient, access: Access, namespace: str, tmp_path: Path
) -> None:
    """A kind that may not be listed has a diagnostic and counts as empty; once permitted, it is listed."""
    token = await service_account(client, namespace)
    await grant(client, namespace, "services")
    await create_service(client, namespace, "s")
    await put(client, namespace, "a")
    user = f"system:serviceaccount:{namespace}:watcher"
    cluster_fields = ", insecure-skip-tls-verify: true"
    async with ApiClient(await kubeconfig(tmp_path, access.url, f"token: {token}", cluster_fields)) as limited:
        watched = WatchConfig(kinds=(Namespace, Service, ConfigMap), namespaces=(namespace,))
        cluster = ClusterSource(limited, watched)
        async with Followed(*cluster.sources) as found:
            await found.until(lambda: found.first is not None)
            assert found.names("Service", namespace) == {"s"}
            assert [str(each).split(": grant")[0] for each in cluster.diagnostics] == [
                f"configmaps: error: may not list configmaps in the namespace {namespace}",
                "namespaces: error: may not list namespaces in the whole cluster",
            ]
            assert all(user in each.message for each in cluster.diagnostics)
            await grant(client, namespace, "configmaps", verbs=("list", "watch"))
            await found.until(lambda: len(cluster.diagnostics) == 1)
            ref = Ref("ConfigMap", namespace, "a")
            assert cluster.set_referenced(ConfigMap, {ref}) == frozenset()
            await found.until(lambda: len(cluster.diagnostics) == 2)
            assert cluster.set_referenced(ConfigMap, {ref}) == frozenset()
            assert f"may not get configmaps in the namespace {namespace}" in cluster.diagnostics[0].message
            await grant(client, namespace, "configmaps", verbs=("get",))
            await found.until(lambda: ref in found.objects)
            assert len(cluster.diagnostics) == 1


async def test_a_kind_that_may_not_be_watched_is_listed_repeatedly(
    client: ApiClient, access: Access, namespace: str, tmp_path: Path
) -> None:
    """Without the right to watch, changes are late, and the diagnostic names the missing verb."""
    token = await service_account(client, namespace)
    await grant(client, namespace, "services", verbs=("get", "list"))
    await create_service(client, namespace, "one")
    url = access.url
    async with ApiClient(
        await kubeconfig(tmp_path, url, f"token: {token}", ", insecure-skip-tls-verify: true")
    ) as limited:
        cluster = ClusterSource(limited, WatchConfig(kinds=(Service,), namespaces=(namespace,)))
        async with Followed(*cluster.sources) as found:
            await found.until(lambda: cluster.diagnostics)
            assert f"may not watch services in the namespace {namespace}" in cluster.diagnostics[0].message
            await create_service(client, namespace, "two")
            await found.until(lambda: found.names("Service", namespace) == {"one", "two"})
            assert len(cluster.diagnostics) == 1


async def test_namespaces_are_watched_by_name(
    client: ApiClient, relayed: ApiClient, relay: Relay, namespace: str
) -> None:
    """Only the configured namespaces are watched; cluster-scoped kinds always are."""
    await create_service(client, namespace, "here")
    cluster = ClusterSource(relayed, WatchConfig(namespaces=(namespace, "kube-public")))
    async with Followed(*cluster.sources) as found:
        await found.until(lambda: found.first is not None)
        assert found.names("Service", namespace) == {"here"}
        assert found.names("Service", "default") == set()
        assert Ref("Namespace", "", "default") in found.objects
        assert not relay.asked("/api/v1/services")
        assert relay.asked("/namespaces/kube-public/services")


async def test_namespaces_are_watched_by_label(client: ApiClient, namespace: str) -> None:
    """The objects of a namespace are added when it gets the label, and removed when it loses it."""
    other = "default"
    await create_service(client, namespace, "one")
    await label(client, namespace, "shop")
    cluster = ClusterSource(
        client, WatchConfig(kinds=(Namespace, Service, ConfigMap), namespace_labels="team in (shop, stock)")
    )
    async with Followed(*cluster.sources) as found:
        await found.until(lambda: found.first is not None)
        assert (found.names("Service", namespace), found.names("Service", other)) == ({"one"}, set())
        assert Ref("Namespace", "", other) in found.objects
        await label(client, namespace, None)
        await found.until(lambda: not found.names("Service", namespace))
        await create_service(client, namespace, "two")
        await label(client, namespace, "stock")
        await found.until(lambda: found.names("Service", namespace) == {"one", "two"})
        await create_service(client, namespace, "three")
        await found.until(lambda: found.names("Service", namespace) == {"one", "two", "three"})


async def test_an_invalid_selector_is_reported(client: ApiClient) -> None:
    """A label selector with a mistake has a diagnostic with the API server's message, and nothing is synced."""
    cluster = ClusterSource(client, WatchConfig(kinds=(Service,), namespace_labels="team in shop"))
    async with Followed(*cluster.sources) as found:
        await found.until(lambda: cluster.diagnostics)
        assert "unable to parse requirement" in cluster.diagnostics[0].message
        assert found.first is None


async def test_observed_statuses_are_stored(client: ApiClient, namespace: str) -> None:
    """The status, generation and version of objects of the configured kinds are those of the API server."""
    await create_service(client, namespace, "s")
    cluster = ClusterSource(client, WatchConfig(kinds=(Service, Namespace), statuses=frozenset({"Service"})))
    ref = Ref("Service", namespace, "s")
    async with Followed(*cluster.sources) as found:
        await found.until(lambda: found.first is not None)
        assert cluster.observed(Ref("Namespace", "", namespace)) is None
        assert ref in set(cluster.observed_refs())
        condition = {"type": "Odd", "status": "True", "reason": "Test", "message": ""}
        body = {"status": {"conditions": [{**condition, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}
        path = f"/api/v1/namespaces/{namespace}/services/s/status"
        raw = await client.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        await found.until(
            lambda: (
                (held := cluster.observed_status(ref)) and held.resource_version == raw["metadata"]["resourceVersion"]
            )
        )
        observed = cluster.observed(ref)
        assert observed
        assert (observed.uid, observed.status) == (raw["metadata"]["uid"], raw["status"])
        await client.request("DELETE", f"/api/v1/namespaces/{namespace}/services/s")
        await found.until(lambda: cluster.observed_status(ref) is None)


async def test_a_starting_api_server_is_not_believed_to_be_empty(
    client: ApiClient, access: Access, namespace: str, tmp_path: Path
) -> None:
    """While it starts, an API server denies existing rights and kinds; nothing is synced before it is ready."""
    token = await service_account(client, namespace)
    await grant(client, namespace, "services")
    await create_service(client, namespace, "s")
    for _ in range(2):
        kill_api_server()
        cluster_fields = ", insecure-skip-tls-verify: true"
        async with ApiClient(await kubeconfig(tmp_path, access.url, f"token: {token}", cluster_fields)) as limited:
            cluster = ClusterSource(limited, WatchConfig(kinds=(Service,), namespaces=(namespace,)))
            async with Followed(*cluster.sources) as found:
                await found.until(lambda: found.first is not None)
                assert found.first == 1
        await ready(client)


async def test_objects_of_a_deleted_namespace_are_removed(client: ApiClient, namespace: str) -> None:
    """With its namespace, an object that was yielded is removed, too."""
    await put(client, namespace, "a")
    await change(client, namespace, "a", "2")
    ref = Ref("ConfigMap", namespace, "a")
    cluster = ClusterSource(client, WatchConfig(kinds=(Namespace, ConfigMap)))
    async with Followed(*cluster.sources) as found:
        await found.until(lambda: found.first is not None)
        cluster.set_referenced(ConfigMap, {ref})
        await found.until(lambda: ref in found.objects)
        await client.request("DELETE", f"/api/v1/namespaces/{namespace}")
        await found.until(lambda: ref not in found.objects and Ref("Namespace", "", namespace) not in found.objects)
