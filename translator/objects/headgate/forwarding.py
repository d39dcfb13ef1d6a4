"""The units of TrafficPolicies that say where requests are sent, beside the backends of their rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.headers import Host
from translator.objects.headgate.types import Share
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ALL_CHANGEABLE
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import (
    COOKIE_ATTRIBUTE,
    COOKIE_PATH,
    COOKIE_VALUE,
    Boolean,
    HeaderName,
    Milliseconds,
)

_AGAIN: Final = "is in the list already: remove it"

RedirectCode = Literal[301, 302, 303, 307, 308]


class InternalRedirect(Fields):
    """Redirects of backends that the proxy follows by itself, if a route of the same listener serves their target."""

    redirect_response_codes: Annotated[
        tuple[RedirectCode, ...] | None,
        Field(min_length=1, max_length=5),
        unique(None, _AGAIN),
        Doc(envoy="RouteAction.internal_redirect_policy.redirect_response_codes"),
    ] = None
    """The statuses that are followed. By default 302 only."""
    max_redirects: Annotated[
        Annotated[StrictInt, Field(ge=1, le=10)] | None,
        Doc(envoy="RouteAction.internal_redirect_policy.max_internal_redirects"),
    ] = None
    """The most redirects of one request that are followed; the client gets the next one. By default 1."""
    allow_cross_scheme_redirect: Annotated[
        Boolean | None, Doc(envoy="RouteAction.internal_redirect_policy.allow_cross_scheme_redirect")
    ] = None
    """Whether redirects from https to http are followed too; those from http to https never are. By default false."""
    response_headers_to_copy: Annotated[
        tuple[HeaderName, ...] | None,
        Field(max_length=16),
        ALL_CHANGEABLE,
        unique(None, _AGAIN),
        Doc(envoy="RouteAction.internal_redirect_policy.response_headers_to_copy"),
    ] = None
    """Headers of the redirect that the next request gets."""


class RequestMirror(Fields):
    """Copies of requests, whose responses are dropped. The mirrors of a rule itself keep their backends."""

    backend_ref: Annotated[
        BackendObjectReference | None, ATOMIC, Doc(envoy="RouteAction.request_mirror_policies.cluster")
    ] = None
    """The backend that gets the copies. Without it, the other fields concern the mirrors of the rules themselves."""
    share: Annotated[Share | None, Doc(envoy="RouteAction.request_mirror_policies.runtime_fraction")] = None
    """The share of requests that are copied. By default 100."""
    host_rewrite_literal: Annotated[
        Host | None, Doc(envoy="RouteAction.request_mirror_policies.host_rewrite_literal")
    ] = None
    """The Host of the copies. By default that of the request."""
    disable_shadow_host_suffix_append: Annotated[
        Boolean | None, Doc(envoy="RouteAction.request_mirror_policies.disable_shadow_host_suffix_append")
    ] = None
    """Whether the Host of copies is without the suffix `-shadow`. By default true."""


class UpgradeConnect(Fields):
    """What is done to the data of CONNECT."""

    terminate: Boolean | None = None
    """Whether the proxy ends the tunnel, and sends its data to the backend by TCP. By default false."""


class HttpUpgrade(CheckedFields):
    """A protocol that clients may change to."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.connect) || self.type.lowerAscii() == 'connect'",
            "connect must not be set for other types than CONNECT: remove it",
        ),
    )

    type: Annotated[HeaderName, AfterValidator(str.lower), Doc(envoy="RouteAction.upgrade_configs.upgrade_type")]
    """The value of the header Upgrade, such as `websocket`, or `CONNECT`; upper and lower case are the same."""
    enabled: Annotated[Boolean | None, Doc(envoy="RouteAction.upgrade_configs.enabled")] = None
    """Whether requests for it are forwarded; others get 403. By default true."""
    connect: Annotated[UpgradeConnect | None, ATOMIC, Doc(envoy="RouteAction.upgrade_configs.connect_config")] = None
    """For CONNECT only."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if another type has settings of CONNECT."""
        if self.connect is not None and self.type != "connect":
            yield FieldViolation(("connect",), "must not be set for other types than CONNECT: remove it")


class HashHeader(Fields):
    """A header of the request."""

    name: HeaderName
    """Its name."""


class CookieAttribute(Fields):
    """An attribute of a cookie."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=COOKIE_ATTRIBUTE)]
    """Its name, such as `SameSite`."""
    value: Annotated[str, StringConstraints(max_length=1024, pattern=COOKIE_VALUE)] | None = None
    """Its value; without one, only the name is written."""


class HashCookie(Fields):
    """A cookie of the request; with a `ttl`, the proxy sets it for clients that have none."""

    name: HeaderName
    """Its name."""
    ttl: Milliseconds | None = None
    """How long clients keep a cookie that the proxy has set, in whole seconds; `0s` for as long as the browser runs.
    Without it, the proxy sets no cookie."""
    path: Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=COOKIE_PATH)] | None = None
    """The path of a cookie that the proxy sets."""
    attributes: Annotated[tuple[CookieAttribute, ...] | None, Field(max_length=8), unique("name", _AGAIN)] = None
    """Other attributes of a cookie that the proxy sets."""


class HashQueryParameter(Fields):
    """A parameter of the query."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """Its name."""


class HashSourceIP(Fields):
    """The address of the client; it is written ``{}``."""


class HashPolicy(CheckedFields):
    """A part of requests; those in which it is the same are sent to one endpoint."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(
            "header",
            "cookie",
            "queryParam",
            "sourceIP",
            message="exactly one of header, cookie, queryParam and sourceIP must be set",
        ),
    )

    header: Annotated[HashHeader | None, Doc(envoy="RouteAction.hash_policy.header")] = None
    """A header."""
    cookie: Annotated[HashCookie | None, Doc(envoy="RouteAction.hash_policy.cookie")] = None
    """A cookie."""
    query_param: Annotated[HashQueryParameter | None, Doc(envoy="RouteAction.hash_policy.query_parameter")] = None
    """A parameter of the query."""
    source_ip: Annotated[
        HashSourceIP | None,
        Field(alias="sourceIP"),
        Doc(envoy="RouteAction.hash_policy.connection_properties.source_ip"),
    ] = None
    """The address of the client."""
    terminal: Annotated[Boolean | None, Doc(envoy="RouteAction.hash_policy.terminal")] = None
    """Whether later entries are left out where this one has a value. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        members = {"header": self.header, "cookie": self.cookie, "queryParam": self.query_param}
        given = [name for name, value in (members | {"sourceIP": self.source_ip}).items() if value is not None]
        if len(given) != 1:
            found = f"; set are: {', '.join(given)}" if given else ""
            yield FieldViolation((), f"must have exactly one of header, cookie, queryParam and sourceIP{found}")


HttpUpgrades = Annotated[tuple[HttpUpgrade, ...] | None, Field(max_length=8), unique("type", _AGAIN), ByKey("type")]
HashPolicies = Annotated[tuple[HashPolicy, ...] | None, Field(max_length=16)]
