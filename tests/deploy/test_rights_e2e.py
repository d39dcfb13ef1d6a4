"""Permissions: Headgate has those that it uses, and no others."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.rbac import cluster_rules, namespaced_rules, own_rules
from headgate.security.authority import AUTHORITY_LIFETIME
from headgate.security.rotation import Authorities
from tests.deploy.every_kind import definition, deploy
from tests.deploy.local_controller import SECRET, Controller, account
from tests.deploy.release import Release
from tests.deploy.rights import Audit, Right, granted, permissions_of
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, until
from translator.objects.kubernetes.workloads import VerticalPodAutoscaler
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS
from watchers.kubernetes.discovery import is_served
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.kubeconfig import Access

pytestmark = pytest.mark.e2e


@pytest.fixture
async def watched(kube: Kube) -> AsyncIterator[Kube]:
    """Yield a second namespace, for the served objects."""
    found = kube.of(f"{kube.namespace}-web")
    await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}})
    yield found
    await found.delete("Namespace", found.namespace)


@pytest.fixture
async def unserved(kube: Kube) -> AsyncIterator[frozenset[str]]:
    """Have the cluster serve the kinds of the experimental channel and the vertical autoscaler; return those it cannot.

    Those are of groups of Kubernetes itself, where no definition counts: ClusterTrustBundles, if they are not enabled.
    """
    groups = {each["name"] for each in (await kube.client.get("/apis"))["groups"]}
    kinds: tuple[type[KubernetesObject], ...] = (*KINDS.values(), VerticalPodAutoscaler)
    missing = [each for each in kinds if not await is_served(kube.client, each)]
    defined = [each for each in missing if each.group not in groups]
    try:
        await kube.apply(*map(definition, defined))

        async def served() -> bool:
            return all([await is_served(kube.client, each) for each in defined])

        await until("all kinds", served)
        yield frozenset(each.plural for each in missing if each not in defined)
    finally:
        for each in defined:
            await kube.delete("CustomResourceDefinition", f"{each.plural}.{each.group}")


@pytest.fixture
async def limited(release: Release, watched: Kube) -> Release:
    """Return a release without pods, with permissions in the second namespace only."""
    release.values |= {"replicas": "0", "watch.namespaces": f"{{{watched.namespace}}}"}
    await release.install()
    return release


@pytest.fixture
async def anybody(kube: Kube, access: Access, tmp_path: Path) -> set[Right]:
    """Return the permissions of an account without roles."""
    nobody = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    await kube.client.request("POST", f"/api/v1/namespaces/{kube.namespace}/serviceaccounts", body=nobody)
    async with account(kube, access, "nobody", tmp_path) as client:
        return await permissions_of(client, kube.namespace)


async def test_permissions_are_those_of_the_rules(
    kube: Kube, watched: Kube, limited: Release, anybody: set[Right], access: Access, tmp_path: Path
) -> None:
    """With namespaces by name, the account has the permissions of the rules in their namespaces, and no others."""
    everywhere = granted(cluster_rules())
    async with account(kube, access, limited.deployment, tmp_path) as client:
        assert await permissions_of(client, kube.namespace) - anybody == everywhere | granted(own_rules())
        assert await permissions_of(client, watched.namespace) - anybody == everywhere | granted(namespaced_rules())
        assert await permissions_of(client, "default") - anybody == everywhere
        for kind in ("secrets", "configmaps"):
            await client.get(f"/api/v1/namespaces/{watched.namespace}/{kind}")
            with pytest.raises(ApiError, match="forbidden"):
                await client.get(f"/api/v1/namespaces/default/{kind}")
        # In its own namespace, it may read only its own Secret, and not list Secrets.
        for name in ("", "/other"):
            with pytest.raises(ApiError, match="forbidden"):
                await client.get(f"/api/v1/namespaces/{kube.namespace}/secrets{name}")


async def test_permissions_in_every_namespace(
    kube: Kube, headgate: Installation, anybody: set[Right], access: Access, tmp_path: Path
) -> None:
    """With default values, the account has the permissions of the namespaced rules in every namespace."""
    async with account(headgate.kube, access, "headgate", tmp_path) as client:
        found = await permissions_of(client, kube.namespace)
    assert found - anybody == granted(cluster_rules()) | granted(namespaced_rules())


async def test_every_permission_is_used(
    kube: Kube, watched: Kube, limited: Release, access: Access, tmp_path: Path, unserved: frozenset[str]
) -> None:
    """A controller uses each of its permissions, for kinds that the cluster serves, and no request is denied."""
    async with Audit(access) as audit:
        controller = Controller(limited, watched, audit, tmp_path)
        async with controller.running(class_finalizer=True):
            await deploy(controller, watched)
            assert "may not have the resources of" in await controller.come()
            assert await controller.look() == 403
        due = Authorities.new(datetime.now(UTC) - AUTHORITY_LIFETIME * 0.99)
        data = {name: base64.b64encode(each).decode() for name, each in due.data().items()}
        await kube.patch("Secret", SECRET, {"data": data})
        async with controller.running(class_finalizer=False):
            pass
    assert "orbidden" not in controller.log
    assert "may not" not in controller.log.replace("may not have the resources", "")
    parts = {"": cluster_rules(), watched.namespace: namespaced_rules(), kube.namespace: own_rules()}
    assert {each.namespace for each in audit.api_requests} == set(parts)
    for namespace, rules in parts.items():
        expected = granted(rules)
        # These are nobody's in particular: the cluster's own Headgate may have written their statuses before.
        shared = ("gatewayextensions", "backends")
        kinds = {each: each.resource.partition("/")[0] for each in expected if each.verb in ("get", "patch")}
        written = {each for each, kind in kinds.items() if kind in shared}
        of_others = {each for each in expected if each.resource in unserved} | written
        assert audit.used(namespace, expected) - of_others == expected - of_others
    # Everybody may read the readiness of the API server, and which kinds it serves (ClusterRole system:discovery).
    assert {each for each in audit.others if not each.startswith("/apis")} <= {"/readyz"}
