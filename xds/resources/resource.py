"""A resource: a named message of an xDS type, serialised once, with its references."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from xds.resources import references
from xds.resources.fingerprint import FINGERPRINTS
from xds.resources.types import PREFIX, TYPES


class Reference(NamedTuple):
    """The identity of a resource: its type URL and its name."""

    type_url: str
    name: str


_NONE: Final[frozenset[Any]] = frozenset()
"""The set of what most resources do not have: Python makes each empty one anew, of 200 bytes."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A serialised xDS resource; two are equal if type, name, version and aliases are.

    Attributes:
        type_url: One of the constants of `xds.resources.types`.
        name: The resource's name, unique within its type.
        version: A fingerprint of the body: the same for the same content, across restarts and replicas.
        body: The deterministically serialised message (not wrapped in an Any).
        references: The resources that it refers to, such as the clusters of a route.
        aliases: Other names by which clients may request it (`xds.resources.aliases`); virtual hosts only.
        origin: Opaque data of the caller, which identifies the resource's origin to attribute a NACK.
    """

    type_url: str
    name: str
    version: str
    body: bytes = field(compare=False, repr=False)
    references: frozenset[Reference] = field(compare=False, repr=False)
    aliases: frozenset[str] = field(default=_NONE, repr=False)
    origin: object = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        type_url: str,
        name: str,
        body: bytes,
        references: Iterable[Reference] = (),
        aliases: Iterable[str] = (),
        origin: object = None,
    ) -> Resource:
        """Return the resource of a serialised message. Serialise deterministically, or versions will vary."""
        version = FINGERPRINTS.of(body)
        needs, others = frozenset(references) or _NONE, frozenset(aliases) or _NONE
        return cls(type_url, name, version, body, needs, others, origin)

    @classmethod
    def pack(cls, message: Message, name: str | None = None, aliases: Iterable[str] = ()) -> Resource:
        """Return the resource of a message, from which its type, name (unless given) and references are read.

        Raises:
            ValueError: The message has no name, or no xDS type, and no name was given.
        """
        type_url = sys.intern(PREFIX + message.DESCRIPTOR.full_name)
        if name is None:
            kind = TYPES.get(type_url)
            name = getattr(message, kind.name_field) if kind and kind.name_field else ""
        if not name:
            raise ValueError(f"{type_url}: the message has no name; set its name field or pass name=")
        needs = (Reference(*each) for each in references.of(message))
        return cls.of(type_url, name, message.SerializeToString(deterministic=True), needs, aliases)

    @property
    def reference(self) -> Reference:
        """The resource's type and name."""
        return Reference(self.type_url, self.name)
