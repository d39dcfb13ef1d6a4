"""An object's status as observed at the API server, and whether our field manager wrote some of it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Status = Mapping[str, Any]
"""The `status` of an object in its JSON form."""
LONGEST_MANAGER: Final = 128
"""The longest name of a field manager, in characters."""


class ObservedStatus(NamedTuple):
    """An object's status as observed at the API server.

    Attributes:
        resource_version: the object's `metadata.resourceVersion`.
        generation: its `metadata.generation`; None for kinds without one.
        status: its `status`; empty if there is none.
        api_version: the version of the API in which it was read, such as "v1", which is known to be served.
        written: whether our field manager wrote some of the status.
    """

    resource_version: str
    generation: int | None
    status: Status
    api_version: str
    written: bool = False


def field_manager(controller: str) -> str:
    """Return the field manager of a controller (server-side apply, `metadata.managedFields`)."""
    return controller[-LONGEST_MANAGER:]


def wrote(metadata: Mapping[str, Any], manager: str) -> bool:
    """Return whether a field manager wrote some of an object's status."""
    return any(is_status(each) and each.get("manager") == manager for each in metadata.get("managedFields") or ())


def is_status(written: Mapping[str, Any]) -> bool:
    """Return whether an entry of `metadata.managedFields` covers the status."""
    return "f:status" in (written.get("fieldsV1") or {})
