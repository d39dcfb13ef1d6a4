"""Filters that ask for credentials: their answer to requests without any. Whether some are right is not told."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from headgate_proto.envoy.extensions.filters.http.api_key_auth.v3.api_key_auth_pb2 import ApiKeyAuthPerRoute, KeySource
from headgate_proto.envoy.extensions.filters.http.basic_auth.v3.basic_auth_pb2 import BasicAuth
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from translator.explain.matches import Seen

UNAUTHORIZED: Final = 401


def asks_for_password(request: Seen, header: str = "") -> str:
    """Return why a request is refused that has no name and password; "" if it has some, right or wrong."""
    header = header or "authorization"
    found = request.values(header)
    if found and found[0].startswith("Basic "):
        return ""
    return f"basicAuth asks for a name and a password in {header}"


def slot_asks_for_password(slot: FilterChainConfigPerRoute, request: Seen) -> str:
    """Return the same for the whole filter in a slot, which may let requests without them pass."""
    for each in slot.filter_chain.filters:
        made = BasicAuth()
        if each.typed_config.Unpack(made) and not made.allow_missing:
            return asks_for_password(request, made.authentication_header)
    return ""


def asks_for_key(found: ApiKeyAuthPerRoute, request: Seen) -> str:
    """Return why a request is refused that has no key; "" if it has one, right or wrong."""
    if any(_has_key(each, request) for each in found.key_sources):
        return ""
    places = (each.header or each.query or each.cookie for each in found.key_sources)
    return f"apiKeyAuth asks for a key in {', '.join(places)}"


def _has_key(source: KeySource, request: Seen) -> bool:
    if source.header:
        return any(request.values(source.header))
    if source.query:
        return bool(parse_qs(request.path.partition("?")[2]).get(source.query))
    cookies = ";".join(request.values("cookie")).split(";")
    return any(each.strip().partition("=")[0] == source.cookie for each in cookies)
