"""Fixtures of a cluster: a namespace that enforces "restricted", and a release of the chart in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from uuid import uuid4

import pytest

from tests.deploy.release import Release
from tests.e2e.conftest import cluster, headgate
from tests.e2e.kube import Kube

__all__ = ["cluster", "headgate", "kube", "release"]

RESTRICTED: Final = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture
async def kube(cluster: Kube) -> AsyncIterator[Kube]:
    """Yield a new namespace that enforces the Pod Security Standard "restricted"."""
    found = cluster.of(f"deploy-{uuid4().hex[:8]}")
    metadata = {"name": found.namespace, "labels": RESTRICTED}
    await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    yield found
    await found.delete("Namespace", found.namespace)


@pytest.fixture
async def release(kube: Kube) -> AsyncIterator[Release]:
    """Yield a release of the chart, not installed yet, in that namespace; uninstall it after the test."""
    found = Release(kube)
    yield found
    await found.clear()
