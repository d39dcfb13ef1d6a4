"""The real API server, and a namespace of it for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.watchers.cluster_actions import ready
from tests.watchers.relay import Relay
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.kubeconfig import Access


@pytest.fixture
async def relay(access: Access) -> AsyncIterator[Relay]:
    """Stands between the cluster and `relayed`."""
    async with Relay(access) as relay:
        yield relay


@pytest.fixture
async def relayed(relay: Relay, tmp_path: Path) -> AsyncIterator[ApiClient]:
    """Request to the cluster that pass the relay."""
    async with ApiClient(await relay.access(tmp_path)) as client:
        yield client


@pytest.fixture
async def namespace(client: ApiClient) -> AsyncIterator[str]:
    """Yield a new namespace."""
    name = f"watchers-{uuid4().hex[:8]}"
    metadata = {"name": name, "labels": {"watchers": name}}
    await client.request("POST", "/api/v1/namespaces", body={"metadata": metadata})
    yield name
    await ready(client)  # The test may have killed the API server.
    with suppress(ApiError):
        await client.request("DELETE", f"/api/v1/namespaces/{name}")
