"""An authorization server of tests (RFC 8414, 7591, 6749): agents register, are authorized at once, and get tokens."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
from aiohttp import web
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.live.tokens import key, key_set, token
from tests.live.upstream import Seen, Upstream, upstream


@dataclass
class AuthorizationServer:
    """An authorization server on loopback.

    Attributes:
        audience: whom its tokens are for.
        claims: what else they say.
        metadata_path: where its metadata are.
        asked: the forms that its endpoint of tokens has got.
    """

    upstream: Upstream
    audience: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    metadata_path: str = "/.well-known/oauth-authorization-server"
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its URL, which is the issuer of its tokens."""
        return f"http://127.0.0.1:{self.upstream.port}"

    async def answer(self, seen: Seen) -> web.StreamResponse:
        """Answer a request."""
        path = seen.path.partition("?")[0]
        if path == self.metadata_path:
            return web.json_response(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "registration_endpoint": f"{self.url}/register",
                    "jwks_uri": f"{self.url}/keys",
                    "response_types_supported": ["code"],
                    "grant_types_supported": ["authorization_code"],
                    "code_challenge_methods_supported": ["S256"],
                    "token_endpoint_auth_methods_supported": ["none"],
                    "authorization_response_iss_parameter_supported": True,
                }
            )
        if path == "/keys":
            return web.Response(text=key_set(key("one")), content_type="application/jwk-set+json")
        if path == "/register":
            asked = json.loads(seen.body)
            return web.json_response({**asked, "client_id": secrets.token_hex(8)}, status=201)
        if path == "/authorize":
            asked = dict(parse_qsl(seen.path.partition("?")[2]))
            answer = {"code": secrets.token_hex(8), "state": asked["state"], "iss": self.url}
            return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(answer)}"})
        if path == "/token":
            asked = dict(parse_qsl(seen.body.decode()))
            self.asked.append(asked)
            audience = self.audience or asked.get("resource", "")
            said = token(iss=self.url, aud=audience, **{"scope": "tools:read", **self.claims})
            return web.json_response({"access_token": said, "token_type": "Bearer", "expires_in": 3600})
        return web.Response(status=404)


@contextlib.asynccontextmanager
async def authorization_server() -> AsyncIterator[AuthorizationServer]:
    """Run an authorization server."""
    async with upstream("issuer") as found:
        made = AuthorizationServer(found)
        found.answer = made.answer
        yield made


class _Memory:
    """What an agent remembers."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


def login(url: str) -> OAuthClientProvider:
    """Return what has an agent log in by itself for a server at a URL: the SDK follows what it is told."""
    answers: list[dict[str, str]] = []

    async def follow(address: str) -> None:
        async with httpx2.AsyncClient() as http:
            found = await http.get(address, follow_redirects=False)
        answers.append(dict(parse_qsl(found.headers["location"].partition("?")[2])))

    async def answered() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**answers.pop())

    metadata = OAuthClientMetadata.model_validate(
        {"redirect_uris": ["http://127.0.0.1:9/back"], "client_name": "agent", "token_endpoint_auth_method": "none"}
    )
    return OAuthClientProvider(url, metadata, _Memory(), follow, answered)
