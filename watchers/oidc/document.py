"""The document of OpenID Connect Discovery 1.0. Pure: bytes in, metadata or an error out."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from translator.ir.oidc import ProviderMetadata
from watchers.polling import PollError

WELL_KNOWN: Final = "/.well-known/openid-configuration"
"""The path of the document, below the issuer."""
MOST_CHARACTERS: Final = 2048
"""Longest URL in a document."""


class DiscoveryError(PollError):
    """The metadata of an issuer cannot be read; the message says why, and has nothing of the response's body."""


def document_url(issuer: str) -> str:
    """Return the URL of an issuer's document (OpenID Connect Discovery 1.0, 4.1)."""
    return issuer.rstrip("/") + WELL_KNOWN


def parse(issuer: str, body: bytes, *, allow_http: bool = False) -> ProviderMetadata:
    """Return the metadata in an issuer's document.

    Args:
        issuer: the issuer that was asked; the document must be its own, or one provider could pass as another.
        body: the document.
        allow_http: whether its endpoints may be http URLs.

    Raises:
        DiscoveryError: it is no such document, or of another issuer, or lacks what a proxy needs.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise DiscoveryError("the document is not JSON") from None
    if not isinstance(found, dict):
        raise DiscoveryError("the document is no JSON object")
    if found.get("issuer") != issuer:
        raise DiscoveryError("the document is of another issuer: spec.oauth2.issuerURI must be equal to its `issuer`")
    return ProviderMetadata(
        authorization_endpoint=_endpoint(found, "authorization_endpoint", allow_http),
        token_endpoint=_endpoint(found, "token_endpoint", allow_http),
        jwks_uri=_optional(found, "jwks_uri", allow_http),
        end_session_endpoint=_optional(found, "end_session_endpoint", allow_http),
    )


def _optional(found: dict[str, Any], name: str, allow_http: bool) -> str:
    return _endpoint(found, name, allow_http) if found.get(name) else ""


def _endpoint(found: dict[str, Any], name: str, allow_http: bool) -> str:
    """Return the URL that a member of the document is."""
    url = found.get(name)
    if not isinstance(url, str) or not url:
        raise DiscoveryError(f"the document has no {name}")
    if len(url) > MOST_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise DiscoveryError(f"{name} in the document is no URL of at most {MOST_CHARACTERS} characters")
    schemes = ("https", "http") if allow_http else ("https",)
    try:
        parts = urlsplit(url)
        valid = parts.scheme in schemes and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise DiscoveryError(f"{name} in the document is no {' or '.join(schemes)} URL")
    return url
