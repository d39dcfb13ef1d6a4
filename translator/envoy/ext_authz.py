"""Envoy's ``ExtAuthz``: how a service is asked whether requests are allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutationRules
from headgate_proto.envoy.config.core.v3 import config_source_pb2
from headgate_proto.envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz, HttpService
from headgate_proto.envoy.type.matcher.v3.string_pb2 import ListStringMatcher
from translator.api_group import GROUP
from translator.envoy.fractions import write_share
from translator.envoy.grpc_service import CallRetry, GrpcCall, grpc_service, retry_policy
from translator.envoy.names import cluster_name
from translator.ir.backend import Backend
from translator.ir.http import MILLION

HTTP_RETRY: Final = "gateway-error,connect-failure,refused-stream,reset"
"""The failures after which an HTTP authorizer is asked again."""

ABOUT_CONTENT: Final = r"content-.*|date|server"
"""What an HTTP authorizer's response says of itself: the request to the backend has a content of its own."""

FRAMING: Final = (
    "connection|content-length|http2-settings|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade"
)
"""The headers that frame a message, or concern one connection only."""


@dataclass(frozen=True, slots=True)
class RequestBody:
    """How much of a request's body an authorizer gets.

    Attributes:
        size: the most bytes.
        partial: whether it gets the beginning of a longer one; otherwise that is refused with 413.
        raw: whether a gRPC authorizer gets it as bytes.
    """

    size: int
    partial: bool = False
    raw: bool = False


@dataclass(frozen=True, slots=True)
class HttpCall:
    """An authorizer that is asked by HTTP.

    Attributes:
        backend: the service.
        prefix: what the path begins with, before that of the request.
        path: the path, whatever that of the request is; "" for that of the request.
        timeout: how long it may take, in milliseconds.
        added: the headers that it gets, each with the format of its value.
        to_backend: the headers of its response that the backend gets; None for all but those of the connection, Host
            and those about its content.
        to_client: those that the client gets with a refusal; None for all.
        to_client_on_success: those that the client gets with the backend's response.
        metadata: those that become metadata of the request.
        retry: how often it is asked again; None for never.
    """

    backend: Backend
    timeout: int
    prefix: str = ""
    path: str = ""
    added: tuple[tuple[str, str], ...] = ()
    to_backend: tuple[str, ...] | None = ()
    to_client: tuple[str, ...] | None = None
    to_client_on_success: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    retry: CallRetry | None = None


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A service that says whether requests are allowed.

    Attributes:
        call: how it is asked.
        headers: the headers of requests that it gets; None for all by gRPC, and for the least by HTTP.
        body: how much of the body it gets; None for nothing.
        fail_open: whether requests are allowed if it cannot say.
        status: the status of requests that are refused since it could not say; 0 for Envoy's own, 403.
        clear_route_cache: whether the route is chosen anew by the headers that it has set.
        share: the share of requests that it is asked about, in millionths.
        stat_prefix: a part of the names of its metrics.
        peer_certificate: whether it gets the client's certificate.
    """

    call: GrpcCall | HttpCall
    headers: tuple[str, ...] | None = None
    body: RequestBody | None = None
    fail_open: bool = False
    status: int = 0
    clear_route_cache: bool = False
    share: int = MILLION
    stat_prefix: str = ""
    peer_certificate: bool = False

    @property
    def its_own_headers(self) -> frozenset[str]:
        """The headers of requests to backends that mean what this authorizer has said, in lower case.

        It does not get them from clients, so that none of theirs can be one that it has let pass.
        """
        if isinstance(self.call, GrpcCall) or not self.call.to_backend:
            return frozenset()
        given = {"host", "authorization", *(each.lower() for each in self.headers or ())}
        return frozenset(each.lower() for each in self.call.to_backend) - given


def ext_authz(found: Authorizer, route_metadata: bool = False) -> ExtAuthz:
    """Write the filter that asks an authorizer; `route_metadata` says whether it gets what is written at the route."""
    made = ExtAuthz(
        transport_api_version=config_source_pb2.ApiVersion.V3, stat_prefix=found.stat_prefix, validate_mutations=True
    )
    if isinstance(found.call, GrpcCall):
        made.grpc_service.CopyFrom(grpc_service(found.call))
    else:
        made.http_service.CopyFrom(_http_service(found.call))
    made.decoder_header_mutation_rules.CopyFrom(_mutation_rules(found.call))
    if found.headers is not None:
        made.allowed_headers.CopyFrom(_names(found.headers))
    if found.body is not None:
        made.with_request_body.max_request_bytes = found.body.size
        made.with_request_body.allow_partial_message = found.body.partial
        made.with_request_body.pack_as_bytes = found.body.raw
    made.failure_mode_allow = found.fail_open
    if found.status:
        made.status_on_error.code = found.status  # type: ignore[assignment]  # a number of the enumeration
    made.clear_route_cache = found.clear_route_cache
    if found.share != MILLION:
        write_share(made.filter_enabled.default_value, found.share)
    made.include_peer_certificate = found.peer_certificate
    if route_metadata:
        made.route_metadata_context_namespaces.append(GROUP)
    return made


def _http_service(call: HttpCall) -> HttpService:
    # Only the cluster decides where requests go; Envoy demands a URI beside it.
    made = HttpService(path_prefix=call.prefix, path_override=call.path)
    made.server_uri.uri, made.server_uri.cluster = "http://authorizer", cluster_name(call.backend)
    made.server_uri.timeout.FromMilliseconds(call.timeout)
    for name, value in call.added:
        made.authorization_request.headers_to_add.add(key=name, value=value)
    response = made.authorization_response
    if call.to_backend is None:
        response.allowed_upstream_headers.patterns.add().safe_regex.regex = ".*"
    elif call.to_backend:
        response.allowed_upstream_headers.CopyFrom(_names(call.to_backend))
    if call.to_client is not None:
        response.allowed_client_headers.CopyFrom(_names(call.to_client))
    if call.to_client_on_success:
        response.allowed_client_headers_on_success.CopyFrom(_names(call.to_client_on_success))
    if call.metadata:
        response.dynamic_metadata_from_headers.CopyFrom(_names(call.metadata))
    if call.retry is not None:
        made.retry_policy.CopyFrom(retry_policy(call.retry, HTTP_RETRY))
    return made


def _mutation_rules(call: GrpcCall | HttpCall) -> HeaderMutationRules:
    """Return what an authorizer may change of a request: never where it ends, so that one is not read as two."""
    made = HeaderMutationRules()
    if isinstance(call, GrpcCall):
        made.allow_all_routing.value = True
        made.disallow_expression.regex = FRAMING
    else:
        made.disallow_expression.regex = f":.*|host|{FRAMING}|{ABOUT_CONTENT}" if call.to_backend is None else FRAMING
    return made


def _names(names: Iterable[str]) -> ListStringMatcher:
    made = ListStringMatcher()
    for each in names:
        made.patterns.add(exact=each, ignore_case=True)
    return made
