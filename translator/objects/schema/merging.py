"""Markers of fields of policies, which say how values of several policies are merged (`translator.policies.merging`).

A marker is metadata of a field's annotation: ``items: Annotated[tuple[Item, ...] | None, ByKey("name")] = None``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Atomic:
    """A struct whose fields come from one policy: a mix of two authors would be meaningless or unsafe."""


ATOMIC: Final = Atomic()
"""The marker of such a struct."""


@dataclass(frozen=True, slots=True, init=False)
class ByKey:
    """A list that is merged item by item: the more specific item replaces the one with the same key.

    Attributes:
        attributes: the names of the attributes that are the key of an item; without any, the item itself is.
        ends: whether an item says that nothing of less specific lists is effective; None if none does.
    """

    attributes: tuple[str, ...]
    ends: Callable[[Any], bool] | None

    def __init__(self, *attributes: str, ends: Callable[[Any], bool] | None = None) -> None:
        """Take the names of the attributes, and which items end what is wider."""
        object.__setattr__(self, "attributes", attributes)
        object.__setattr__(self, "ends", ends)

    def key(self, item: object) -> str:
        """Return the key of an item, as messages write it."""
        if not self.attributes:
            return str(item)
        return "/".join(str(getattr(item, each)) for each in self.attributes)


def is_atomic(info: FieldInfo | None) -> bool:
    """Return whether a field is a struct whose fields come from one policy."""
    return info is not None and any(isinstance(each, Atomic) for each in info.metadata)


def by_key(info: FieldInfo | None) -> ByKey | None:
    """Return how the items of a field are told apart; None if it is no list that is merged item by item."""
    return next((each for each in info.metadata if isinstance(each, ByKey)), None) if info is not None else None
