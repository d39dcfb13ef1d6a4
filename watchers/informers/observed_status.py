"""An object's status as the API server has it, and whether it is of our writing. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Status = Mapping[str, Any]
"""The `status` of an object in its JSON form."""
LONGEST_MANAGER: Final = 128
"""The longest name of a field manager, in characters."""


class ObservedStatus(NamedTuple):
    """An object's status as the API server has it.

    Attributes:
        resource_version: the object's `metadata.resourceVersion`.
        generation: its `metadata.generation`, None for kinds without.
        status: its `status`, empty if there is none.
        api_version: the version of the API that it was read in, such as "v1": the only one that is sure to be served.
        written: whether some of the status is as we wrote it.
    """

    resource_version: str
    generation: int | None
    status: Status
    api_version: str
    written: bool = False


def field_manager(controller: str) -> str:
    """Return the name under which the API server notes what a controller wrote."""
    return controller[-LONGEST_MANAGER:]


def wrote(metadata: Mapping[str, Any], manager: str) -> bool:
    """Whether some of an object's status is as a field manager wrote it."""
    return any(is_status(each) and each.get("manager") == manager for each in metadata.get("managedFields") or ())


def is_status(written: Mapping[str, Any]) -> bool:
    """Whether an entry of `metadata.managedFields` is about the status."""
    return "f:status" in (written.get("fieldsV1") or {})
