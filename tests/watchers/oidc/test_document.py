"""The documents of issuers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from translator.ir.oidc import ProviderMetadata
from watchers.oidc.document import MOST_CHARACTERS, DiscoveryError, document_url, parse

ISSUER = "https://id.example.com/tenant"
GOOD = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://id.example.com/auth?tenant=1",
    "token_endpoint": "https://id.example.com/token",
    "jwks_uri": "https://keys.example.com/jwks",
    "end_session_endpoint": "https://id.example.com/logout",
}


def document(**members: Any) -> bytes:
    """Return a good document with other members."""
    return json.dumps(GOOD | members).encode()


def test_the_endpoints_of_a_document() -> None:
    """A document gives the endpoints that proxies need; those that not all providers have may be missing."""
    found = parse(ISSUER, document())
    assert found == ProviderMetadata(*list(GOOD.values())[1:])
    fewer = parse(ISSUER, document(jwks_uri=None, end_session_endpoint=""))
    assert (fewer.jwks_uri, fewer.end_session_endpoint) == ("", "")


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/"])
def test_the_url_of_a_document(issuer: str) -> None:
    """The document is below the issuer, whether or not that ends with a slash."""
    assert document_url(issuer) == f"{ISSUER}/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is no JSON object"),
        (document(issuer="https://evil.example.com"), "is of another issuer"),
        (document(issuer=f"{ISSUER}/"), "is of another issuer"),
        (document(issuer=None), "is of another issuer"),
        (document(token_endpoint=None), "has no token_endpoint"),
        (document(authorization_endpoint=["https://a.com"]), "has no authorization_endpoint"),
        (document(token_endpoint="http://id.example.com/token"), "token_endpoint in the document is no https URL"),
        (document(jwks_uri="http://id.example.com/keys"), "jwks_uri in the document is no https URL"),
        (document(token_endpoint="https://user@id.example.com/"), "is no https URL"),
        (document(token_endpoint="https:///token"), "is no https URL"),
        (document(token_endpoint="https://[::1/token"), "is no https URL"),
        (document(token_endpoint="https://id.example.com:99999/"), "is no https URL"),
        (document(end_session_endpoint="javascript:alert(1)"), "is no https URL"),
        (document(end_session_endpoint="https://a.com/\r\nx: y"), "is no URL of at most"),
        (document(authorization_endpoint="https://a.com/%s" % ("x" * MOST_CHARACTERS)), "is no URL of at most"),
    ],
)
def test_a_document_that_cannot_be_used(body: bytes, text: str) -> None:
    """What is no document of the issuer, or has no good endpoints, is an error that repeats nothing of it."""
    with pytest.raises(DiscoveryError, match=re.escape(text)) as caught:
        parse(ISSUER, body)
    assert "evil" not in str(caught.value)


def test_http_endpoints_where_they_are_allowed() -> None:
    """Endpoints may be http URLs only if that is allowed."""
    body = document(token_endpoint="http://127.0.0.1:8080/token")
    assert parse(ISSUER, body, allow_http=True).token_endpoint == "http://127.0.0.1:8080/token"
    with pytest.raises(DiscoveryError, match="no https or http URL"):
        parse(ISSUER, document(token_endpoint="ftp://a.com/"), allow_http=True)
