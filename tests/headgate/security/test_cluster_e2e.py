"""The authority in a Secret and the tokens of service accounts, with a real API server. Run by `make e2e`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from headgate.process.errors import UserError
from headgate.security.authority import AUTHORITY_LIFETIME
from headgate.security.cluster_authority import SECRET, ClusterAuthority
from headgate.security.rotation import HANDED_OUT
from headgate.security.tokens import TokenReviews
from translator.infrastructure.names import resource_name
from translator.infrastructure.pod import AUDIENCE
from translator.refs import Ref
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError
from xds.server.server import StreamRejected

pytestmark = pytest.mark.e2e

NAMES = ("headgate.test.svc",)


@pytest.fixture
async def namespace(client: ApiClient) -> AsyncIterator[str]:
    """Create a namespace."""
    name = f"security-{uuid4().hex[:8]}"
    await client.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    yield name
    with suppress(ApiError):
        await client.request("DELETE", f"/api/v1/namespaces/{name}")


async def secret(client: ApiClient, namespace: str) -> dict[str, Any]:
    """Return the authority's Secret."""
    found: dict[str, Any] = await client.get(f"/api/v1/namespaces/{namespace}/secrets/{SECRET}")
    return found


async def test_replicas_share_one_authority(client: ApiClient, namespace: str) -> None:
    """If replicas start at the same time, one creates the authority, and all trust it."""
    told: list[str] = []
    replicas = [ClusterAuthority(client, namespace, NAMES) for _ in range(5)]
    for each in replicas:
        each.add_event_handler(lambda authorities: told.append(authorities.trusted))
    await asyncio.gather(*(each.load() for each in replicas))
    assert len(set(told)) == 1
    held = (await secret(client, namespace))["data"]["ca.crt"]
    assert base64.b64decode(held).decode() == told[0]


async def test_an_authority_is_renewed_in_two_steps(client: ApiClient, namespace: str) -> None:
    """When it is due, the next one is trusted, too; a day later it signs; every replica follows."""
    now = datetime.now(UTC)
    told: list[str] = []
    replica = ClusterAuthority(client, namespace, NAMES, lambda: now)
    replica.add_event_handler(lambda authorities: told.append(authorities.trusted))
    other = ClusterAuthority(client, namespace, NAMES, lambda: now)
    await replica.load()
    await other.load()
    now += AUTHORITY_LIFETIME * 0.7
    await replica.load()
    assert [each.count("BEGIN CERTIFICATE") for each in told] == [1, 2]
    now += HANDED_OUT + timedelta(minutes=1)
    await replica.load()
    await other.load()
    assert other.trusted == replica.trusted
    held = {"tls.crt", "tls.key", "ca.crt", "previous.crt", "drain.key"}
    assert set((await secret(client, namespace))["data"]) == held


async def test_a_secret_without_an_authority_is_an_error(client: ApiClient, namespace: str) -> None:
    """The message of a Secret without an authority has the fix, and the Secret is not changed."""
    metadata = {"name": SECRET}
    await client.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body={"metadata": metadata})
    with pytest.raises(UserError, match="delete it, and a new one is made"):
        await ClusterAuthority(client, namespace, NAMES).load()
    assert "data" not in await secret(client, namespace)


async def token(client: ApiClient, namespace: str, account: str, audience: str) -> str:
    """Create a service account and a token of it."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    with suppress(ApiError):
        await client.request("POST", accounts, body={"metadata": {"name": account}})
    body = {"spec": {"audiences": [audience], "expirationSeconds": 600}}
    answer = await client.request("POST", f"{accounts}/{account}/token", body=body)
    return str(answer["status"]["token"])


async def test_a_token_is_valid_for_its_own_gateway_only(client: ApiClient, namespace: str) -> None:
    """The token of a Gateway's proxies is valid for it; any other, or one for another audience, is rejected."""
    account = resource_name(Ref("Gateway", namespace, "web"))
    reviews = TokenReviews(client)
    good = await token(client, namespace, account, AUDIENCE)
    await reviews.verify(good, f"{namespace}/web")
    with pytest.raises(StreamRejected, match="may not have the resources"):
        await reviews.verify(good, f"{namespace}/other")
    with pytest.raises(StreamRejected, match="not good"):
        await reviews.verify(await token(client, namespace, account, "somebody-else"), f"{namespace}/web")
    with pytest.raises(StreamRejected, match="not good"):
        await reviews.verify("nonsense", f"{namespace}/web")


async def test_a_valid_token_is_cached(client: ApiClient, namespace: str) -> None:
    """A token used again soon is not reviewed again; later it is, and its account may be deleted by then."""
    account = resource_name(Ref("Gateway", namespace, "web"))
    now = 0.0
    reviews = TokenReviews(client, lambda: now)
    good = await token(client, namespace, account, AUDIENCE)
    await reviews.verify(good, f"{namespace}/web")
    await client.request("DELETE", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}")
    await reviews.verify(good, f"{namespace}/web")
    refused = ""
    async with asyncio.timeout(30):  # the API server has a cache of 10 s, too
        while not refused:
            now += 61.0
            await asyncio.sleep(0.5)
            try:
                await reviews.verify(good, f"{namespace}/web")
            except StreamRejected as refusal:
                refused = str(refusal)
    assert "not good" in refused
