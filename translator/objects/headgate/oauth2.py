"""Logins by OAuth 2.0 and OpenID Connect: the unit `oauth2`, and the member `oauth2` of GatewayExtensions."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.jwt import Audiences, ClaimToHeader
from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.references import ExtensionReference, SecretReference
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ChangeableHeader
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import (
    DATA_KEY,
    OAUTH_PATH,
    OAUTH_SCOPE,
    PRINTABLE,
    REDIRECT_URI,
    URL,
    Boolean,
    PositiveMilliseconds,
    PreciseHostname,
)

CLIENT_ID_KEY: Final = "client-id"
"""The key of a Secret that holds the client's id, unless the reference names another."""
CLIENT_SECRET_KEY: Final = "client-secret"
"""The key of a Secret that holds the client's secret, unless the reference names another."""

AGAIN: Final = "is there twice: remove one of them"

Url = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=URL)]
RedirectUri = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=REDIRECT_URI)]
PathOnly = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=OAUTH_PATH)]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=OAUTH_SCOPE)]
CookieName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=DATA_KEY)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=PRINTABLE)]
Scopes = Annotated[tuple[Scope, ...] | None, Field(min_length=1, max_length=32), unique(None, AGAIN)]
Resources = Annotated[tuple[Url, ...] | None, Field(min_length=1, max_length=32), unique(None, AGAIN)]
Algorithm = Literal["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]


class RequestMatches(Fields):
    """Requests that have one of some headers."""

    headers: Annotated[tuple[HeaderMatch, ...], Field(min_length=1, max_length=16)]
    """The headers; one that matches is enough."""


class ForwardedIDToken(Fields):
    """How backends get the ID token."""

    header: Annotated[ChangeableHeader, Doc(envoy="OAuth2TokenForwarding.header")]
    """The header that holds it. What clients send in this header is removed."""


class OAuth2Credentials(CheckedFields):
    """Who Headgate's proxies are to the provider."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("client_id", "client_id_ref"),)
    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.clientID) != has(self.clientIDRef)", "exactly one of clientID and clientIDRef must be set"),
    )

    client_id: Annotated[ClientId | None, Field(alias="clientID"), Doc(envoy="OAuth2Credentials.client_id")] = None
    """The id of the client."""
    client_id_ref: Annotated[SecretReference | None, Field(alias="clientIDRef")] = None
    """A key of a Secret that holds it, by default `client-id`."""
    client_secret_ref: Annotated[SecretReference, Doc(envoy="OAuth2Credentials.token_secret")]
    """A key of a Secret that holds the secret of the client, by default `client-secret`; with the `authType`
    PrivateKeyJwt, its private key as PEM. Cookies are signed with a key that is derived of it."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is exactly one id."""
        if (self.client_id is None) == (self.client_id_ref is None):
            yield FieldViolation((), "must have exactly one of clientID and clientIDRef")


class OAuth2CookieNames(Fields):
    """Names of cookies, in place of those with a hash of the GatewayExtension at their end."""

    access_token: CookieName | None = None
    """The access token. By default `BearerToken-` and the hash."""
    id_token: Annotated[CookieName | None, Field(alias="idToken")] = None
    """The ID token. By default `IdToken-` and the hash."""
    refresh_token: CookieName | None = None
    """The refresh token. By default `RefreshToken-` and the hash."""
    expires: CookieName | None = None
    """When the tokens expire. By default `OauthExpires-` and the hash."""
    hmac: CookieName | None = None
    """The signature of the other cookies. By default `OauthHMAC-` and the hash."""
    nonce: CookieName | None = None
    """What ties a login to the browser that began it. By default `OauthNonce-` and the hash."""
    code_verifier: CookieName | None = None
    """What ties a code to the login that asked for it. By default `CodeVerifier-` and the hash."""


class OAuth2Cookies(CheckedFields):
    """The cookies that keep users logged in."""

    rules: ClassVar[tuple[CelRule, ...]] = ()

    domain: Annotated[PreciseHostname | None, Doc(envoy="OAuth2Credentials.cookie_domain")] = None
    """The domain whose hosts share the cookies: that of the requests, or one above. By default the host alone."""
    names: Annotated[OAuth2CookieNames | None, Doc(envoy="OAuth2Credentials.cookie_names")] = None
    """Their names."""
    same_site: Annotated[Literal["Lax", "Strict", "None"] | None, Doc(envoy="CookieConfig.same_site")] = None
    """To which sites' pages browsers send them along. By default Lax. Those of a login that is not finished are Lax at
    least, as the provider's page leads back to yours."""
    disable_access_token_set_cookie: Annotated[
        Boolean | None, Doc(envoy="OAuth2Config.disable_access_token_set_cookie")
    ] = None
    """Whether the access token is kept nowhere; backends never get it then. By default false."""
    disable_id_token_set_cookie: Annotated[
        Boolean | None, Field(alias="disableIDTokenSetCookie"), Doc(envoy="OAuth2Config.disable_id_token_set_cookie")
    ] = None
    """Whether the ID token is kept nowhere; it is neither verified nor forwarded then. By default false."""
    disable_refresh_token_set_cookie: Annotated[
        Boolean | None, Doc(envoy="OAuth2Config.disable_refresh_token_set_cookie")
    ] = None
    """Whether the refresh token is kept nowhere; users log in again once their tokens expire. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of two cookies with one name."""
        given = [each for each in self.names.__dict__.values() if each is not None] if self.names is not None else []
        if len(set(given)) < len(given):
            yield FieldViolation(("names",), "must not have one name for two cookies: change one of them")


class TokenValidation(Fields):
    """What tokens have to be, and what becomes of their claims."""

    audiences: Annotated[Audiences, Doc(envoy="JwtProvider.audiences")] = None
    """The claim `aud` has to hold one of these. By default the client's id for ID tokens, and any for access tokens."""
    claims_to_headers: Annotated[
        tuple[ClaimToHeader, ...] | None,
        Field(max_length=32),
        unique("header", AGAIN),
        Doc(envoy="JwtProvider.claim_to_headers"),
    ] = None
    """Claims that backends get as headers. What clients send in these headers is removed."""


class OAuth2TokenVerification(CheckedFields):
    """Verifies the signatures and claims of tokens at each request, by the keys of the issuer."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.idToken) || has(self.accessToken)", "at least one of idToken and accessToken must be set"),
    )

    jwks_uri: Annotated[Url | None, Field(alias="jwksURI"), Doc(envoy="RemoteJwks.http_uri.uri")] = None
    """The URL of the keys. By default that in the metadata of `issuerURI`."""
    jwks_backend_ref: Annotated[BackendObjectReference | None, Doc(envoy="RemoteJwks.http_uri.cluster")] = None
    """What serves that URL. By default its host, which the proxy resolves, and trusts by the system's certificates."""
    id_token: TokenValidation | None = None
    """Verifies ID tokens."""
    access_token: TokenValidation | None = None
    """Verifies access tokens, of providers whose access tokens are JSON Web Tokens."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if no token is verified."""
        if self.id_token is None and self.access_token is None:
            yield FieldViolation((), "must have at least one of idToken and accessToken")


class OAuth2Extension(CheckedFields):
    """A provider where browsers log in by OAuth 2.0 (RFC 6749), as with OpenID Connect."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.issuerURI) || (has(self.authorizationEndpoint) && has(self.tokenEndpoint))",
            "issuerURI must be set, or authorizationEndpoint and tokenEndpoint",
        ),
        CelRule(
            "!has(self.jwt) || has(self.issuerURI) || has(self.jwt.jwksURI)",
            "must have jwksURI where issuerURI is not set",
            "jwt",
        ),
        CelRule(
            "!has(self.signingAlgorithm) || (has(self.authType) && self.authType == 'PrivateKeyJwt')",
            "must not be set unless authType is PrivateKeyJwt",
            "signingAlgorithm",
        ),
    )

    issuer_uri: Annotated[Url | None, Field(alias="issuerURI")] = None
    """The issuer, whose metadata Headgate fetches (OpenID Connect Discovery): what is not set here is from there."""
    authorization_endpoint: Annotated[Url | None, Doc(envoy="OAuth2Config.authorization_endpoint")] = None
    """Where browsers are sent to log in."""
    token_endpoint: Annotated[Url | None, Doc(envoy="OAuth2Config.token_endpoint.uri")] = None
    """Where the proxy exchanges codes for tokens."""
    end_session_endpoint: Annotated[Url | None, Doc(envoy="OAuth2Config.end_session_endpoint")] = None
    """Where browsers are sent to log out; the scopes must have `openid`. By default that of the metadata, if that has
    one: otherwise only the cookies are deleted."""
    backend_ref: Annotated[BackendObjectReference | None, Doc(envoy="OAuth2Config.token_endpoint.cluster")] = None
    """What serves the token endpoint. By default its host, which the proxy resolves, and trusts by the system's
    certificates."""
    credentials: OAuth2Credentials
    """The id and the secret of the client."""
    redirect_uri: Annotated[
        RedirectUri | None, Field(alias="redirectURI"), Doc(envoy="OAuth2Config.redirect_uri, redirect_path_matcher")
    ] = None
    """Where the provider sends browsers after a login: a URL, whose scheme and host may be formats of Envoy's; the
    provider has to know it. By default `%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/redirect`."""
    logout_path: Annotated[PathOnly | None, Doc(envoy="OAuth2Config.signout_path")] = None
    """The path that logs users out. By default `/logout`."""
    post_logout_redirect_uri: Annotated[
        Url | None, Field(alias="postLogoutRedirectURI"), Doc(envoy="OAuth2Config.post_logout_redirect_uri")
    ] = None
    """Where the provider sends browsers after a logout. By default `/` of the host."""
    scopes: Annotated[Scopes, Doc(envoy="OAuth2Config.auth_scopes")] = None
    """The scopes that are asked for. By default `openid`."""
    resources: Annotated[Resources, Doc(envoy="OAuth2Config.resources")] = None
    """The resources that tokens are asked for (RFC 8707)."""
    forward_access_token: Annotated[Boolean | None, Doc(envoy="OAuth2Config.forward_bearer_token")] = None
    """Whether backends get the access token in Authorization. By default false."""
    forward_id_token: Annotated[
        ForwardedIDToken | None, Field(alias="forwardIDToken"), Doc(envoy="OAuth2Config.forward_id_token")
    ] = None
    """How backends get the ID token. By default not at all."""
    pass_through_auth_header: Annotated[Boolean | None, Doc(envoy="OAuth2Config.preserve_authorization_header")] = None
    """Whether the header Authorization of clients is kept; not together with `forwardAccessToken`. By default
    false."""
    refresh_token: Annotated[Boolean | None, Doc(envoy="OAuth2Config.use_refresh_token")] = None
    """Whether tokens that expire are renewed, if the provider gives refresh tokens. By default true."""
    cookies: OAuth2Cookies | None = None
    """The cookies that keep users logged in."""
    default_token_ttl: Annotated[
        PositiveMilliseconds | None, Field(alias="defaultTokenTTL"), Doc(envoy="OAuth2Config.default_expires_in")
    ] = None
    """How long tokens last of which the provider does not say it. By default such a login fails."""
    default_refresh_token_ttl: Annotated[
        PositiveMilliseconds | None,
        Field(alias="defaultRefreshTokenTTL"),
        Doc(envoy="OAuth2Config.default_refresh_token_expires_in"),
    ] = None
    """How long refresh tokens last of which the provider does not say it. By default 168h."""
    csrf_token_ttl: Annotated[
        PositiveMilliseconds | None,
        Field(alias="csrfTokenTTL"),
        Doc(envoy="OAuth2Config.csrf_token_expires_in, code_verifier_token_expires_in"),
    ] = None
    """How long a login may take. By default 10m."""
    disable_token_encryption: Annotated[Boolean | None, Doc(envoy="OAuth2Config.disable_token_encryption")] = None
    """Whether the tokens in cookies are readable to the browser. By default false."""
    auth_type: Annotated[
        Literal["URLEncodedBody", "BasicAuth", "PrivateKeyJwt"] | None, Doc(envoy="OAuth2Config.auth_type")
    ] = None
    """How the proxy authenticates at the token endpoint. By default URLEncodedBody: by fields of the body."""
    signing_algorithm: Annotated[Algorithm | None, Doc(envoy="PrivateKeyJwtConfig.signing_algorithm")] = None
    """The algorithm of the `authType` PrivateKeyJwt. By default RS256."""
    deny_redirect: Annotated[RequestMatches | None, Doc(envoy="OAuth2Config.deny_redirect_matcher")] = None
    """Requests that get 401 in place of a redirection to the provider, such as those of scripts."""
    jwt: OAuth2TokenVerification | None = None
    """Verifies tokens at each request. By default they are trusted as the provider gave them."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of endpoints and keys that nothing names, and of settings that exclude each other."""
        if self.issuer_uri is None and (self.authorization_endpoint is None or self.token_endpoint is None):
            yield FieldViolation((), "must have issuerURI, or authorizationEndpoint and tokenEndpoint")
        if self.jwt is not None and self.issuer_uri is None and self.jwt.jwks_uri is None:
            yield FieldViolation(("jwt",), "must have jwksURI where issuerURI is not set")
        if self.signing_algorithm is not None and self.auth_type != "PrivateKeyJwt":
            yield FieldViolation(("signingAlgorithm",), "must not be set unless authType is PrivateKeyJwt: remove it")


class OAuth2Policy(Disableable):
    """Users have to be logged in at a provider; browsers are sent there."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.disable) != has(self.extensionRef)", "exactly one of extensionRef and disable must be set"),
    )

    extension_ref: Annotated[ExtensionReference | None, Doc(envoy="OAuth2PerRoute")] = None
    """A GatewayExtension with the member `oauth2`; in another namespace with a ReferenceGrant."""
    redirect_uri: Annotated[
        RedirectUri | None, Field(alias="redirectURI"), Doc(envoy="OAuth2Config.redirect_uri, redirect_path_matcher")
    ] = None
    """Where the provider sends browsers after a login. By default as the GatewayExtension says, like the following."""
    scopes: Annotated[Scopes, Doc(envoy="OAuth2Config.auth_scopes")] = None
    """The scopes that are asked for."""
    resources: Annotated[Resources, Doc(envoy="OAuth2Config.resources")] = None
    """The resources that tokens are asked for (RFC 8707)."""
    forward_access_token: Annotated[Boolean | None, Doc(envoy="OAuth2Config.forward_bearer_token")] = None
    """Whether backends get the access token in Authorization."""
    forward_id_token: Annotated[
        ForwardedIDToken | None, Field(alias="forwardIDToken"), Doc(envoy="OAuth2Config.forward_id_token")
    ] = None
    """How backends get the ID token."""
    deny_redirect: Annotated[RequestMatches | None, Doc(envoy="OAuth2Config.deny_redirect_matcher")] = None
    """Requests that get 401 in place of a redirection to the provider."""
    pass_through: Annotated[RequestMatches | None, Doc(envoy="OAuth2Config.pass_through_matcher")] = None
    """Requests that need no login: another unit, such as `jwtAuth`, has to protect these. By default none."""
    allow_failed: Annotated[RequestMatches | None, Doc(envoy="OAuth2Config.allow_failed_matcher")] = None
    """Requests that go on without a login, and without tokens, if they are not logged in. By default none."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one of the members is set."""
        yield from super().violations()
        if (self.disable is None) == (self.extension_ref is None):
            yield FieldViolation((), "must have exactly one of extensionRef and disable")


OAuth2Unit = Annotated[OAuth2Policy | None, ATOMIC]
