"""Passwords and keys of Secrets: whoever edits, deletes or may not refer to them closes routes, and opens none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.e2e.conftest import Site
from tests.e2e.kube import Kube
from tests.e2e.objects import grant, policy, route
from tests.e2e.traffic import answers, status, traffic
from tests.live.credentials import KEY, OTHER_KEY, OTHER_PASSWORD, basic, line, secret

HOST = "example.com"
ALICE = {"Authorization": basic("alice")}
NEW_ALICE = {"Authorization": basic("alice", OTHER_PASSWORD)}


@pytest.fixture
async def elsewhere(cluster: Kube) -> AsyncIterator[Kube]:
    """Yield another namespace."""
    found = cluster.of(f"e2e-{uuid4().hex[:8]}")
    await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}})
    yield found
    await found.delete("Namespace", found.namespace)


async def test_passwords_of_a_secret(site: Site) -> None:
    """Edited, the new password counts; deleted, all get 500; none ever gets in without a password."""
    kube, address = site.kube, site.address
    await kube.apply(secret("users", {".htpasswd": line("alice")}))
    await kube.apply(policy(basicAuth={"secretRef": {"name": "users"}}))
    await answers(address, HOST, 401)
    async with traffic(address, HOST) as without:
        assert await status(address, HOST, headers=ALICE) == 200
        await kube.apply(secret("users", {".htpasswd": line("alice", OTHER_PASSWORD)}))
        await answers(address, HOST, 200, headers=NEW_ALICE)
        assert await status(address, HOST, headers=ALICE) == 401
        await kube.delete("Secret", "users")
        await kube.condition("TrafficPolicy", "policy", "ResolvedRefs", "False", "SecretNotFound")
        await answers(address, HOST, 500, headers=NEW_ALICE)
        await kube.apply(secret("users", {".htpasswd": "alice:not-a-hash"}))
        wrong = await kube.condition("TrafficPolicy", "policy", "Accepted", "False", "Invalid")
        assert "not-a-hash" not in wrong["message"]
        assert await status(address, HOST, headers=NEW_ALICE) == 500
        await kube.apply(secret("users", {".htpasswd": line("alice")}))
        await answers(address, HOST, 200, headers=ALICE)
    assert set(without) == {401, 500}
    await kube.delete("TrafficPolicy", "policy")
    await answers(address, HOST)


async def test_keys_of_secrets_by_labels(site: Site) -> None:
    """A Secret that gets the labels lets its client in, one that loses them shuts it out; without any, all get 500."""
    kube, address = site.kube, site.address
    labels = {"keys": "partners"}
    await kube.apply(secret("mobile", {"mobile": KEY}, labels), secret("billing", {"billing": OTHER_KEY}))
    await kube.apply(policy(apiKeyAuth={"secretSelector": {"matchLabels": labels}}))
    await answers(address, HOST, 401)
    async with traffic(address, HOST) as without:
        assert await status(address, HOST, headers={"api-key": KEY}) == 200
        assert await status(address, HOST, headers={"api-key": OTHER_KEY}) == 401
        await kube.patch("Secret", "billing", {"metadata": {"labels": labels}})
        await answers(address, HOST, 200, headers={"api-key": OTHER_KEY})
        await kube.patch("Secret", "mobile", {"metadata": {"labels": {"keys": None}}})
        await answers(address, HOST, 401, headers={"api-key": KEY})
        await kube.delete("Secret", "billing")
        await answers(address, HOST, 500, headers={"api-key": OTHER_KEY})
        await kube.condition("TrafficPolicy", "policy", "ResolvedRefs", "False", "SecretNotFound")
    assert set(without) == {401, 500}


async def test_a_secret_of_another_namespace(site: Site, elsewhere: Kube) -> None:
    """It is not read without a ReferenceGrant there, nor once that is withdrawn: all get 500, as the status says."""
    kube, address = site.kube, site.address
    await elsewhere.apply(secret("users", {".htpasswd": line("alice")}))
    await kube.apply(route("open", ["open.example.com"]))
    await kube.apply(policy(basicAuth={"secretRef": {"name": "users", "namespace": elsewhere.namespace}}))
    await kube.condition("TrafficPolicy", "policy", "ResolvedRefs", "False", "RefNotPermitted")
    await answers(address, HOST, 500, headers=ALICE)
    async with traffic(address, HOST) as without:
        await elsewhere.apply(grant("TrafficPolicy", "Secret", kube.namespace))
        await answers(address, HOST, 200, headers=ALICE)
        await kube.condition("TrafficPolicy", "policy", "ResolvedRefs", "True")
        await elsewhere.delete("ReferenceGrant", "grant")
        await answers(address, HOST, 500, headers=ALICE)
    assert set(without) == {401, 500}
    assert await status(address, "open.example.com") == 200
