"""HTTP filters: which of them run for a route, and those whose answer can be foretold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from headgate_proto.envoy.config.route.v3.route_components_pb2 import FilterConfig
from headgate_proto.envoy.extensions.filters.http.api_key_auth.v3.api_key_auth_pb2 import ApiKeyAuthPerRoute
from headgate_proto.envoy.extensions.filters.http.basic_auth.v3.basic_auth_pb2 import BasicAuthPerRoute
from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import BufferPerRoute
from headgate_proto.envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from headgate_proto.envoy.extensions.filters.http.csrf.v3.csrf_pb2 import CsrfPolicy
from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.explain.credentials import UNAUTHORIZED, asks_for_key, asks_for_password, slot_asks_for_password
from translator.explain.matches import Seen, fraction, header_mismatch, string_matches
from translator.explain.result import EnabledFilter

CHANGING_METHODS: Final = frozenset({"POST", "PUT", "DELETE", "PATCH"})


class Configures(Protocol):
    """A message of Envoy's that configures filters."""

    @property
    def typed_per_filter_config(self) -> Mapping[str, AnyMessage]:
        """Return configurations, by the names of the filters."""


class Answer(NamedTuple):
    """An answer of a filter.

    Attributes:
        status: its status.
        share: the share of the requests that get it, from 0 to 1.
        reason: why the request is not served; "" if this is how it is to be served.
    """

    status: int
    share: float
    reason: str


class Levels(NamedTuple):
    """The messages that configure the filters of a route, with their names, the most specific first."""

    messages: tuple[tuple[str, Configures], ...]

    def configuration(self, name: str) -> tuple[str, AnyMessage] | None:
        """Return the most specific configuration of a filter, and the name of its message; None without one."""
        for level, message in self.messages:
            if name in message.typed_per_filter_config:
                return level, message.typed_per_filter_config[name]
        return None


def configurations(name: str, levels: Levels) -> Iterator[AnyMessage]:
    """Yield the configurations of a filter at all levels, the most specific first."""
    for _, message in levels.messages:
        if name in message.typed_per_filter_config:
            yield _unwrapped(message.typed_per_filter_config[name])


def enabled_filters(manager: HttpConnectionManager, levels: Levels) -> Iterator[EnabledFilter]:
    """Yield the filters that run, in the order in which requests pass them."""
    for each in manager.http_filters:
        found = levels.configuration(each.name)
        if found is None:
            if not each.disabled:
                yield EnabledFilter(each.name, "HttpConnectionManager")
        elif not _wrapper(found[1]).disabled:
            yield EnabledFilter(each.name, found[0])


def answers(
    filters: Sequence[EnabledFilter], levels: Levels, request: Seen, size: int | None
) -> Iterator[tuple[EnabledFilter, Answer]]:
    """Yield the filters that answer by themselves, as far as that can be told, in their order.

    Args:
        filters: the filters that run.
        levels: their configurations.
        request: the request.
        size: the length of its body; None without one.
    """
    for each in filters:
        found = levels.configuration(each.name)
        config = _unwrapped(found[1]) if found is not None else None
        for message, answer in _ANSWERS if config is not None else ():
            made = message()
            if config is not None and config.Unpack(made):
                given = answer(each.name, made, request, size)
                if given is not None:
                    yield each, given


def _wrapper(config: AnyMessage) -> FilterConfig:
    """Return what a configuration says of the filter itself: whether it is disabled, and its own configuration."""
    made = FilterConfig()
    if not config.Unpack(made):
        made.config.CopyFrom(config)
    return made


def _unwrapped(config: AnyMessage) -> AnyMessage:
    return _wrapper(config).config


def allows_origin(policy: CorsPolicy, request: Seen) -> bool:
    """Return whether a request comes from a page of an origin that a policy names."""
    origin = request.value("origin")
    return bool(origin) and any(string_matches(each, origin or "") for each in policy.allow_origin_string_match)


def _cors(_name: str, policy: CorsPolicy, request: Seen, _size: int | None) -> Answer | None:
    """Return the answer to a preflight from an origin that the policy names."""
    asked = request.method == "OPTIONS" and request.value("access-control-request-method")
    return Answer(200, 1.0, "") if asked and allows_origin(policy, request) else None


def _fault(name: str, fault: HTTPFault, request: Seen, _size: int | None) -> Answer | None:
    """Return the error that a fault answers with; a status of gRPC is a header of a response with status 200."""
    kind = fault.abort.WhichOneof("error_type")
    share = fraction(fault.abort.percentage)
    if kind not in ("http_status", "grpc_status") or not share:
        return None
    if any(header_mismatch(each, request) for each in fault.headers):
        return None
    if kind == "grpc_status":
        return Answer(200, share, f"the filter {name} answers the status {fault.abort.grpc_status} of gRPC")
    return Answer(fault.abort.http_status, share, f"the filter {name} answers {fault.abort.http_status}")


def _buffer(_name: str, limit: BufferPerRoute, _request: Seen, size: int | None) -> Answer | None:
    """Return the refusal of a body that is longer than is allowed."""
    most = limit.buffer.max_request_bytes.value
    if not limit.HasField("buffer") or size is None or size <= most:
        return None
    return Answer(413, 1.0, f"the body of {size} bytes is longer than {most}")


def _csrf(_name: str, policy: CsrfPolicy, request: Seen, _size: int | None) -> Answer | None:
    """Return the refusal of a request that changes something and comes from a page of another origin."""
    if request.method not in CHANGING_METHODS:
        return None
    share = fraction(policy.filter_enabled.default_value)
    source = _authority(request.value("origin") or "") or _authority(request.value("referer") or "")
    known = any(string_matches(each, source) for each in policy.additional_origins)
    if not share or (source and (source == _authority(request.authority) or known)):
        return None
    text = f"the origin {source} is none that csrf allows" if source else "csrf asks for an Origin or Referer"
    return Answer(403, share, text)


def _unauthorized(reason: str) -> Answer | None:
    """Return the refusal of a request without credentials; None if there is no reason for one."""
    return Answer(UNAUTHORIZED, 1.0, reason) if reason else None


def _authority(text: str) -> str:
    """Return the host and port of a URL, or of an origin."""
    return text.partition("://")[2].partition("/")[0] if "://" in text else text


_ANSWERS: Final[tuple[tuple[type[Message], Callable[[str, Any, Seen, int | None], Answer | None]], ...]] = (
    (CorsPolicy, _cors),
    (HTTPFault, _fault),
    (BufferPerRoute, _buffer),
    (CsrfPolicy, _csrf),
    (BasicAuthPerRoute, lambda _name, _users, request, _size: _unauthorized(asks_for_password(request))),
    (ApiKeyAuthPerRoute, lambda _name, keys, request, _size: _unauthorized(asks_for_key(keys, request))),
    (
        FilterChainConfigPerRoute,
        lambda _name, slot, request, _size: _unauthorized(slot_asks_for_password(slot, request)),
    ),
)
"""The configurations of filters whose answers can be told, and how."""
