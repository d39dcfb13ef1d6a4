"""Fields of a ListenerPolicy for what the proxy changes in requests and responses, and what it lets through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.schema.base import CelRule, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import PRINTABLE, Boolean, HeaderName

_AGAIN: Final = "is in the list already: remove it"


class PathSettings(Fields):
    """The form of paths in which routes are matched and policies decide."""

    escaped_slashes_action: Annotated[
        Literal["KeepUnchanged", "RejectRequest", "UnescapeAndForward", "UnescapeAndRedirect"] | None,
        Doc(envoy="HttpConnectionManager.path_with_escaped_slashes_action"),
    ] = None
    """What is done with a path that has `%2F` or `%5C` in it. With KeepUnchanged a backend that takes these for slashes
    serves a path that no rule for it has seen. By default UnescapeAndRedirect."""
    merge_slashes: Annotated[Boolean | None, Doc(envoy="HttpConnectionManager.merge_slashes")] = None
    """Whether several slashes in a row count as one, and backends get one. Without it `//admin` is another path than
    `/admin` to rules, and may be the same to a backend. By default true."""


class UpgradeConfig(Fields):
    """Protocols that clients may change to."""

    enabled_upgrades: Annotated[
        tuple[Annotated[HeaderName, AfterValidator(str.lower)], ...] | None,
        Field(max_length=16),
        unique(None, _AGAIN),
        Doc(envoy="HttpConnectionManager.upgrade_configs"),
    ] = None
    """The values of the header Upgrade; upper and lower case are the same. Requests for others get 403. By default
    `websocket` alone."""


SERVER_NAME_RULE: Final = CelRule(
    "!has(self.serverName) || !has(self.serverHeaderTransformation)"
    " || self.serverHeaderTransformation != 'PassThrough'",
    "must not be set while serverHeaderTransformation is PassThrough: set that to Overwrite or AppendIfAbsent",
    "serverName",
)


class HttpMessageSettings(Fields):
    """What the proxy changes in requests and responses, and what it lets through."""

    server_header_transformation: Annotated[
        Literal["Overwrite", "AppendIfAbsent", "PassThrough"] | None,
        Doc(envoy="HttpConnectionManager.server_header_transformation"),
    ] = None
    """What becomes of the header Server of responses: `serverName` in its place, `serverName` where a backend gives
    none, or as it came. By default PassThrough."""
    server_name: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)] | None,
        Doc(envoy="HttpConnectionManager.server_name"),
    ] = None
    """The value of the header, for Overwrite and AppendIfAbsent. By default `envoy`."""
    strip_host_port_mode: Annotated[
        Literal["None", "Matching", "Any"] | None,
        Doc(envoy="HttpConnectionManager.strip_matching_host_port, strip_any_host_port"),
    ] = None
    """Whether the port is taken off the Host of requests that backends get: never, that of the listener, or any. Routes
    are matched without it in any case. By default None."""
    strip_trailing_host_dot: Annotated[Boolean | None, Doc(envoy="HttpConnectionManager.strip_trailing_host_dot")] = (
        None
    )
    """Whether the dot at the end of a Host such as `example.com.` is taken off on the way to the backend. Routes are
    matched without it in any case. By default false."""
    proxy100_continue: Annotated[
        Boolean | None, Field(alias="proxy100Continue"), Doc(envoy="HttpConnectionManager.proxy_100_continue")
    ] = None
    """Whether it is the backend that answers `Expect: 100-continue`; otherwise the proxy does at once. By default
    false."""
    scheme_header: Annotated[
        Literal["Preserve", "MatchBackend"] | None, Doc(envoy="HttpConnectionManager.scheme_header_transformation")
    ] = None
    """The scheme of requests to backends by HTTP/2: that of the client, or that of the connection to the backend. By
    default Preserve."""
    enable_envoy_headers: Annotated[Boolean | None, Doc(envoy="Router.suppress_envoy_headers")] = None
    """Whether clients and backends get the headers of Envoy's router, such as `x-envoy-upstream-service-time`. By
    default false."""
    path: PathSettings | None = None
    """The form of paths in which routes are matched and policies decide."""
    upgrade_config: Annotated[UpgradeConfig | None, ATOMIC] = None
    """Protocols that clients may change to."""

    def message_violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if a name is set that has no effect."""
        if self.server_name is not None and self.server_header_transformation == "PassThrough":
            yield FieldViolation((SERVER_NAME_RULE.field,), SERVER_NAME_RULE.message)
