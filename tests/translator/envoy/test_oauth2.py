"""The messages of logins, and of the tokens that are verified after them."""

from __future__ import annotations

from dataclasses import replace

from translator.envoy.oauth2 import COOKIE_BYTES, COOKIE_CHUNKS, oauth2_per_route, token_authentication
from translator.envoy.secret import generic_secret
from translator.ir.backend import Backend, BackendKey
from translator.ir.oauth2 import CookieNames, OAuth2Client, TokenVerification, VerifiedToken
from translator.ir.secret import Derivation, GenericSecret
from xds import check

BACKEND = Backend(BackendKey("URL", "", "id.example.com"), 443, "http1", "id.example.com")
VERIFICATION = TokenVerification("https://id.example.com", "https://id.example.com/keys", BACKEND, VerifiedToken())
SECRET = GenericSecret("default", "client", "client-secret")
CLIENT = OAuth2Client(
    name="default/login",
    authorization_endpoint="https://id.example.com/auth",
    token_endpoint="https://id.example.com/token",
    end_session_endpoint="",
    backend=BACKEND,
    client_id="shop",
    secret=SECRET,
    hmac=SECRET._replace(derivation=Derivation.HMAC, purpose="one"),
    cookie_names=CookieNames("A", "I", "R", "E", "H", "N", "C"),
    redirect_uri="https://shop.example.com/back",
    redirect_path="/back",
    logout_path="/logout",
    verification=VERIFICATION,
)


def test_times() -> None:
    """Calls of the provider have a time limit, and keys are fetched again."""
    assert oauth2_per_route(CLIENT).config.token_endpoint.timeout.ToTimedelta().total_seconds() == 5
    made = token_authentication(CLIENT, VERIFICATION, "key", optional=False)
    assert not list(check(made))
    remote = made.providers["key/id_token"].remote_jwks
    assert (remote.http_uri.timeout.seconds, remote.cache_duration.seconds) == (5, 300)


def test_cookies() -> None:
    """Tokens are divided into a limited number of cookies, each of a length that browsers take."""
    for client in (CLIENT, replace(CLIENT, auth_type="PrivateKeyJwt", algorithm="ES256")):
        made = oauth2_per_route(client)
        assert not list(check(made))
        chunking = made.config.token_cookie_chunking
        assert (chunking.max_cookie_size.value, chunking.max_chunks.value) == (COOKIE_BYTES, COOKIE_CHUNKS)


def test_keys_of_cookies_are_those_of_one_provider() -> None:
    """Of one secret, the key that signs the cookies of a provider is no other's, nor the secret itself."""
    secrets = [SECRET, *(SECRET._replace(derivation=Derivation.HMAC, purpose=each) for each in ("", "one", "two"))]
    made = [generic_secret(each, b"the secret") for each in secrets]
    assert len({each.name for each in made}) == len({each.generic_secret.secret.inline_bytes for each in made}) == 4
    again = generic_secret(secrets[2], b"the secret")
    assert again == made[2] != generic_secret(secrets[2], b"another secret")
