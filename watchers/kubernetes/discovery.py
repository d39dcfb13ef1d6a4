"""Discovery of the kinds that an API server serves: only a response can show that a kind is missing, not an error."""

from __future__ import annotations

from typing import Any

from translator.objects.schema.base import KubernetesObject
from watchers.kubernetes.client import ApiClient


async def is_served(client: ApiClient, model: type[KubernetesObject]) -> bool:
    """Return whether an API server serves a kind, in one of the versions that Headgate reads.

    It reads the discovery API: `/apis`, and the resources of each version of a group.

    Raises:
        ClusterError: discovery failed.
    """
    served = ["v1"] if not model.group else _versions(await client.get("/apis"), model.group)
    for version in model.versions:
        if version in served:
            found = await client.get(f"/apis/{model.group}/{version}" if model.group else f"/api/{version}")
            if any(each.get("name") == model.plural for each in _list(found, "resources")):
                return True
    return False


def _versions(found: object, group: str) -> list[str]:
    named = next((each for each in _list(found, "groups") if each.get("name") == group), {})
    return [str(each.get("version")) for each in _list(named, "versions")]


def _list(found: object, name: str) -> list[dict[str, Any]]:
    items = found.get(name) if isinstance(found, dict) else None
    return [each for each in items or () if isinstance(each, dict)]
