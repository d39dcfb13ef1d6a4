"""Requests that read and patch the status of an object."""

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
"""How long a request may take: webhooks are given up to 30 s, and one that hangs is the trouble of its object alone."""


class StatusApi:
    """Reads and changes statuses, in the name of a controller.

    Args:
        api: the way to the API server.
        controller: the controller's name.
    """

    def __init__(self, api: Api, controller: str) -> None:
        self._api = api
        self.manager = field_manager(controller)

    async def read(self, ref: Ref, held: ObservedStatus) -> Mapping[str, Any]:
        """Give an object as the API server has it now."""
        found: Mapping[str, Any] = await self._api.request("GET", _path(ref, held), seconds=SECONDS)
        return found

    async def patch(self, ref: Ref, held: ObservedStatus, new: Status) -> ObservedStatus:
        """Make a status of the one that is held; gives what the API server made of it.

        It is a JSON merge patch with a resourceVersion: it holds only for the very object that it was made for.
        """
        found = await self._api.request(
            "PATCH",
            _path(ref, held, "status"),
            query={"fieldManager": self.manager},
            body={"metadata": {"resourceVersion": held.resource_version}, "status": patch(held.status, new)},
            content_type=MERGE_PATCH,
            seconds=SECONDS,
        )
        return self.parse(found)

    def parse(self, found: Mapping[str, Any]) -> ObservedStatus:
        """Give what counts of an object that the API server sent."""
        metadata = found["metadata"]
        version = found["apiVersion"].rpartition("/")[2]
        status = found.get("status") or {}
        return ObservedStatus(
            metadata["resourceVersion"], metadata.get("generation"), status, version, wrote(metadata, self.manager)
        )


def _path(ref: Ref, held: ObservedStatus, subresource: str = "") -> str:
    return item(KINDS[ref.kind], held.api_version, ref, subresource)
