"""Envoy's ``OAuth2Config``, and the verification of the tokens that it hands on, made from clients of providers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from headgate_proto.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import (
    JwtAuthentication,
    JwtProvider,
    JwtRequirement,
)
from headgate_proto.envoy.extensions.filters.http.oauth2.v3.oauth_pb2 import (
    CookieConfig,
    OAuth2Config,
    OAuth2PerRoute,
    PrivateKeyJwtConfig,
)
from translator.envoy.config_source import sds
from translator.envoy.names import cluster_name, generic_secret_name
from translator.ir.oauth2 import OAuth2Client, TokenVerification, VerifiedToken

TOKEN_SECONDS: Final = 5
"""Seconds that the token endpoint may take."""
JWKS_SECONDS: Final = 5
"""Seconds that a fetch of keys may take."""
JWKS_CACHE_SECONDS: Final = 300
"""Seconds for which keys are used until they are fetched again."""
COOKIE_BYTES: Final = 3500
"""Longest value of a cookie, as browsers keep at most 4,096 bytes with its name; longer tokens are divided."""
COOKIE_CHUNKS: Final = 8
"""Into so many cookies a token is divided at most."""
PAYLOAD: Final = "payload"
"""The name of the claims of the ID token in the dynamic metadata of requests; of the access token, if that alone is."""
ACCESS_PAYLOAD: Final = "access_token"
"""The name of the claims of the access token where those of an ID token are too."""

_AUTH_TYPES: Final = {
    "URLEncodedBody": OAuth2Config.URL_ENCODED_BODY,
    "BasicAuth": OAuth2Config.BASIC_AUTH,
    "PrivateKeyJwt": OAuth2Config.PRIVATE_KEY_JWT,
}
_ALGORITHMS: Final = {
    "RS256": PrivateKeyJwtConfig.RS256,
    "RS384": PrivateKeyJwtConfig.RS384,
    "RS512": PrivateKeyJwtConfig.RS512,
    "ES256": PrivateKeyJwtConfig.ES256,
    "ES384": PrivateKeyJwtConfig.ES384,
    "ES512": PrivateKeyJwtConfig.ES512,
}
_SAME_SITE: Final = {"Lax": CookieConfig.LAX, "Strict": CookieConfig.STRICT, "None": CookieConfig.NONE}
_COOKIES: Final = (
    ("bearer_token_cookie_config", False),
    ("oauth_hmac_cookie_config", False),
    ("oauth_expires_cookie_config", False),
    ("id_token_cookie_config", False),
    ("refresh_token_cookie_config", False),
    ("oauth_nonce_cookie_config", True),
    ("code_verifier_cookie_config", True),
)
"""The fields of cookies, and whether they are those of a login that is not finished."""


def oauth2_per_route(
    client: OAuth2Client,
    deny_redirect: Iterable[HeaderMatcher] = (),
    pass_through: Iterable[HeaderMatcher] = (),
    allow_failed: Iterable[HeaderMatcher] = (),
) -> OAuth2PerRoute:
    """Make what a route says of logins.

    Args:
        client: the client of the provider.
        deny_redirect: requests that get 401 in place of a redirection.
        pass_through: requests that need no login.
        allow_failed: requests that go on if they are not logged in.
    """
    made = OAuth2PerRoute()
    config = made.config
    config.token_endpoint.uri = client.token_endpoint
    config.token_endpoint.cluster = cluster_name(client.backend)
    config.token_endpoint.timeout.seconds = TOKEN_SECONDS
    config.authorization_endpoint = client.authorization_endpoint
    config.end_session_endpoint = client.end_session_endpoint
    if client.post_logout_redirect_uri:
        config.post_logout_redirect_uri.uri = client.post_logout_redirect_uri
    config.redirect_uri = client.redirect_uri
    config.redirect_path_matcher.path.exact = client.redirect_path
    config.signout_path.path.exact = client.logout_path
    config.auth_scopes.extend(client.scopes)
    config.resources.extend(client.resources)
    config.auth_type = _AUTH_TYPES[client.auth_type]
    if client.algorithm:
        config.private_key_jwt_config.signing_algorithm = _ALGORITHMS[client.algorithm]
    config.pass_through_matcher.extend(pass_through)
    config.deny_redirect_matcher.extend(deny_redirect)
    config.allow_failed_matcher.extend(allow_failed)
    _write_credentials(config, client)
    _write_cookies(config, client)
    _write_tokens(config, client)
    return made


def _write_credentials(config: OAuth2Config, client: OAuth2Client) -> None:
    credentials = config.credentials
    credentials.client_id = client.client_id
    credentials.token_secret.CopyFrom(sds(generic_secret_name(client.secret)))
    credentials.hmac_secret.CopyFrom(sds(generic_secret_name(client.hmac)))
    credentials.cookie_domain = client.cookie_domain
    names, given = credentials.cookie_names, client.cookie_names
    names.bearer_token, names.id_token, names.refresh_token = given.access_token, given.id_token, given.refresh_token
    names.oauth_expires, names.oauth_hmac = given.expires, given.hmac
    names.oauth_nonce, names.code_verifier = given.nonce, given.code_verifier


def _write_cookies(config: OAuth2Config, client: OAuth2Client) -> None:
    for name, of_login in _COOKIES:
        # The way back from the provider's page is a navigation between sites.
        lax = of_login and client.same_site == "Strict"
        getattr(config.cookie_configs, name).same_site = CookieConfig.LAX if lax else _SAME_SITE[client.same_site]
    config.token_cookie_chunking.max_cookie_size.value = COOKIE_BYTES
    config.token_cookie_chunking.max_chunks.value = COOKIE_CHUNKS
    config.disable_access_token_set_cookie = not client.keeps_access_token
    config.disable_id_token_set_cookie = not client.keeps_id_token
    config.disable_refresh_token_set_cookie = not client.keeps_refresh_token
    config.disable_token_encryption = not client.encrypts


def _write_tokens(config: OAuth2Config, client: OAuth2Client) -> None:
    verification = client.verification
    verified = verification is not None and verification.access_token is not None
    config.forward_bearer_token = client.forward_access_token or verified
    if header := id_token_header(client):
        config.forward_id_token.header = header
    config.preserve_authorization_header = client.keeps_authorization
    config.use_refresh_token.value = client.refreshes
    _write_duration(config.default_expires_in, client.token_ttl)
    _write_duration(config.default_refresh_token_expires_in, client.refresh_token_ttl)
    _write_duration(config.csrf_token_expires_in, client.login_ttl)
    _write_duration(config.code_verifier_token_expires_in, client.login_ttl)


def _write_duration(duration: Any, milliseconds: int) -> None:
    if milliseconds:
        duration.FromMilliseconds(milliseconds)


def id_token_header(client: OAuth2Client) -> str:
    """Return the header by which the ID token is handed on: to backends, or to its verification alone; "" if it is not.

    Envoy's filter removes what clients send in it, whether or not a request needs a login.
    """
    if client.id_token_header or client.verification is None or client.verification.id_token is None:
        return client.id_token_header
    return f"x-id-token-{client.cookie_names.id_token.lower()}"


def token_authentication(client: OAuth2Client, found: TokenVerification, key: str, optional: bool) -> JwtAuthentication:
    """Make what verifies the tokens that the login has handed on.

    Args:
        client: the client of the provider.
        found: how tokens are verified.
        key: the name of the requirement.
        optional: whether there are requests without a login; a token that they have all the same must be valid.
    """
    made = JwtAuthentication()
    names = []
    if found.id_token is not None:
        names.append(f"{key}/id_token")
        provider = _provider(found, found.id_token, PAYLOAD)
        provider.from_headers.add(name=id_token_header(client))
        provider.forward = bool(client.id_token_header)
        made.providers[names[-1]].CopyFrom(provider)
    if found.access_token is not None:
        names.append(f"{key}/access_token")
        provider = _provider(found, found.access_token, ACCESS_PAYLOAD if found.id_token is not None else PAYLOAD)
        provider.from_headers.add(name="authorization", value_prefix="Bearer ")
        provider.forward = client.forward_access_token
        made.providers[names[-1]].CopyFrom(provider)
    wanted = [_requirement(each, optional) for each in names]
    if len(wanted) == 1:
        made.requirement_map[key].CopyFrom(wanted[0])
    else:
        made.requirement_map[key].requires_all.requirements.extend(wanted)
    return made


def _requirement(provider: str, optional: bool) -> JwtRequirement:
    made = JwtRequirement()
    if optional:
        either = made.requires_any.requirements
        either.add(provider_name=provider)
        either.add().allow_missing.SetInParent()
    else:
        made.provider_name = provider
    return made


def _provider(found: TokenVerification, token: VerifiedToken, payload: str) -> JwtProvider:
    made = JwtProvider(issuer=found.issuer, audiences=token.audiences, payload_in_metadata=payload)
    made.require_expiration = True
    remote = made.remote_jwks
    remote.http_uri.uri, remote.http_uri.cluster = found.jwks_uri, cluster_name(found.backend)
    remote.http_uri.timeout.seconds = JWKS_SECONDS
    remote.cache_duration.seconds = JWKS_CACHE_SECONDS
    # Requests do not wait for the first fetch, nor does the listener.
    remote.async_fetch.fast_listener = True
    for claim, header in token.claims:
        added = made.claim_to_headers.add(header_name=header)
        if isinstance(claim, str):
            added.claim_name = claim
        else:
            for step in claim:
                added.claim_path.add(key=step)
    return made
