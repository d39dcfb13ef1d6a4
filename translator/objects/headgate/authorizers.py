"""Authorisation by a service that is asked about each request (`extAuth`): the provider, and the unit of policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field, GetPydanticSchema, StrictInt, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.expressions import HeaderFormat
from translator.objects.headgate.references import ExtensionReference, SecretReference
from translator.objects.headgate.services import GrpcService, ServiceRetry
from translator.objects.headgate.types import Disableable, Share
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ALL_CHANGEABLE, ChangeableHeader
from translator.objects.schema.scalars import (
    AUTHORIZER_PATH,
    METRIC_NAME,
    Boolean,
    DataKey,
    HeaderName,
    PositiveCount,
    PositiveMilliseconds,
)

MOST_AUTHORIZERS: Final = 4
"""The most authorizers that one policy has asked about a request."""
MOST_HEADERS: Final = 64
MOST_CONTEXT: Final = 64
"""The most texts that a policy gives its authorizers."""
CONTEXT_CHARACTERS: Final = 4096

_AGAIN: Final = "is in the list already: remove it"
_TWICE: Final = "has the header name of an earlier entry: leave one"

HeaderNames = Annotated[
    tuple[HeaderName, ...] | None, Field(min_length=1, max_length=MOST_HEADERS), unique(None, _AGAIN)
]
ChangedHeaders = Annotated[
    tuple[HeaderName, ...] | None, Field(min_length=1, max_length=MOST_HEADERS), ALL_CHANGEABLE, unique(None, _AGAIN)
]
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=AUTHORIZER_PATH)]
ContextKey = Annotated[str, StringConstraints(min_length=1, max_length=253)]
ContextValue = Annotated[str, StringConstraints(max_length=CONTEXT_CHARACTERS)]
ContextExtensions = Annotated[
    Mapping[str, str],
    GetPydanticSchema(lambda _, handler: handler(dict[ContextKey, ContextValue])),
    Field(max_length=MOST_CONTEXT),
]


class AuthorizedBody(Fields):
    """How much of the body of a request the authorizer gets; requests wait until the proxy has it."""

    max_request_bytes: Annotated[PositiveCount, Doc(envoy="BufferSettings.max_request_bytes")]
    """The most bytes; a request with a longer body gets 413, unless `allowPartialMessage` is true."""
    allow_partial_message: Annotated[Boolean | None, Doc(envoy="BufferSettings.allow_partial_message")] = None
    """Whether the authorizer gets the beginning of a longer body, and the backend all of it. By default false."""
    pack_as_bytes: Annotated[Boolean | None, Doc(envoy="BufferSettings.pack_as_bytes")] = None
    """Whether a gRPC authorizer gets the body in `raw_body`, as it is, and not in `body`, which is for UTF-8 only. By
    default false."""


class AddedHeader(Fields):
    """A header of the requests to an authorizer."""

    name: ChangeableHeader
    """Its name."""
    value: HeaderFormat
    """Its value, in Envoy's substitution format: `%REQ(x-id)%` is a header of the client's request, and `%%` is `%`."""


class AuthorizationRequest(Fields):
    """What requests to an HTTP authorizer have beside the method, path, Host and Authorization of the client's."""

    headers_to_add: Annotated[
        tuple[AddedHeader, ...] | None,
        Field(max_length=32),
        unique("name", _TWICE),
        Doc(envoy="AuthorizationRequest.headers_to_add"),
    ] = None
    """Headers that are set, in place of those that the client sent."""


class AuthorizationResponse(Fields):
    """What becomes of the headers of an HTTP authorizer's response."""

    headers_to_backend: Annotated[ChangedHeaders, Doc(envoy="AuthorizationResponse.allowed_upstream_headers")] = None
    """Headers that the backend gets where the request is allowed. What clients send under these names does not reach
    it, unless the authorizer gets it too (`headersToForward`). By default none."""
    headers_to_client: Annotated[HeaderNames, Doc(envoy="AuthorizationResponse.allowed_client_headers")] = None
    """Headers that the client gets where the request is refused, beside Location, WWW-Authenticate and the like. By
    default all."""
    headers_to_client_on_success: Annotated[
        HeaderNames, Doc(envoy="AuthorizationResponse.allowed_client_headers_on_success")
    ] = None
    """Headers that are added to the backend's response where the request is allowed. By default none."""
    metadata_from_headers: Annotated[HeaderNames, Doc(envoy="AuthorizationResponse.dynamic_metadata_from_headers")] = (
        None
    )
    """Headers that become metadata of the request, under `envoy.filters.http.ext_authz`. By default none."""


class HttpAuthorizer(CheckedFields):
    """A service that is sent a copy of each request, without the body unless asked for; 200 allows it.

    All other statuses are the response to the client; those of 500 and above are failures of the authorizer.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.pathPrefix) || !has(self.pathOverride)",
            "must not be set together with pathPrefix: remove one of them",
            "pathOverride",
        ),
    )

    backend_ref: BackendObjectReference
    """The service: of another namespace only where a ReferenceGrant permits it."""
    path_prefix: Annotated[Path | None, Doc(envoy="HttpService.path_prefix")] = None
    """What the path that it is asked at begins with, before that of the client's request."""
    path_override: Annotated[Path | None, Doc(envoy="HttpService.path_override")] = None
    """The path that it is asked at, whatever that of the client's request is."""
    request_timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="HttpUri.timeout")] = None
    """How long it may take, with all repetitions. By default 2s."""
    authorization_request: AuthorizationRequest | None = None
    """What it gets."""
    authorization_response: AuthorizationResponse | None = None
    """What becomes of its response."""
    retry: Annotated[ServiceRetry | None, Doc(envoy="HttpService.retry_policy")] = None
    """How often it is asked again that was not reached, or failed. By default never."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a path that is given in two ways."""
        if self.path_prefix is not None and self.path_override is not None:
            yield FieldViolation(("pathOverride",), "must not be set together with pathPrefix: remove one of them")


class ExtAuthProvider(CheckedFields):
    """A service that says of each request whether it is allowed."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.grpcService) != has(self.httpService)", "exactly one of grpcService and httpService must be set"
        ),
    )

    grpc_service: Annotated[GrpcService | None, Doc(envoy="ExtAuthz.grpc_service")] = None
    """A service that speaks Envoy's protocol, `envoy.service.auth.v3.Authorization`; `requestTimeout` is by default
    200ms."""
    http_service: Annotated[HttpAuthorizer | None, Doc(envoy="ExtAuthz.http_service")] = None
    """A service that is asked by HTTP."""
    headers_to_forward: Annotated[HeaderNames, Doc(envoy="ExtAuthz.allowed_headers")] = None
    """The headers of the client's request that it gets. By default a gRPC service gets all, and one of HTTP those that
    it always gets: Host, Content-Length and Authorization."""
    fail_open: Annotated[Boolean | None, Doc(envoy="ExtAuthz.failure_mode_allow")] = None
    """Whether requests are allowed where the service cannot be reached, is too slow or fails. By default false."""
    status_on_error: Annotated[
        Annotated[StrictInt, Field(ge=400, le=599)] | None, Doc(envoy="ExtAuthz.status_on_error")
    ] = None
    """The status of requests that are refused since the service failed. By default 403."""
    clear_route_cache: Annotated[Boolean | None, Doc(envoy="ExtAuthz.clear_route_cache")] = None
    """Whether the route is chosen anew by the headers that the service has set. A request that would come to a route
    with other protection gets 403. By default false."""
    with_request_body: AuthorizedBody | None = None
    """How much of the body it gets. By default nothing."""
    percentage_enabled: Annotated[Share | None, Doc(envoy="ExtAuthz.filter_enabled")] = None
    """The share of the requests that it is asked about; all others are allowed. By default 100."""
    stat_prefix: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=METRIC_NAME)] | None,
        Doc(envoy="ExtAuthz.stat_prefix"),
    ] = None
    """What the names of its metrics have after `ext_authz`."""
    include_peer_certificate: Annotated[Boolean | None, Doc(envoy="ExtAuthz.include_peer_certificate")] = None
    """Whether a gRPC service gets the certificate of the client. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one kind of service is set."""
        if (self.grpc_service is None) == (self.http_service is None):
            yield FieldViolation((), "must have exactly one of grpcService and httpService")


class ContextSecret(Fields):
    """A text of a Secret that authorizers get."""

    name: DataKey
    """The name under which they get it."""
    secret_ref: SecretReference
    """The Secret: its key is by default that name."""


class ExtAuth(Disableable):
    """Asks authorizers about each request. Where several are named all have to allow it, in their order."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(
            "extensionRef",
            "extensionRefs",
            "disable",
            message="exactly one of extensionRef, extensionRefs and disable must be set",
        ),
        CelRule(
            "!has(self.contextSecrets) || !has(self.contextExtensions)"
            " || !self.contextSecrets.exists(s, s.name in self.contextExtensions)",
            "must not have a name that contextExtensions have: leave one of them",
            "contextSecrets",
        ),
    )

    extension_ref: ExtensionReference | None = None
    """The GatewayExtension with the authorizer (`extAuth`)."""
    extension_refs: Annotated[
        tuple[ExtensionReference, ...] | None, Field(min_length=1, max_length=MOST_AUTHORIZERS), unique(None, _AGAIN)
    ] = None
    """Those with several authorizers."""
    with_request_body: AuthorizedBody | None = None
    """How much of the body they get, in place of what their extensions say."""
    context_extensions: Annotated[ContextExtensions | None, Doc(envoy="CheckSettings.context_extensions")] = None
    """Texts that gRPC authorizers get with each request."""
    context_secrets: Annotated[
        tuple[ContextSecret, ...] | None,
        Field(min_length=1, max_length=MOST_CONTEXT),
        unique("name", "has the name of an earlier entry: leave one"),
        Doc(envoy="CheckSettings.context_extensions"),
    ] = None
    """Texts of Secrets that gRPC authorizers get with each request, beside those of `contextExtensions`."""
    headers_to_forward: Annotated[HeaderNames, Doc(envoy="ExtAuthz.allowed_headers")] = None
    """The headers of the client's request that they get, in place of what their extensions say."""
    include_route_metadata: Annotated[Boolean | None, Doc(envoy="ExtAuthz.route_metadata_context_namespaces")] = None
    """Whether gRPC authorizers get the namespace and name of the route and the name of its rule, under
    `gateway.headgate.dev` in `route_metadata_context`. By default false."""

    @property
    def references(self) -> tuple[tuple[str, ExtensionReference], ...]:
        """The extensions, each with the path of its reference."""
        if self.extension_ref is not None:
            return (("extensionRef", self.extension_ref),)
        return tuple((f"extensionRefs[{place}]", each) for place, each in enumerate(self.extension_refs or ()))

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there are authorizers, in one way, or none are asked."""
        yield from super().violations()
        if self.extension_ref is not None and self.extension_refs is not None:
            yield FieldViolation(("extensionRefs",), "must not be set together with extensionRef: remove one of them")
        elif self.extension_ref is None and self.extension_refs is None and self.disable is None:
            yield FieldViolation((), "must name an authorizer: set extensionRef, or disable")
        for place, each in enumerate(self.context_secrets or ()):
            if each.name in (self.context_extensions or {}):
                text = "must not be the name of one of contextExtensions: leave one of them"
                yield FieldViolation(("contextSecrets", place, "name"), text)
