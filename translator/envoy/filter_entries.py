"""What settings give HTTP filters: entries, of which each filter of a route gets one configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.filters.http.set_metadata.v3.set_metadata_pb2 import Config as SetMetadata
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from translator.api_group import GROUP
from translator.ir.modules import ModuleSource
from translator.ir.secret import GenericSecret

Predicate = Matcher.MatcherList.Predicate

FIRST: Final = 1 << 32
"""The lowest weight of a filter that runs before all those that users give a weight (`SlotFilter.weight`)."""


class FilterConfig(NamedTuple):
    """The configuration of a filter that one setting alone configures.

    Attributes:
        name: the name of the filter (`translator.envoy.http_filters`).
        config: its message for routes, such as ``CsrfPolicy``.
    """

    name: str
    config: Message


class SlotFilter(NamedTuple):
    """A filter with its whole configuration in a slot of the list, beside those of other settings.

    Attributes:
        slot: the name of the slot, a filter of the type ``filter_chain``.
        name: its own name, under which it finds what routes say.
        config: its configuration.
        weight: of those in a slot the one with the highest weight runs first.
        route_config: what routes say under its name; None for nothing.
    """

    slot: str
    name: str
    config: Message
    weight: int = 0
    route_config: Message | None = None


class CustomResponse(NamedTuple):
    """A response in place of one that matches; the first that matches counts.

    Attributes:
        predicate: which responses.
        policy: the message that makes the response, such as ``LocalResponsePolicy``.
        rank: the lower, the earlier it is tried; those of one rank in their order.
    """

    predicate: Predicate
    policy: Message
    rank: int = 0


class DiscoveredPart(NamedTuple):
    """A part of the configuration of a discovered filter, which is a resource of its own (ECDS).

    The resource of a Gateway has the parts of all its routes and listeners, united in the order of their keys: entries
    of maps by their keys. An edit of a part sends that resource and no route, as long as its key and what routes say
    stay the same.

    Attributes:
        filter: the name of the filter (`translator.envoy.http_filters`).
        key: what tells this part from others of the filter.
        config: a message of the filter's type that has this part only, such as ``JwtAuthentication``.
    """

    filter: str
    key: str
    config: Message


class SecretUse(NamedTuple):
    """A secret that a configuration refers to by SDS, under `translator.envoy.names.generic_secret_name`."""

    secret: GenericSecret


class OwnPath(NamedTuple):
    """A path that a filter answers by itself: requests for it reach the filter, whatever the matches of its rules.

    Attributes:
        path: the whole path.
        about: the path that the answer is about: the filter answers at rules only that have requests for it; "" for any
            rule.
    """

    path: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class ModuleUse:
    """A module that a part of a discovered filter has by its hash alone: it is written where the resource is made.

    Attributes:
        digest: its SHA-256, which stands for it in the part.
        source: where it is.
    """

    digest: bytes
    source: ModuleSource

    def __lt__(self, other: ModuleUse) -> bool:
        return (self.digest, repr(self.source)) < (other.digest, repr(other.source))


class Passage(NamedTuple):
    """A filter that requests must have passed: without its trace in their metadata, they get 403 in the end.

    It is for what protects and is named by routes: Envoy passes requests by a name that is not there.

    Attributes:
        key: the key of the trace, which the filter writes with `trace`.
        value: its value.
    """

    key: str
    value: str

    @property
    def trace(self) -> Message:
        """The configuration of the filter that writes the trace, behind the one that is passed."""
        made = SetMetadata()
        made.metadata.add(metadata_namespace=GROUP, allow_overwrite=True).value[self.key] = self.value
        return made


FilterEntry = FilterConfig | SlotFilter | CustomResponse | DiscoveredPart | SecretUse | OwnPath | ModuleUse | Passage
