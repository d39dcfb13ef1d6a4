"""Providers of logins: what the member `oauth2` of GatewayExtensions says, and what its issuer says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from translator.envoy.oauth2 import id_token_header
from translator.extensions.matchers import match_problems
from translator.extensions.url_backends import url_backend
from translator.gateway.secrets import secret_value
from translator.ir.backend import Backend
from translator.ir.oauth2 import CookieNames, OAuth2Client, TokenVerification, VerifiedToken
from translator.ir.oidc import Discovered, ProviderMetadata
from translator.ir.secret import Derivation, GenericSecret
from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.oauth2 import (
    CLIENT_ID_KEY,
    CLIENT_SECRET_KEY,
    OAuth2Cookies,
    OAuth2Extension,
    TokenValidation,
)
from translator.objects.schema.scalars import PRINTABLE
from translator.outcome import Outcome, Problem, not_resolved
from translator.providers import ProviderContext

REDIRECT_URI: Final = "%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/redirect"
LOGOUT_PATH: Final = "/logout"
SCOPES: Final = ("openid",)
LOGIN_SECONDS: Final = 600
"""Seconds that a login may take, as Envoy has it by default."""
DISCOVERY_FAILED: Final = "DiscoveryFailed"
"""The reason of a provider whose issuer's metadata could not be read, or has not been yet."""
_NAMES: Final = CookieNames(
    "BearerToken", "IdToken", "RefreshToken", "OauthExpires", "OauthHMAC", "OauthNonce", "CodeVerifier"
)
"""The names of the cookies, without the hash."""

_PATH_OF_URI: Final = re.compile(r"^[^/]+://[^/]+(/.*)$")
_CLIENT_ID: Final = re.compile(PRINTABLE)
_HTTP: Final = "http://"


@dataclass(frozen=True, slots=True)
class Provider:
    """What a GatewayExtension provides.

    Attributes:
        client: the client of the provider.
        deny_redirect: requests that get 401 in place of a redirection, where policies do not say it.
    """

    client: OAuth2Client
    deny_redirect: tuple[HeaderMatch, ...] = ()


def read_provider(context: ProviderContext) -> Outcome[Provider | None]:
    """Read a provider; while nothing is known of its issuer, that is a problem."""
    found = context.value
    assert isinstance(found, OAuth2Extension)
    metadata = _metadata(context, found)  # first, so that it is fetched whatever else is wrong
    secret = context.secret(found.credentials.client_secret_ref, CLIENT_SECRET_KEY, "credentials.clientSecretRef")
    client_id = _client_id(context, found)
    deny = found.deny_redirect.headers if found.deny_redirect is not None else ()
    wrong = tuple(match_problems(deny, f"{context.field}.denyRedirect.headers"))
    problems = (*metadata.problems, *secret.problems, *client_id.problems, *wrong)
    if metadata.value is None or secret.value is None or client_id.value is None or wrong:
        return Outcome(None, problems)
    backend = _backend(context, found.backend_ref, "backendRef", metadata.value.token_endpoint, "tokenEndpoint")
    verification = _verification(context, found, metadata.value, client_id.value)
    problems = (*backend.problems, *verification.problems)
    if backend.value is None or (found.jwt is not None and verification.value is None):
        return Outcome(None, problems)
    secrets = secret.value, _signing_key(context, found, secret.value, client_id.value)
    client = _client(context, found, metadata.value, client_id.value, secrets, backend.value, verification.value)
    if problem := conflict(client, context.field):
        return Outcome(None, (*problems, problem))
    return Outcome(Provider(client, deny), problems)


def _metadata(context: ProviderContext, found: OAuth2Extension) -> Outcome[ProviderMetadata | None]:
    """Return the endpoints of a provider: those that its owner has set, and for the others those of its metadata."""
    discovered = ProviderMetadata("", "")
    settings = context.db.settings
    if found.issuer_uri is not None:
        result = context.db.discovered(found.issuer_uri)  # first, so that it is known who asks for it
        if not settings.allow_http_issuers and found.issuer_uri.startswith(_HTTP):
            return context.invalid("issuerURI", _unencrypted(found.issuer_uri))
        if settings.offline:
            result = Discovered(_unknown(found.issuer_uri))
        if result is None or result.metadata is None:
            why = result.error if result is not None else "it is being fetched"
            text = f"{context.field}.issuerURI: the metadata of {found.issuer_uri} is not known: {why}."
            return not_resolved(DISCOVERY_FAILED, text)
        discovered = result.metadata
    made = ProviderMetadata(
        found.authorization_endpoint or discovered.authorization_endpoint,
        found.token_endpoint or discovered.token_endpoint,
        (found.jwt.jwks_uri if found.jwt is not None else None) or discovered.jwks_uri,
        found.end_session_endpoint or discovered.end_session_endpoint,
    )
    for field, own, url in (
        ("authorizationEndpoint", found.authorization_endpoint, made.authorization_endpoint),
        ("endSessionEndpoint", found.end_session_endpoint, made.end_session_endpoint),
    ):
        if url.startswith(_HTTP) and not settings.allow_http_issuers:
            where = field if own else "issuerURI"
            return context.invalid(where, _unencrypted(url if own else f"{url}, which its metadata has as {field},"))
    return Outcome(made)


def _unknown(issuer: str) -> ProviderMetadata:
    """Return what stands for the metadata of an issuer where nothing is fetched: URLs that say where it would be."""
    where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint")
    return ProviderMetadata(*(f"{where}?{each}" for each in names))


def _unencrypted(url: str) -> str:
    return f"{url} is not encrypted; use https, or have Headgate started with --allow-http-issuers."


def _client_id(context: ProviderContext, found: OAuth2Extension) -> Outcome[str | None]:
    credentials = found.credentials
    if credentials.client_id_ref is None:
        return Outcome(credentials.client_id)
    field = "credentials.clientIDRef"
    secret = context.secret(credentials.client_id_ref, CLIENT_ID_KEY, field)
    if secret.value is None:
        return Outcome(None, secret.problems)
    text = (secret_value(context.db, secret.value) or b"").decode("utf-8", "replace").strip()
    if not _CLIENT_ID.match(text):
        name = f"{secret.value.namespace}/{secret.value.name}"
        return context.invalid(field, f"key {secret.value.key} of Secret {name} holds no id of printable characters.")
    return Outcome(text)


def _backend(
    context: ProviderContext, reference: BackendObjectReference | None, field: str, url: str, url_field: str
) -> Outcome[Backend | None]:
    """Return what serves a URL: the backend that a reference names, or the host of the URL."""
    if reference is not None:
        return context.backend(reference, field)
    return url_backend(context.db, url, f"{context.field}.{url_field}")


def _verification(
    context: ProviderContext, found: OAuth2Extension, metadata: ProviderMetadata, client_id: str
) -> Outcome[TokenVerification | None]:
    """Return how tokens are verified; None without problems if they are not."""
    wanted = found.jwt
    if wanted is None:
        return Outcome(None)
    if not metadata.jwks_uri:
        return context.invalid("jwt.jwksURI", "the metadata of the issuer names no keys; set it.")
    backend = _backend(context, wanted.jwks_backend_ref, "jwt.jwksBackendRef", metadata.jwks_uri, "jwt.jwksURI")
    if backend.value is None:
        return Outcome(None, backend.problems)
    id_token = _verified(wanted.id_token, (client_id,))
    access_token = _verified(wanted.access_token, ())
    issuer = found.issuer_uri or ""
    return Outcome(TokenVerification(issuer, metadata.jwks_uri, backend.value, id_token, access_token))


def _verified(found: TokenValidation | None, audiences: tuple[str, ...]) -> VerifiedToken | None:
    if found is None:
        return None
    claims = tuple(
        (each.path if each.path is not None else each.name or "", each.header) for each in found.claims_to_headers or ()
    )
    return VerifiedToken(found.audiences or audiences, claims)


def _signing_key(
    context: ProviderContext, found: OAuth2Extension, secret: GenericSecret, client_id: str
) -> GenericSecret:
    """Return the key that signs the cookies of a provider: those of another, or of another client, count for nothing.

    That of the secret alone would do for all providers that share it.
    """
    whose = (str(context.owner), found.issuer_uri or found.token_endpoint, client_id)
    purpose = blake2b(repr(whose).encode(), digest_size=8).hexdigest()
    return secret._replace(derivation=Derivation.HMAC, purpose=purpose)


def _client(
    context: ProviderContext,
    found: OAuth2Extension,
    metadata: ProviderMetadata,
    client_id: str,
    secrets: tuple[GenericSecret, GenericSecret],
    backend: Backend,
    verification: TokenVerification | None,
) -> OAuth2Client:
    cookies = found.cookies or OAuth2Cookies()
    name = f"{context.owner.namespace}/{context.owner.name}"
    redirect_uri = found.redirect_uri or REDIRECT_URI
    return OAuth2Client(
        name=name,
        authorization_endpoint=metadata.authorization_endpoint,
        token_endpoint=metadata.token_endpoint,
        end_session_endpoint=metadata.end_session_endpoint,
        backend=backend,
        client_id=client_id,
        secret=secrets[0],
        hmac=secrets[1],
        cookie_names=_cookie_names(name, cookies),
        redirect_uri=redirect_uri,
        redirect_path=path_of(redirect_uri),
        logout_path=found.logout_path or LOGOUT_PATH,
        post_logout_redirect_uri=found.post_logout_redirect_uri or "",
        scopes=found.scopes or SCOPES,
        resources=found.resources or (),
        cookie_domain=cookies.domain or "",
        same_site=cookies.same_site or "Lax",
        keeps_access_token=not cookies.disable_access_token_set_cookie,
        keeps_id_token=not cookies.disable_id_token_set_cookie,
        keeps_refresh_token=not cookies.disable_refresh_token_set_cookie,
        forward_access_token=bool(found.forward_access_token),
        id_token_header=found.forward_id_token.header if found.forward_id_token is not None else "",
        keeps_authorization=bool(found.pass_through_auth_header),
        refreshes=found.refresh_token is not False,
        encrypts=not found.disable_token_encryption,
        token_ttl=found.default_token_ttl or 0,
        refresh_token_ttl=found.default_refresh_token_ttl or 0,
        login_ttl=found.csrf_token_ttl or LOGIN_SECONDS * 1000,
        auth_type=found.auth_type or "URLEncodedBody",
        algorithm=found.signing_algorithm or ("RS256" if found.auth_type == "PrivateKeyJwt" else ""),
        verification=verification,
    )


def _cookie_names(provider: str, cookies: OAuth2Cookies) -> CookieNames:
    """Return the names of cookies, with a hash of the provider's name, so that those of one host are told apart."""
    suffix = blake2b(provider.encode(), digest_size=4).hexdigest()
    given = cookies.names.__dict__ if cookies.names is not None else {}
    return CookieNames(*(given.get(name) or f"{each}-{suffix}" for name, each in _NAMES._asdict().items()))


def path_of(uri: str) -> str:
    """Return the path of a redirect URI, whose host may be a format."""
    found = _PATH_OF_URI.match(uri)
    assert found is not None, "by the pattern of the field"
    return found[1]


def conflict(client: OAuth2Client, field: str) -> Problem | None:
    """Return why the settings of a client exclude each other; None if they do not."""
    verification = client.verification
    verified = verification is not None and verification.access_token is not None
    text = ""
    if client.redirect_path == client.logout_path:
        text = f"redirectURI and logoutPath have one path, {client.logout_path}; change one of them"
    elif client.keeps_authorization and (client.forward_access_token or verified):
        text = "passThroughAuthHeader must not be set together with forwardAccessToken or jwt.accessToken; remove one"
    elif not client.keeps_access_token and (client.forward_access_token or verified):
        text = "cookies.disableAccessTokenSetCookie leaves no token for forwardAccessToken or jwt.accessToken"
    elif not client.keeps_id_token and id_token_header(client):
        text = "cookies.disableIDTokenSetCookie leaves no token for forwardIDToken or jwt.idToken; remove one of them"
    elif client.end_session_endpoint and "openid" not in client.scopes:
        text = "scopes must have openid, as the end session endpoint takes an ID token; add it"
    return Problem("Accepted", "Invalid", f"{field}: {text}.") if text else None
