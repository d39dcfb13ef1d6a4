"""Logins of browsers at a provider, in the intermediate representation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from translator.ir.backend import Backend
from translator.ir.secret import GenericSecret


class CookieNames(NamedTuple):
    """The names of the cookies of a provider."""

    access_token: str
    id_token: str
    refresh_token: str
    expires: str
    hmac: str
    nonce: str
    code_verifier: str


class VerifiedToken(NamedTuple):
    """What a kind of token has to be.

    Attributes:
        audiences: of which it must be for one; empty for any.
        claims: the steps to a claim, or its name, with the header that backends get it in.
    """

    audiences: tuple[str, ...] = ()
    claims: tuple[tuple[str | tuple[str, ...], str], ...] = ()


class TokenVerification(NamedTuple):
    """How tokens are verified at each request.

    Attributes:
        issuer: the issuer of the tokens; "" for any.
        jwks_uri: the URL of its keys.
        backend: what serves that.
        id_token: how ID tokens are; None if they are not verified.
        access_token: how access tokens are; None if they are not verified.
    """

    issuer: str
    jwks_uri: str
    backend: Backend
    id_token: VerifiedToken | None = None
    access_token: VerifiedToken | None = None


@dataclass(frozen=True, slots=True)
class OAuth2Client:
    """A client of a provider.

    Durations are in milliseconds, 0 for Envoy's own.

    Attributes:
        name: ``namespace/name`` of the GatewayExtension.
        backend: what serves the token endpoint.
        secret: the client's secret, or private key.
        hmac: the key by which cookies are signed.
        redirect_path: the path of `redirect_uri`.
        algorithm: of assertions that the private key signs.
        verification: how tokens are verified at each request; None if they are not.
    """

    name: str
    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str
    backend: Backend
    client_id: str
    secret: GenericSecret
    hmac: GenericSecret
    cookie_names: CookieNames
    redirect_uri: str
    redirect_path: str
    logout_path: str
    post_logout_redirect_uri: str = ""
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    cookie_domain: str = ""
    same_site: str = "Lax"
    keeps_access_token: bool = True
    keeps_id_token: bool = True
    keeps_refresh_token: bool = True
    forward_access_token: bool = False
    id_token_header: str = ""
    keeps_authorization: bool = False
    refreshes: bool = True
    encrypts: bool = True
    token_ttl: int = 0
    refresh_token_ttl: int = 0
    login_ttl: int = 0
    auth_type: str = "URLEncodedBody"
    algorithm: str = ""
    verification: TokenVerification | None = None
