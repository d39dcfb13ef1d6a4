"""JSON Web Tokens (RFC 7519): the unit `jwtAuth` of TrafficPolicies, and the member `jwt` of GatewayExtensions."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.references import ExtensionReference, SecretReference
from translator.objects.headgate.types import Disableable, StringMatch
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ChangeableHeader
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import (
    HTTP_URL,
    PRINTABLE,
    PRINTABLE_OR_EMPTY,
    Boolean,
    DataKey,
    DnsLabel,
    HeaderName,
    ObjectName,
    PositiveMilliseconds,
)

JWKS_KEY: Final = "jwks"
"""The key of a ConfigMap or Secret that holds a set of keys, unless the reference names another."""

_AGAIN: Final = "is there twice: remove one of them"

ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=PRINTABLE)]
Audiences = Annotated[tuple[Text, ...] | None, Field(min_length=1, max_length=32), unique(None, _AGAIN)]
Mode = Literal["Strict", "AllowMissing", "AllowMissingOrFailed"]
"""Which requests may pass: those with a valid token, those without a token too, or all."""
HttpUrl = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=HTTP_URL)]


class TokenHeader(Fields):
    """A header with a token."""

    name: HeaderName
    """Its name."""
    prefix: Annotated[str, StringConstraints(max_length=64, pattern=PRINTABLE_OR_EMPTY)] | None = None
    """What stands before the token. By default nothing, and `Bearer ` in Authorization."""


class TokenSource(CheckedFields):
    """Where requests have their token; each place is looked at."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "[has(self.headers), has(self.queryParams), has(self.cookies)].exists(x, x)",
            "at least one of headers, queryParams and cookies must be set",
        ),
    )

    headers: Annotated[
        tuple[TokenHeader, ...] | None, Field(min_length=1, max_length=8), Doc(envoy="JwtProvider.from_headers")
    ] = None
    """Headers."""
    query_params: Annotated[
        tuple[ClaimName, ...] | None, Field(min_length=1, max_length=8), Doc(envoy="JwtProvider.from_params")
    ] = None
    """Parameters of the query; URLs are in logs and histories, and so are tokens in them."""
    cookies: Annotated[
        tuple[HeaderName, ...] | None, Field(min_length=1, max_length=8), Doc(envoy="JwtProvider.from_cookies")
    ] = None
    """Cookies."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if there is no place."""
        if self.headers is None and self.query_params is None and self.cookies is None:
            yield FieldViolation((), "must have at least one of headers, queryParams and cookies")


class ClaimToHeader(CheckedFields):
    """A claim of valid tokens that backends get as a header; nobody else can send it."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.name) != has(self.path)", "exactly one of name and path must be set"),
    )

    name: Annotated[ClaimName | None, Doc(envoy="JwtClaimToHeader.claim_name")] = None
    """The claim; dots lead into objects, as in `realm_access.tenant`."""
    path: Annotated[
        tuple[ClaimName, ...] | None, Field(min_length=1, max_length=16), Doc(envoy="JwtClaimToHeader.claim_path")
    ] = None
    """The claim, step by step, for names with dots in them: `['https://example.com/tenant']`."""
    header: Annotated[ChangeableHeader, Doc(envoy="JwtClaimToHeader.header_name")]
    """The header. Texts, numbers and booleans are written as they are, lists and objects as JSON in base64."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is exactly one claim."""
        if (self.name is None) == (self.path is None):
            yield FieldViolation((), "must have exactly one of name and path")


class JwksConfigMap(Fields):
    """A key of a ConfigMap of the same namespace."""

    name: ObjectName
    """The name of the ConfigMap."""
    key: DataKey | None = None
    """The key in its `data` or `binaryData`. By default `jwks`."""


class LocalJwks(CheckedFields):
    """Keys that Headgate has: a JSON Web Key Set, a single key, or public keys as PEM.

    They are public keys; private and symmetric ones are refused, as everybody who may read the configuration of a proxy
    would have them.
    """

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("inline", "config_map_ref", "secret_ref"),)
    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(
            "inline",
            "configMapRef",
            "secretRef",
            message="exactly one of inline, configMapRef and secretRef must be set",
        ),
    )

    inline: Annotated[str, StringConstraints(min_length=1, max_length=16_384)] | None = None
    """The keys."""
    config_map_ref: JwksConfigMap | None = None
    """A key of a ConfigMap that holds them."""
    secret_ref: SecretReference | None = None
    """A key of a Secret that holds them, by default `jwks`; in another namespace with a ReferenceGrant."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        members = {"inline": self.inline, "configMapRef": self.config_map_ref, "secretRef": self.secret_ref}
        given = [name for name, value in members.items() if value is not None]
        if len(given) != 1:
            found = f"; set are: {', '.join(given)}" if given else ""
            yield FieldViolation((), f"must have exactly one of inline, configMapRef and secretRef{found}")


class JwksAsyncFetch(Fields):
    """How keys are fetched ahead of requests."""

    failed_refetch_duration: Annotated[
        PositiveMilliseconds | None, Doc(envoy="JwksAsyncFetch.failed_refetch_duration")
    ] = None
    """How long after a failure they are fetched again. By default 1s."""


class JwksRetryPolicy(CheckedFields):
    """How a fetch that fails is tried again at once."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("!has(self.maxInterval) || has(self.baseInterval)", "baseInterval is required beside maxInterval"),
        CelRule(
            "!has(self.maxInterval) || !has(self.baseInterval)"
            " || duration(self.maxInterval) >= duration(self.baseInterval)",
            "must be at least baseInterval",
            "maxInterval",
        ),
    )

    num_retries: Annotated[StrictInt, Field(ge=1, le=10), Doc(envoy="RetryPolicy.num_retries")] = 1
    """How often it is tried again. By default once."""
    base_interval: Annotated[PositiveMilliseconds | None, Doc(envoy="RetryPolicy.retry_back_off.base_interval")] = None
    """How long the first wait is at most; each further one is up to twice as long. By default 1s."""
    max_interval: Annotated[PositiveMilliseconds | None, Doc(envoy="RetryPolicy.retry_back_off.max_interval")] = None
    """How long a wait is at most. By default ten times `baseInterval`."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a longest wait that has no first one, or is shorter than that."""
        if self.max_interval is not None and self.base_interval is None:
            yield FieldViolation(("maxInterval",), "must not be set without baseInterval: add that")
        elif (self.max_interval or 0) < (self.base_interval or 0) and self.max_interval is not None:
            yield FieldViolation(("maxInterval",), "must be at least baseInterval")


class RemoteJwks(CheckedFields):
    """Keys that the proxy fetches, and fetches again."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.url) || has(self.backendRef)", "at least one of url and backendRef must be set"),
    )

    url: Annotated[HttpUrl | None, Doc(envoy="RemoteJwks.http_uri.uri")] = None
    """The URL: https, or http to a `backendRef`. By default `/.well-known/jwks.json` of the backend."""
    backend_ref: Annotated[BackendObjectReference | None, Doc(envoy="RemoteJwks.http_uri.cluster")] = None
    """What serves the URL. By default its host, which the proxy resolves, and trusts by the system's certificates."""
    timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="RemoteJwks.http_uri.timeout")] = None
    """How long a fetch may take. By default 5s."""
    cache_duration: Annotated[PositiveMilliseconds | None, Doc(envoy="RemoteJwks.cache_duration")] = None
    """How long keys are used until they are fetched again. By default 5m."""
    async_fetch: Annotated[JwksAsyncFetch | None, Doc(envoy="RemoteJwks.async_fetch")] = None
    """How keys are fetched ahead of requests, which always happens."""
    retry_policy: Annotated[JwksRetryPolicy | None, Doc(envoy="RemoteJwks.retry_policy")] = None
    """How a fetch that fails is tried again at once. By default it is not."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if nothing says where the keys are."""
        if self.url is None and self.backend_ref is None:
            yield FieldViolation((), "must have at least one of url and backendRef")


class Jwks(CheckedFields):
    """The keys by which tokens are verified."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.local) != has(self.remote)", "exactly one of local and remote must be set"),
    )

    local: Annotated[LocalJwks | None, Doc(envoy="JwtProvider.local_jwks")] = None
    """Keys that Headgate has."""
    remote: RemoteJwks | None = None
    """Keys that the proxy fetches."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if (self.local is None) == (self.remote is None):
            yield FieldViolation((), "must have exactly one of local and remote")


class JwtProvider(Fields):
    """An issuer of tokens: which of its tokens are valid, and what becomes of their claims."""

    name: DnsLabel
    """The name of the provider, by which rules of `rbac` refer to it."""
    issuer: Annotated[Text | None, Doc(envoy="JwtProvider.issuer")] = None
    """The claim `iss` of its tokens. By default any, with whichever of its keys they are signed."""
    audiences: Annotated[Audiences, Doc(envoy="JwtProvider.audiences")] = None
    """The claim `aud` has to hold one of these. By default any."""
    subjects: Annotated[
        tuple[StringMatch, ...] | None, Field(min_length=1, max_length=16), Doc(envoy="JwtProvider.subjects")
    ] = None
    """The claim `sub` has to match one of these. By default any."""
    token_source: TokenSource | None = None
    """Where requests have their token. By default the header Authorization, after `Bearer `."""
    claims_to_headers: Annotated[tuple[ClaimToHeader, ...] | None, Field(max_length=32), unique("header", _AGAIN)] = (
        None
    )
    """Claims that backends get as headers. What clients send in these headers is removed."""
    forward_token: Annotated[Boolean | None, Doc(envoy="JwtProvider.forward")] = None
    """Whether backends get the token too. By default false."""
    clock_skew: Annotated[PositiveMilliseconds | None, Doc(envoy="JwtProvider.clock_skew_seconds")] = None
    """How far clocks may differ: tokens are valid so much earlier and longer, in whole seconds. By default 60s."""
    require_expiration: Annotated[Boolean | None, Doc(envoy="JwtProvider.require_expiration")] = None
    """Whether tokens without the claim `exp` are refused. By default true."""
    recompute_route: Annotated[Boolean | None, Doc(envoy="JwtProvider.clear_route_cache")] = None
    """Whether a route is chosen again once claims are in headers; one with other protection responds with 403. By
    default false."""
    jwks: Jwks
    """The keys by which its tokens are verified."""


Providers = Annotated[tuple[JwtProvider, ...], Field(min_length=1, max_length=32), unique("name", _AGAIN)]


class JwtExtension(Fields):
    """Issuers of tokens that policies share."""

    validation_mode: Mode | None = None
    """Which requests pass, where policies do not say it: those with a valid token (Strict), those without a token too
    (AllowMissing), or all (AllowMissingOrFailed). By default Strict."""
    providers: Providers
    """The issuers; a valid token of one of them is enough, unless a policy has `requireAll`."""


class JwtAuth(Disableable):
    """Requests need a valid token: a JSON Web Token that one of some providers has signed.

    Others get 401, or 403 if the token is of another audience.
    """

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("extension_ref", "providers", "disable"),)
    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.disable) || (has(self.extensionRef) != has(self.providers))",
            "exactly one of extensionRef, providers and disable must be set",
        ),
    )

    extension_ref: ExtensionReference | None = None
    """A GatewayExtension with the member `jwt`; in another namespace with a ReferenceGrant."""
    providers: Annotated[Providers | None, Doc(envoy="JwtAuthentication.providers")] = None
    """The issuers, in place of a GatewayExtension."""
    mode: Annotated[Mode | None, Doc(envoy="JwtRequirement.allow_missing, allow_missing_or_failed")] = None
    """Which requests pass: those with a valid token (Strict), those without a token too (AllowMissing), or all
    (AllowMissingOrFailed); backends get claims of valid tokens only. By default as the GatewayExtension says, or
    Strict."""
    require_all: Annotated[Boolean | None, Doc(envoy="JwtRequirement.requires_all")] = None
    """Whether a request needs a valid token of every provider, each of which has to have a place of its own. By default
    false: one of any of them."""
    audiences: Annotated[Audiences, Doc(envoy="JwtRequirement.provider_and_audiences")] = None
    """The claim `aud` has to hold one of these; of a provider with audiences, one that it has too."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one of the members is set."""
        yield from super().violations()
        if self.disable is None and (self.extension_ref is None) == (self.providers is None):
            yield FieldViolation((), "must have exactly one of extensionRef, providers and disable")


JwtAuthUnit = Annotated[JwtAuth | None, ATOMIC, Doc(envoy="PerRouteConfig.requirement_name")]
