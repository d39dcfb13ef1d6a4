"""Requests that read and patch object statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from translator.refs import Ref
from translator.registry import KINDS
from watchers.informers.observed_status import ObservedStatus, Status, field_manager, wrote
from watchers.kubernetes.client import MERGE_PATCH, Api
from watchers.kubernetes.paths import item
from watchers.status.merge import patch

SECONDS: Final = 35.0
"""The timeout of a request: webhooks may take up to 30 s, and one that hangs must affect its objects only."""


class StatusApi:
    """Reads and patches statuses, with the field manager of a controller.

    Args:
        api: the client of the API server.
        controller: the controller's name.
    """

    def __init__(self, api: Api, controller: str) -> None:
        self._api = api
        self.manager = field_manager(controller)

    async def read(self, ref: Ref, observed: ObservedStatus) -> Mapping[str, Any]:
        """Read an object from the API server."""
        found: Mapping[str, Any] = await self._api.request("GET", _path(ref, observed), seconds=SECONDS)
        return found

    async def patch(self, ref: Ref, observed: ObservedStatus, new: Status) -> ObservedStatus:
        """Patch an observed status to a new one; return the status as the API server stored it.

        The JSON merge patch has the observed resourceVersion, so it fails if the object has changed since.
        """
        found = await self._api.request(
            "PATCH",
            _path(ref, observed, "status"),
            query={"fieldManager": self.manager},
            body={"metadata": {"resourceVersion": observed.resource_version}, "status": patch(observed.status, new)},
            content_type=MERGE_PATCH,
            seconds=SECONDS,
        )
        return self.parse(found)

    def parse(self, found: Mapping[str, Any]) -> ObservedStatus:
        """Return the observed status of an object that the API server sent."""
        metadata = found["metadata"]
        version = found["apiVersion"].rpartition("/")[2]
        status = found.get("status") or {}
        return ObservedStatus(
            metadata["resourceVersion"], metadata.get("generation"), status, version, wrote(metadata, self.manager)
        )


def _path(ref: Ref, observed: ObservedStatus, subresource: str = "") -> str:
    return item(KINDS[ref.kind], observed.api_version, ref, subresource)
