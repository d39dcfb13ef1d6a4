"""Envoy's HTTP filters, and the one order that they have in every HTTP connection manager."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, auto
from functools import lru_cache
from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3 import extension_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpFilter as HttpFilterMessage,
)
from translator.envoy.config_source import ADS

TYPE_PREFIX: Final = "type.googleapis.com/"


class Stage(IntEnum):
    """The places of HTTP filters, in the order in which requests pass them; responses pass them in reverse.

    Each is the place of one filter. Names with ``BEFORE`` or ``AFTER`` are places for filters that users add.
    """

    LATE_HEADERS = auto()
    """The last to change the headers of responses."""
    ALT_SVC = auto()
    """Tells clients of HTTP/3 in whatever response they get."""
    MARK = auto()
    """Marks requests by the route on which the chain was built."""
    HEALTH_CHECK = auto()
    """Answers for the proxy itself, whatever routes ask for."""
    BANDWIDTH_LIMIT = auto()
    """Counts bytes as they are on the wire, so before what compresses them."""
    COMPRESS_ZSTD = auto()
    """The last to see responses: whatever writes bodies comes behind it."""
    COMPRESS_BROTLI = auto()
    COMPRESS_GZIP = auto()
    CUSTOM_RESPONSE = auto()
    """Sees the local replies of all filters below."""
    CLOSED = auto()
    """Answers for what could not be built."""
    BEFORE_FAULT = auto()
    FAULT = auto()
    """A fault costs nothing else."""
    CORS = auto()
    """Preflights carry no credentials, so before those who ask for them."""
    CSRF = auto()
    GRPC_WEB_TYPE = auto()
    """Routes were chosen as for gRPC; now it is gRPC-Web again."""
    GRPC_WEB = auto()
    GEO_HEADERS = auto()
    """Takes away what clients say about where they are."""
    GEOIP = auto()
    GEO_METADATA = auto()
    """Tells the filters below where clients are."""
    ACL = auto()
    """Addresses first: no work for those who are kept out."""
    ACL_ENFORCED = auto()
    LOCAL_RATE_LIMIT_EARLY = auto()
    """Guards the authorizers."""
    DECOMPRESS = auto()
    """Before all that read request bodies."""
    WAF = auto()
    """Inspects hostile input before it reaches an authorizer."""
    BEFORE_AUTHN = auto()
    OAUTH2 = auto()
    """May redirect; hands on the token that the next ones check."""
    OAUTH2_TOKENS = auto()
    JWT = auto()
    BASIC_AUTH = auto()
    API_KEY_AUTH = auto()
    BEFORE_AUTHZ = auto()
    EXT_AUTHZ = auto()
    """Knows who it is."""
    AI = auto()
    """Finds the model that a request asks for and picks its route; who may do what, and how often, may be by model."""
    RBAC_ENFORCED = auto()
    """Has the claims, headers and metadata of all filters above."""
    RBAC = auto()
    AGENTS = auto()
    """Checks what agents ask for: calls of tools, and messages to other agents."""
    BEFORE_RATE_LIMIT = auto()
    LOCAL_RATE_LIMIT = auto()
    RATE_LIMIT = auto()
    """By claims."""
    QUOTA = auto()
    ADMISSION = auto()
    """Measures what was let in."""
    BEFORE_ROUTE = auto()
    BUFFER = auto()
    """Refuses what is too long before anything transforms it."""
    TRANSFORMATION = auto()
    LUA = auto()
    """Users' code, in this order."""
    EXT_PROC = auto()
    WASM = auto()
    DYNAMIC_MODULES = auto()
    HEADER_MUTATION = auto()
    """Has the last word on headers."""
    STATEFUL_SESSION = auto()
    """After all that could change the route."""
    CREDENTIALS = auto()
    """No filter before it can see or replace what it adds."""
    BACKEND = auto()
    """What a kind of backend needs of its routes: it sees requests as they are sent, with their final Host."""
    AI_USAGE = auto()
    """Next to the backend, so that all filters above know how many tokens a response has cost."""
    AFTER_ROUTE = auto()
    GUARD = auto()
    """Refuses requests that were moved to a route with other security than their own."""
    GRPC_STATS = auto()
    """Counts what goes to backends."""
    ROUTER = auto()
    """Sends requests to backends."""


ON_DEMAND: Final = frozenset(
    {
        Stage.ALT_SVC,
        Stage.LATE_HEADERS,
        Stage.HEALTH_CHECK,
        Stage.GRPC_WEB_TYPE,
        Stage.GRPC_WEB,
        Stage.GEO_HEADERS,
        Stage.GEOIP,
        Stage.GEO_METADATA,
        Stage.GRPC_STATS,
    }
)
"""The places of filters that are there only where a listener asks for them."""


@dataclass(frozen=True, slots=True)
class HttpFilter:
    """One of Envoy's HTTP filters, as it is in every HTTP connection manager.

    Attributes:
        stage: its place.
        name: its name, under which routes configure it.
        config: makes its configuration; of one that is discovered, what it has while nothing configures it.
        disabled: whether it runs only for routes that configure it, which costs the others nothing.
        discovered: whether its configuration is a resource of its own (ECDS), whose name is that of the filter: it can
            change without the listener, and has state that survives changes of routes.
    """

    stage: Stage
    name: str
    config: Callable[[], Message]
    disabled: bool = True
    discovered: bool = False


def encode_filters(filters: Iterable[HttpFilter]) -> list[HttpFilterMessage]:
    """Return filters in the order of their stages; nobody changes the messages, which others have too."""
    return [_encode(each) for each in sorted(filters, key=lambda each: each.stage)]


@lru_cache(maxsize=256)  # most are the same in each of many connection managers
def _encode(found: HttpFilter) -> HttpFilterMessage:
    made = HttpFilterMessage(name=found.name, disabled=found.disabled)
    config = found.config()
    if found.discovered:
        made.config_discovery.config_source.CopyFrom(ADS)
        made.config_discovery.type_urls.append(f"{TYPE_PREFIX}{config.DESCRIPTOR.full_name}")
    else:
        made.typed_config.Pack(config, deterministic=True)
    return made


def extension_config(name: str, config: Message) -> extension_pb2.TypedExtensionConfig:
    """Make the resource that configures a discovered filter."""
    made = extension_pb2.TypedExtensionConfig(name=name)
    made.typed_config.Pack(config, deterministic=True)
    return made
